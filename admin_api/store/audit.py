"""The audit trail: who did what, each row with an HMAC over the row before, so that a tampered trail shows.

A row's `mac` is HMAC-SHA256(key, mac of the row before || the row as canonical JSON); the first row stands on the
store's id. The key is in the state directory. A trail that was cut off still holds together; heads (id and mac of the
last row) that were noted elsewhere show it (`trail`, `heads`).

Personal texts of a row are beside it (`audit_texts`): its content has commitments to them (`commitments`). Rows are
read with their texts in place.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Row, Select, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store import audit_texts
from admin_api.store.audit_texts import TextRow
from admin_api.store.change import AuditEntry
from admin_api.store.columns import canonical, micros
from admin_api.store.commitments import CommittedText, committed, has_commitments, opened
from admin_api.store.errors import StoreAway
from admin_api.store.queries import narrowed, page_below, values_of
from admin_api.store.tables import audit
from resolver.system.state_files import make_folder, read_own, write_whole

KEY_FILE = "audit.key"
_KEY_OCTETS = 32


@dataclass(frozen=True, slots=True)
class ChainedContent:
    """Content that a row's mac is over, and salts (hex) of its texts by commitment; what was struck has none."""

    before: Any
    after: Any
    salts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row of the trail. `before` and `after` are plain JSON values, with personal texts in place.

    `chained`: where there are such texts, what the mac is over, and the salts of the texts.
    """

    id: int
    at: datetime
    actor: str
    action: str
    object: str
    before: Any
    after: Any
    request_id: str | None
    mac: str
    chained: ChainedContent | None = None

    def plain(self) -> Mapping[str, Any]:
        """As JSON lines have it, with its mac, so that what was exported can be held against the trail."""
        at = self.at.isoformat().replace("+00:00", "Z")
        found = {**values_of(self), "at": at}
        del found["chained"]
        return found if self.chained is None else {**found, "chained": values_of(self.chained)}


async def page(
    conn: AsyncConnection,
    *,
    limit: int,
    before_id: int | None = None,
    actor: str | None = None,
    object: str | None = None,  # noqa: A002
    action: str | None = None,
) -> list[AuditRow]:
    """Rows with ids below `before_id`, newest first, that are of all that is given."""
    c = audit.c
    query = page_below(select(audit), c.id, before_id, limit)
    query = narrowed(query, (c.actor, actor), (c.object, object), (c.action, action))
    return await _read(conn, query)


async def rows_after(conn: AsyncConnection, last: int, *, limit: int, since: datetime | None = None) -> list[AuditRow]:
    """Rows behind an id, and not before a time, the oldest first."""
    query = select(audit).where(audit.c.id > last).order_by(audit.c.id).limit(limit)
    if since is not None:
        query = query.where(audit.c.at >= since)
    return await _read(conn, query)


async def rows_numbered(conn: AsyncConnection, numbers: Sequence[int]) -> list[AuditRow]:
    """Rows with these ids, the newest first."""
    return await _read(conn, select(audit).where(audit.c.id.in_(list(numbers))).order_by(audit.c.id.desc()))


async def _read(conn: AsyncConnection, query: Select[Any]) -> list[AuditRow]:
    rows = (await conn.execute(query)).all()
    having = {row.id for row in rows if has_commitments(row.before, row.after)}
    texts = await audit_texts.texts_of(conn, having)
    return [_row(row, texts.get(row.id, ()), is_committed=row.id in having) for row in rows]


def _row(row: Row[Any], texts: Sequence[TextRow], *, is_committed: bool) -> AuditRow:
    shown = {one.commitment: one.shown for one in texts}
    before, after = _value(opened(row.before, shown)), _value(opened(row.after, shown))
    chained = None
    if is_committed:
        salts = {one.commitment: one.salt for one in texts if one.salt is not None}
        chained = ChainedContent(_value(row.before), _value(row.after), salts)
    return AuditRow(**{**row._mapping, "before": before, "after": after}, chained=chained)


def _value(state: str | None) -> Any:
    return None if state is None else json.loads(state)


async def head(conn: AsyncConnection) -> tuple[int, str]:
    """Id and mac (hex) of the last row; (0, "") of an empty trail."""
    last = (await conn.execute(select(audit.c.id, audit.c.mac).order_by(audit.c.id.desc()).limit(1))).first()
    return (last.id, last.mac) if last else (0, "")


async def append(conn: AsyncConnection, key: bytes, store_id: str, entries: Sequence[AuditEntry]) -> None:
    """Add rows behind the last one. Only one transaction at a time may do so; `Store.change` sees to that."""
    if not entries:
        return
    last, mac = await head(conn)
    mac = mac or genesis(key, store_id)
    rows: list[dict[str, Any]] = []
    texts: list[tuple[int, CommittedText]] = []
    for number, entry in enumerate(entries, last + 1):
        before, after, own = committed(entry.object, entry.before, entry.after)
        values = {"id": number, **values_of(entry), "before": before, "after": after}
        mac = mac_of(key, mac, values)
        rows.append({**values, "mac": mac})
        texts += [(number, text) for text in own]
    await conn.execute(insert(audit), rows)
    await audit_texts.add(conn, texts)


def genesis(key: bytes, store_id: str) -> str:
    """Return the mac that the first row stands on; it also shows whether a key is the store's."""
    return hmac.new(key, store_id.encode(), hashlib.sha256).hexdigest()


def mac_of(key: bytes, before: str, row: Any) -> str:
    """The mac of a row behind one with the mac `before`."""
    content = [
        row["id"],
        micros(row["at"]),
        *(row[name] for name in ("actor", "action", "object", "before", "after", "request_id")),
    ]
    return hmac.new(key, f"{before}{canonical(content)}".encode(), hashlib.sha256).hexdigest()


def load_key(state_dir: Path) -> bytes | None:
    """The key, or None when there is none yet. Raises StoreAway."""
    path = state_dir / KEY_FILE
    try:
        key = read_own(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreAway(f"the audit trail's key, {path}, cannot be read: {error.strerror}") from error
    if len(key) != _KEY_OCTETS:
        raise StoreAway(f"the audit trail's key, {path}, has {len(key)} octets instead of {_KEY_OCTETS}: restore it")
    return key


def make_key(state_dir: Path) -> bytes:
    """Make the key, whole or not at all; of several that make it at once, one wins. Raises StoreAway."""
    path = state_dir / KEY_FILE
    try:
        make_folder(state_dir)
        with contextlib.suppress(FileExistsError):
            write_whole(path, secrets.token_bytes(_KEY_OCTETS), exclusive=True)
    except OSError as error:
        raise StoreAway(f"the audit trail's key, {path}, cannot be written: {error.strerror}") from error
    key = load_key(state_dir)
    if key is None:
        raise StoreAway(f"the audit trail's key, {path}, vanished while it was made")
    return key
