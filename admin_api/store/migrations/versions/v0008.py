"""Changes that wait for another owner; what lease tokens are bound to; owners of exemptions as they are compared."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin_api.persons import normal_form
from admin_api.store.columns import Key, Word

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Their table and columns; tokens that are there are bound to nothing."""
    connection = op.get_bind()
    there = sa.inspect(connection)
    if there.has_table("change_requests"):
        return  # a store that was set back to an earlier number has it all
    op.add_column("tokens", sa.Column("networks", sa.Text))
    op.add_column("tokens", sa.Column("groups", sa.Text))
    op.add_column("exemptions", sa.Column("owner_form", Key, nullable=False, server_default=""))
    op.create_index("ix_exemptions_owner_form", "exemptions", ["owner_form"])
    exemptions = sa.table("exemptions", sa.column("owner", sa.Text), sa.column("owner_form", sa.Text))
    for owner in connection.execute(sa.select(exemptions.c.owner).distinct()).scalars().all():
        connection.execute(
            sa.update(exemptions).where(exemptions.c.owner == owner).values(owner_form=normal_form(owner))
        )
    op.create_table(
        "change_requests",
        sa.Column("id", Key, primary_key=True),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("query", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.Column("body_octets", sa.BigInteger, nullable=False),
        sa.Column("sent", sa.Text, nullable=False),
        sa.Column("if_match", sa.Text),
        sa.Column("opens", sa.Text, nullable=False),
        sa.Column("changes", sa.Text, nullable=False),
        sa.Column("effect", sa.Text, nullable=False),
        sa.Column("status", Word, nullable=False),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("requested_owner", sa.Text, nullable=False),
        sa.Column("requested_token", Word, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_owner", sa.Text),
        sa.Column("decided_at", sa.BigInteger),
        sa.Column("note", sa.Text),
        sa.Column("token_part", sa.Text),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Index("ix_change_requests_status", "status"),
    )
