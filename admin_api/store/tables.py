"""The store's tables, the same on both engines. `migrations` makes them; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
)

from admin_api.store.columns import BigId, Json, JsonTuple, Key, UtcTime, Word

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

meta = Table(
    "meta",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # 1: there is one row
    Column("store_id", Text, nullable=False),
    Column("policy_revision", BigInteger, nullable=False),
    Column("audit_key_check", Text),  # what the audit key makes of the store's id: a key that makes another is not ours
    Column("tokens_widened", JsonTuple),  # names of tokens that an upgrade made investigators; NULL once that is told
)

store_owner = Table(
    "store_owner",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # 1: there is one row at most
    Column("holder", Text, nullable=False),  # of one run of the service
    Column("told", Text, nullable=False),  # host and process, for people
    Column("since", BigInteger, nullable=False),  # microseconds since 1970, by the database's clock
    Column("beat", BigInteger, nullable=False),  # of its last sign of life, by the same clock
)

lists = Table(
    "lists",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Key, nullable=False, unique=True),
    Column("kind", Word, nullable=False),  # own, subscription
    Column("origin", Word, nullable=False),  # file, api
    Column("enabled", Boolean, nullable=False),
    Column("url", Text),
    Column("format", Word),
    Column("refresh_seconds", Integer),
    Column("content", Text),  # SHA-256 of a content file that holds the rules; NULL: they are in `rules`
    Column("rules", BigInteger, nullable=False),
    Column("patterns", Integer, nullable=False),
    Column("regexes", Integer, nullable=False),
    Column("rules_revision", BigInteger, nullable=False),  # the policy revision that last changed the rules
    Column("version", BigInteger, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("last_success_at", UtcTime),
    Column("last_error", Text),
    Column("allow_private", Boolean, nullable=False, server_default=false()),
    Column("sha256", Text),
    Column("last_attempt_at", UtcTime),
    Column("fetched", Json),  # of the copy that is there: url, format, reader, etag, last_modified
    Column("report", Json),  # what could not be read of it
    sqlite_autoincrement=True,  # an id is part of the list's key in compiled layers, and must never come again
)


def _table_of_rules(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("list_id", Integer, ForeignKey("lists.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
        Column("action", Key, primary_key=True),
        Column("rule", Key, primary_key=True),
        Column("revision", BigInteger, nullable=False, index=True),
        sqlite_with_rowid=False,
    )


rules, removed_rules = _table_of_rules("rules"), _table_of_rules("removed_rules")

groups = Table(
    "groups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Key, nullable=False, unique=True),
    Column("description", Text, nullable=False),
    Column("exempt", Boolean, nullable=False),
    Column("mode", Word, nullable=False),
    Column("block", JsonTuple),  # NULL: what `default` blocks
    Column("allow", JsonTuple, nullable=False),
    Column("response", Json),
    Column("schedule", Json),
    Column("client_names", JsonTuple, nullable=False),
    Column("monitor", JsonTuple, nullable=False, server_default="[]"),
    Column("monitor_until", UtcTime),
    Column("origin", Word, nullable=False),  # bundled, file, api
    Column("version", BigInteger, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    sqlite_autoincrement=True,
)

group_networks = Table(
    "group_networks",
    metadata,
    Column("network", Key, primary_key=True),  # so that the database itself refuses a second claim
    Column("group_id", Integer, ForeignKey("groups.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
)

local_names = Table(
    "local_names",
    metadata,
    Column("name", Key, primary_key=True),
    Column("given", JsonTuple, nullable=False),  # addresses, or exactly one name
    Column("version", BigInteger, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

policy_revisions = Table(
    "policy_revisions",
    metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("request_id", Text),
    Column("changes", JsonTuple, nullable=False),
    Column("undo", LargeBinary, nullable=False),  # see revisions.py
)

webhook_messages = Table(
    "webhook_messages",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("hook", Key, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_at", UtcTime, nullable=False),
    Index("ix_webhook_messages_hook_next_at", "hook", "next_at"),
)

exemptions = Table(
    "exemptions",
    metadata,
    Column("id", Key, primary_key=True),
    Column("kind", Word, nullable=False),  # of the subject: client, network, group, identity
    Column("who", JsonTuple, nullable=False),
    Column("scope", JsonTuple, nullable=False),
    Column("owner", Text, nullable=False),
    Column("owner_form", Key, nullable=False, server_default="", index=True),  # as persons.py compares it
    Column("reason", Text, nullable=False),
    Column("ticket", Text),
    Column("status", Word, nullable=False, index=True),
    Column("requested_by", Text, nullable=False),
    Column("requested_owner", Text, nullable=False),  # who answers for the token that asked
    Column("decided_by", Text),
    Column("created_at", UtcTime, nullable=False),
    Column("starts_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False, index=True),
    Column("from_approval_seconds", BigInteger),  # what is pending lasts so long from its approval on
    Column("ended_at", UtcTime),
    Column("renewal", Json),  # that waits for approval: expires_at, reason, by, owner
    Column("told_ending", Boolean, nullable=False, server_default=false()),
    Column("version", BigInteger, nullable=False),
)

exemption_events = Table(
    "exemption_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("exemption_id", Key, ForeignKey("exemptions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("at", UtcTime, nullable=False),
    Column("action", Word, nullable=False),
    Column("actor", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("status", Word, nullable=False),  # after it
    Column("expires_at", UtcTime, nullable=False),  # after it
    Column("note", Text),
)

leases = Table(
    "leases",
    metadata,
    Column("address", Key, primary_key=True),
    Column("identity", Key, nullable=False, index=True),
    Column("group", Key),
    Column("device", Key, nullable=False, index=True),  # the same for all addresses of one
    Column("set_by", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("ends_at", UtcTime, nullable=False, index=True),
)

lease_history = Table(
    "lease_history",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("at", UtcTime, nullable=False, index=True),
    Column("action", Word, nullable=False),  # set, renewed, ended, expired
    Column("address", Key, nullable=False),
    Column("identity", Key, nullable=False),
    Column("group", Key),
    Column("ends_at", UtcTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("request_id", Text),
    Index("ix_lease_history_address_id", "address", "id"),
    Index("ix_lease_history_identity_id", "identity", "id"),
)

pauses = Table(
    "pauses",
    metadata,
    Column("id", Key, primary_key=True),
    Column("group", Key),  # NULL: every group
    Column("reason", Text, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Word, primary_key=True),
    Column("name", Key, nullable=False, unique=True),
    Column("owner", Text, nullable=False),
    Column("roles", JsonTuple, nullable=False),
    Column("digest", Text, nullable=False),  # hex SHA-256 of the whole token; "suspended:" before it while that waits
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("last_used_at", UtcTime),
    Column("networks", JsonTuple),  # role lease: the addresses that it may lease; NULL: any
    Column("groups", JsonTuple),  # role lease: the groups that it may lease into; NULL: any
)

change_requests = Table(
    "change_requests",
    metadata,
    Column("id", Key, primary_key=True),
    Column("operation", Text, nullable=False),  # "PATCH /groups/{name}"
    Column("path", Json, nullable=False),
    Column("query", Json, nullable=False),
    Column("body", LargeBinary),  # JSON, compressed; NULL once it is decided
    Column("body_octets", BigInteger, nullable=False),  # of `body`
    Column("sent", Text, nullable=False),  # SHA-256 of operation, path, query, body and If-Match
    Column("if_match", Text),
    Column("opens", JsonTuple, nullable=False),  # why it needs another owner, in finished phrases
    Column("changes", Json, nullable=False),  # what it does, as audit rows would tell
    Column("effect", Text, nullable=False),  # SHA-256 of all that it does
    Column("status", Word, nullable=False, index=True),
    Column("requested_by", Text, nullable=False),
    Column("requested_owner", Text, nullable=False),
    Column("requested_token", Word, nullable=False),  # the id of the token that asked
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("decided_by", Text),
    Column("decided_owner", Text),
    Column("decided_at", UtcTime),
    Column("note", Text),
    Column("token_part", Text),  # of a token that is to be made: the half that who asked was shown
    Column("version", BigInteger, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("before", Text),  # canonical JSON, as text: the HMAC is over what stands here
    Column("after", Text),
    Column("request_id", Text),
    Column("mac", Text, nullable=False),
    Index("ix_audit_actor_id", "actor", "id"),
    Index("ix_audit_object_id", "object", "id"),
)

audit_texts = Table(
    "audit_texts",
    metadata,
    Column("row", BigInteger, primary_key=True, autoincrement=False),  # of the trail
    Column("commitment", Key, primary_key=True),  # that stands in the row, in the place of the text
    Column("salt", Text),  # NULL, as the text: it was struck
    Column("text", Text),  # canonical JSON
    Column("erasure", Text),  # the id of what struck it
    Column("erased_at", UtcTime),
    sqlite_with_rowid=False,
)

documents = Table(
    "documents",
    metadata,
    Column("name", Key, primary_key=True),
    Column("body", Json, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

stats_rollup = Table(
    "stats_rollup",
    metadata,
    Column("period_seconds", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, primary_key=True, autoincrement=False),  # Unix seconds, the period's begin
    Column("dimension", Key, primary_key=True),
    Column("key", Key, primary_key=True),
    Column("kind", Key, primary_key=True),
    Column("n", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

stats_clients = Table(
    "stats_clients",
    metadata,
    Column("period_seconds", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("sketch", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

counter_files = Table(
    "counter_files",
    metadata,
    Column("name", Key, primary_key=True),
    Column("cells", LargeBinary, nullable=False),  # the values that were folded last
)

unlisted = Table(
    "unlisted",
    metadata,
    Column("domain", Key, primary_key=True),
    Column("status", Word, nullable=False),
    Column("score", Integer, nullable=False),
    Column("evidence", JsonTuple, nullable=False),  # of kind, what, points
    Column("hosts", JsonTuple, nullable=False),
    Column("queries", BigInteger, nullable=False),
    Column("clients", Integer, nullable=False),  # about, of the day that had most
    Column("days", JsonTuple, nullable=False),  # of day, queries, clients; the newest last
    Column("first_at", UtcTime, nullable=False),
    Column("last_at", UtcTime, nullable=False),
    Column("rule", Text),
    Column("list", Key),  # that has the rule
    Column("decided_by", Text),
    Column("decided_at", UtcTime),
    Column("version", BigInteger, nullable=False),  # one more with each decision
    Index("ix_unlisted_status_score", "status", "score"),
)

node_periods = Table(
    "node_periods",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("node", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("started", UtcTime, nullable=False),  # the service: what tells one period from another
    Column("began", UtcTime, nullable=False),  # its workers answered from then on
    Column("beat", UtcTime, nullable=False),  # the last sign of life
    Column("ended", UtcTime),  # NULL: it runs, or ended without a word
    Column("how", Word),  # of the end: stopped, lost
)

node_spans = Table(
    "node_spans",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("period_id", BigInteger, nullable=False, index=True),
    Column("kind", Word, nullable=False),  # policy, degraded, workers, unwatched
    Column("began", UtcTime, nullable=False, index=True),
    Column("ended", UtcTime),  # NULL: it lasts, as long as its period does
    Column("body", Json, nullable=False),
)
