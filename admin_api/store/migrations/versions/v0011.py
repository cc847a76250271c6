"""When the node ran, and what was in force on it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin_api.store.columns import BigId, Word

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Their tables."""
    tables = sa.inspect(op.get_bind()).get_table_names()  # a store that was set back to an earlier number has them
    if "node_periods" not in tables:
        op.create_table(
            "node_periods",
            sa.Column("id", BigId, primary_key=True),
            sa.Column("node", sa.Text, nullable=False),
            sa.Column("version", sa.Text, nullable=False),
            sa.Column("started", sa.BigInteger, nullable=False),
            sa.Column("began", sa.BigInteger, nullable=False),
            sa.Column("beat", sa.BigInteger, nullable=False),
            sa.Column("ended", sa.BigInteger),
            sa.Column("how", Word),
        )
    if "node_spans" not in tables:
        op.create_table(
            "node_spans",
            sa.Column("id", BigId, primary_key=True),
            sa.Column("period_id", sa.BigInteger, nullable=False),
            sa.Column("kind", Word, nullable=False),
            sa.Column("began", sa.BigInteger, nullable=False),
            sa.Column("ended", sa.BigInteger),
            sa.Column("body", sa.Text, nullable=False),
            sa.Index("ix_node_spans_period_id", "period_id"),
            sa.Index("ix_node_spans_began", "began"),
        )
