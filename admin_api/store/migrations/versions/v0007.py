"""Mark that the audit key must fit, and the owner of a store that several machines can reach."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Their column and table; the check of a store that is there is written when its key is next read."""
    op.add_column("meta", sa.Column("audit_key_check", sa.Text))
    op.create_table(
        "store_owner",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("told", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("beat", sa.BigInteger, nullable=False),
    )
