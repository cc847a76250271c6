"""Names that clients of a group call themselves by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Their column; no group that is there has any."""
    op.add_column("groups", sa.Column("client_names", sa.Text, nullable=False, server_default="[]"))
