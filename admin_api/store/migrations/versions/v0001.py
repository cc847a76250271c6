"""The first tables."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from admin_api.store.columns import BigId, Key, Word

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables, the store's identity, and the group `default`."""
    meta = op.create_table(
        "meta",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("store_id", sa.Text, nullable=False),
        sa.Column("policy_revision", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "lists",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", Key, nullable=False, unique=True),
        sa.Column("kind", Word, nullable=False),
        sa.Column("origin", Word, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("url", sa.Text),
        sa.Column("format", Word),
        sa.Column("refresh_seconds", sa.Integer),
        sa.Column("content", sa.Text),
        sa.Column("rules", sa.BigInteger, nullable=False),
        sa.Column("patterns", sa.Integer, nullable=False),
        sa.Column("regexes", sa.Integer, nullable=False),
        sa.Column("rules_revision", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("last_success_at", sa.BigInteger),
        sa.Column("last_error", sa.Text),
        sqlite_autoincrement=True,
    )
    for name in ("rules", "removed_rules"):
        op.create_table(
            name,
            sa.Column(
                "list_id",
                sa.Integer,
                sa.ForeignKey("lists.id", ondelete="CASCADE"),
                primary_key=True,
                autoincrement=False,
            ),
            sa.Column("action", Key, primary_key=True),
            sa.Column("rule", Key, primary_key=True),
            sa.Column("revision", sa.BigInteger, nullable=False, index=True),
            sqlite_with_rowid=False,
        )
    groups = op.create_table(
        "groups",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", Key, nullable=False, unique=True),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("exempt", sa.Boolean, nullable=False),
        sa.Column("mode", Word, nullable=False),
        sa.Column("block", sa.Text),
        sa.Column("allow", sa.Text, nullable=False),
        sa.Column("response", sa.Text),
        sa.Column("schedule", sa.Text),
        sa.Column("origin", Word, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "group_networks",
        sa.Column("network", Key, primary_key=True),
        sa.Column("group_id", sa.Integer, sa.ForeignKey("groups.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("position", sa.Integer, nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("id", Word, primary_key=True),
        sa.Column("name", Key, nullable=False, unique=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("role", Word, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("last_used_at", sa.BigInteger),
    )
    op.create_table(
        "audit",
        sa.Column("id", BigId, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("object", sa.Text, nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("mac", sa.Text, nullable=False),
        sa.Index("ix_audit_actor_id", "actor", "id"),
        sa.Index("ix_audit_object_id", "object", "id"),
    )
    op.create_table(
        "documents",
        sa.Column("name", Key, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "stats_rollup",
        sa.Column("period_seconds", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("dimension", Key, primary_key=True),
        sa.Column("key", Key, primary_key=True),
        sa.Column("kind", Key, primary_key=True),
        sa.Column("n", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stats_clients",
        sa.Column("period_seconds", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sketch", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "counter_files",
        sa.Column("name", Key, primary_key=True),
        sa.Column("cells", sa.LargeBinary, nullable=False),
    )
    op.bulk_insert(meta, [{"id": 1, "store_id": str(uuid.uuid4()), "policy_revision": 1}])
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    default = {
        "name": "default",
        "description": "",
        "exempt": False,
        "mode": "enforce",
        "block": '["ai","bypass","lists"]',
        "allow": "[]",
        "origin": "bundled",
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    op.bulk_insert(groups, [default])
