"""Personal texts of new audit rows, beside the trail. Rows that are there keep theirs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin_api.store.columns import Key

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Their table."""
    if "audit_texts" in sa.inspect(op.get_bind()).get_table_names():
        return  # a store that was set back to an earlier number has it
    op.create_table(
        "audit_texts",
        sa.Column("row", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("commitment", Key, primary_key=True),
        sa.Column("salt", sa.Text),
        sa.Column("text", sa.Text),
        sa.Column("erasure", sa.Text),
        sa.Column("erased_at", sa.BigInteger),
        sqlite_with_rowid=False,
    )
