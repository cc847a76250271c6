"""Local names that are made through the API."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin_api.store.columns import Key

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Their table."""
    if "local_names" in sa.inspect(op.get_bind()).get_table_names():
        return  # a store that was set back to an earlier number has it
    op.create_table(
        "local_names",
        sa.Column("name", Key, primary_key=True),
        sa.Column("given", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
