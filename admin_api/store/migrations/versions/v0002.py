"""Lists that are fetched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add columns for a list's copy."""
    op.add_column("lists", sa.Column("allow_private", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("lists", sa.Column("sha256", sa.Text))
    op.add_column("lists", sa.Column("last_attempt_at", sa.BigInteger))
    op.add_column("lists", sa.Column("fetched", sa.Text))
    op.add_column("lists", sa.Column("report", sa.Text))
