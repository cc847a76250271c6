"""Exemptions, leases and pauses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_WORD = sa.String(32)
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Their tables."""
    op.create_table(
        "exemptions",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("ticket", sa.Text),
        sa.Column("status", _WORD, nullable=False, index=True),
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
        sa.Column("exemption_id", _KEY, sa.ForeignKey("exemptions.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("action", _WORD, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("status", _WORD, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("note", sa.Text),
    )
    op.create_table(
        "leases",
        sa.Column("address", _KEY, primary_key=True),
        sa.Column("identity", _KEY, nullable=False, index=True),
        sa.Column("group", _KEY),
        sa.Column("device", _KEY, nullable=False, index=True),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False, index=True),
    )
    op.create_table(
        "lease_history",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False, index=True),
        sa.Column("action", _WORD, nullable=False),
        sa.Column("address", _KEY, nullable=False),
        sa.Column("identity", _KEY, nullable=False),
        sa.Column("group", _KEY),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.Index("ix_lease_history_address_id", "address", "id"),
        sa.Index("ix_lease_history_identity_id", "identity", "id"),
    )
    op.create_table(
        "pauses",
        sa.Column("id", _KEY, primary_key=True),
        sa.Column("group", _KEY),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
