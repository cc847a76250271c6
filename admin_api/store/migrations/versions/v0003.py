"""Exemptions, leases and pauses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from admin_api.store.columns import BigId, Key, Word

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Their tables."""
    op.create_table(
        "exemptions",
        sa.Column("id", Key, primary_key=True),
        sa.Column("kind", Word, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("ticket", sa.Text),
        sa.Column("status", Word, nullable=False, index=True),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("requested_owner", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("starts_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("from_approval_seconds", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("renewal", sa.Text),
        sa.Column("told_ending", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "exemption_events",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("exemption_id", Key, sa.ForeignKey("exemptions.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("action", Word, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("status", Word, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("note", sa.Text),
    )
    op.create_table(
        "leases",
        sa.Column("address", Key, primary_key=True),
        sa.Column("identity", Key, nullable=False, index=True),
        sa.Column("group", Key),
        sa.Column("device", Key, nullable=False, index=True),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "lease_history",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False, index=True),
        sa.Column("action", Word, nullable=False),
        sa.Column("address", Key, nullable=False),
        sa.Column("identity", Key, nullable=False),
        sa.Column("group", Key),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.Index("ix_lease_history_address_id", "address", "id"),
        sa.Index("ix_lease_history_identity_id", "identity", "id"),
    )
    op.create_table(
        "pauses",
        sa.Column("id", Key, primary_key=True),
        sa.Column("group", Key),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
