"""The policy's revisions, each with what takes it back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Their table."""
    op.create_table(
        "policy_revisions",
        sa.Column("revision", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.Column("changes", sa.Text, nullable=False),
        sa.Column("undo", sa.LargeBinary, nullable=False),
    )
