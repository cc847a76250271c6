"""The inbox of unlisted names."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin_api.store.columns import Key, Word

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Its table."""
    if sa.inspect(op.get_bind()).has_table("unlisted"):
        return  # a store that was set back to an earlier number has it
    op.create_table(
        "unlisted",
        sa.Column("domain", Key, primary_key=True),
        sa.Column("status", Word, nullable=False),
        sa.Column("score", sa.Integer, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("hosts", sa.Text, nullable=False),
        sa.Column("queries", sa.BigInteger, nullable=False),
        sa.Column("clients", sa.Integer, nullable=False),
        sa.Column("days", sa.Text, nullable=False),
        sa.Column("first_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.Column("rule", sa.Text),
        sa.Column("list", Key),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_at", sa.BigInteger),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Index("ix_unlisted_status_score", "status", "score"),
    )
