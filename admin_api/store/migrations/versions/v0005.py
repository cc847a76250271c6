"""Messages that webhooks have still to get."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin_api.store.columns import BigId, Key

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Their table."""
    op.create_table(
        "webhook_messages",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("hook", Key, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_at", sa.BigInteger, nullable=False),
        sa.Index("ix_webhook_messages_hook_next_at", "hook", "next_at"),
    )
