"""The first tables."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_WORD = sa.String(32)
_BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


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
        sa.Column("name", _KEY, nullable=False, unique=True),
        sa.Column("kind", _WORD, nullable=False),
        sa.Column("origin", _WORD, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("url", sa.Text),
        sa.Column("format", _WORD),
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
            sa.Column("action", _KEY, primary_key=True),
            sa.Column("rule", _KEY, primary_key=True),
            sa.Column("revision", sa.BigInteger, nullable=False),
            sqlite_with_rowid=False,
        )
        op.create_index(op.f(f"ix_{name}_revision"), name, ["revision"])
    groups = op.create_table(
        "groups",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", _KEY, nullable=False, unique=True),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("exempt", sa.Boolean, nullable=False),
        sa.Column("mode", _WORD, nullable=False),
        sa.Column("block", sa.Text),
        sa.Column("allow", sa.Text, nullable=False),
        sa.Column("response", sa.Text),
        sa.Column("schedule", sa.Text),
        sa.Column("origin", _WORD, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "group_networks",
        sa.Column("network", _KEY, primary_key=True),
        sa.Column("group_id", sa.Integer, sa.ForeignKey("groups.id", ondelete="CASCADE"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
    )
    op.create_index(op.f("ix_group_networks_group_id"), "group_networks", ["group_id"])
    op.create_table(
        "tokens",
        sa.Column("id", _WORD, primary_key=True),
        sa.Column("name", _KEY, nullable=False, unique=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("role", _WORD, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("last_used_at", sa.BigInteger),
    )
    op.create_table(
        "audit",
        sa.Column("id", _BIG_ID, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("object", sa.Text, nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("mac", sa.Text, nullable=False),
    )
    op.create_index(op.f("ix_audit_actor_id"), "audit", ["actor", "id"])
    op.create_index(op.f("ix_audit_object_id"), "audit", ["object", "id"])
    op.create_table(
        "documents",
        sa.Column("name", _KEY, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "stats_rollup",
        sa.Column("period_seconds", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("dimension", _KEY, primary_key=True),
        sa.Column("key", _KEY, primary_key=True),
        sa.Column("kind", _KEY, primary_key=True),
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
        sa.Column("name", _KEY, primary_key=True),
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
