"""The set ``ai`` as it was, which is ``vendors`` now; what groups only watch, and until when.

``ai`` has resellers in it from here on. Blocks grow by that, and stay as they are; whatever opens something goes on to
open what it did: allows of groups, scopes of exemptions, what waits for another owner, and the ways back to earlier
revisions. The audit trail keeps its words: a hash is over them.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from admin_api.store.columns import canonical

revision = "0009"
down_revision = "0008"

_WAS, _IS = "ai", "vendors"

_GROUPS = sa.table("groups", sa.column("id"), sa.column("allow", sa.Text))
_EXEMPTIONS = sa.table("exemptions", sa.column("id"), sa.column("scope", sa.Text))
_REVISIONS = sa.table(
    "policy_revisions",
    sa.column("revision", sa.BigInteger),
    sa.column("changes", sa.Text),
    sa.column("undo", sa.LargeBinary),
)
_REQUESTS = sa.table(
    "change_requests",
    *(sa.column(name, sa.Text) for name in ("id", "operation", "path", "query", "sent", "if_match")),
    *(sa.column(name, sa.Text) for name in ("opens", "changes", "effect", "status")),
    sa.column("body", sa.LargeBinary),
    sa.column("body_octets", sa.BigInteger),
)


def upgrade() -> None:
    """Their columns; no group that is there watches anything. References in all that is stored and opens something."""
    connection = op.get_bind()
    if "monitor" not in {column["name"] for column in sa.inspect(connection).get_columns("groups")}:
        op.add_column("groups", sa.Column("monitor", sa.Text, nullable=False, server_default="[]"))
        op.add_column("groups", sa.Column("monitor_until", sa.BigInteger))
    _references(connection, _GROUPS, _GROUPS.c.allow)
    _references(connection, _EXEMPTIONS, _EXEMPTIONS.c.scope)
    _ways_back(connection)
    _requests(connection)


def _references(connection: sa.Connection, table: sa.TableClause, column: sa.ColumnClause[Any]) -> None:
    rows = connection.execute(sa.select(table.c.id, column).where(column.like(f'%"{_WAS}"%'))).all()
    for number, text in rows:
        written = canonical(_renamed(json.loads(text)))
        connection.execute(sa.update(table).where(table.c.id == number).values({column.name: written}))


def _ways_back(connection: sa.Connection) -> None:
    """Ways back to revisions of groups: states in which they were."""
    c = _REVISIONS.c
    # A summary of many changes is cut short ("and 7 more"), and may have groups in what is left out.
    may_have = sa.or_(c.changes.like("% groups/%"), c.changes.like('%"and % more"%'))
    for number in connection.execute(sa.select(c.revision).where(may_have)).scalars().all():
        packed: bytes = connection.execute(sa.select(c.undo).where(c.revision == number)).scalar_one()
        try:
            lines = zlib.decompress(packed).splitlines(keepends=True)
        except zlib.error:
            continue  # it is told when somebody wants to go back there
        changed = [_way_back(line) for line in lines]
        if changed != lines:
            undo = zlib.compress(b"".join(changed))
            connection.execute(sa.update(_REVISIONS).where(c.revision == number).values(undo=undo))


def _way_back(line: bytes) -> bytes:
    if not line.startswith(b'["object","groups/') or f'"{_WAS}"'.encode() not in line:
        return line
    what, name, before, after = json.loads(line)
    return json.dumps([what, name, _group(before), _group(after)], separators=(",", ":")).encode() + b"\n"


def _requests(connection: sa.Connection) -> None:
    """Changes that wait for another owner: the call, and what was said of it, so that an approval finds both alike."""
    c = _REQUESTS.c
    for row in connection.execute(sa.select(_REQUESTS).where(c.status == "pending")).all():
        body = json.loads(zlib.decompress(row.body))
        if row.operation.endswith((" /groups", " /groups/{name}")):
            new_body = _group(body)
        elif row.operation == "POST /policy:apply":
            new_body = _document(body)
        else:
            new_body = body
        changes = json.loads(row.changes)
        new_changes = [_told(change) for change in changes]
        if (new_body, new_changes) == (body, changes):
            continue
        packed = zlib.compress(json.dumps(new_body).encode())
        call = [row.operation, json.loads(row.path), json.loads(row.query), new_body, row.if_match]
        values = {
            "body": packed,
            "body_octets": len(packed),
            "sent": hashlib.sha256(canonical(call).encode()).hexdigest(),
            "changes": canonical(new_changes),
            "opens": canonical([_phrase(phrase) for phrase in json.loads(row.opens)]),
        }
        if _effect(changes) == row.effect:  # else it changes rules, too: its approval is refused, and it is asked anew
            values["effect"] = _effect(new_changes)
        connection.execute(sa.update(_REQUESTS).where(c.id == row.id).values(values))


def _effect(changes: Sequence[Any]) -> str:
    """Digest of changes as version 0008 made it, where they are all that a request does."""
    digest = hashlib.sha256()
    for change in changes:
        kind, _, name = change["object"].partition("/")
        digest.update(canonical([change["action"], kind, name, change["before"], change["after"]]).encode())
    return digest.hexdigest()


def _told(change: Any) -> Any:
    if not change["object"].startswith("groups/"):
        return change
    return {**change, "before": _group(change["before"]), "after": _group(change["after"])}


def _phrase(phrase: str) -> str:
    """Phrase that tells what a group opens, with the names renamed."""
    told, allows, names = phrase.rpartition(" allows ")
    if not allows or phrase.startswith("list ") or " " in names.replace(", ", ""):
        return phrase
    return f"{told}{allows}{', '.join(sorted(_renamed(names.split(', '))))}"


def _document(body: Any) -> Any:
    policy = body.get("policy") if isinstance(body, dict) else None
    if not isinstance(policy, dict) or not isinstance(policy.get("groups"), list):
        return body
    return {**body, "policy": {**policy, "groups": [_group(group) for group in policy["groups"]]}}


def _group(state: Any) -> Any:
    if not isinstance(state, dict) or not isinstance(state.get("allow"), list):
        return state
    return {**state, "allow": _renamed(state["allow"])}


def _renamed(references: list[Any]) -> list[Any]:
    named = [_IS if isinstance(name, str) and name.strip() == _WAS else name for name in references]
    return [name for index, name in enumerate(named) if name != _IS or _IS not in named[:index]]
