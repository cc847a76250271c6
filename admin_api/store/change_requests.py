"""Changes that wait for another owner, and what became of them: the store's rows.

What a call sent is kept only while it waits; the audit trail has what was done.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypedDict

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store.change import Change
from admin_api.store.columns import bindable, canonical
from admin_api.store.errors import TooMany, WrongState, found
from admin_api.store.queries import columns_of, count_of, narrowed, page_of_newest, row_of, rows_of, values_of
from admin_api.store.tables import change_requests

MOST_DECIDED: Final = 1000
"""Rows that are kept of those that wait no more; then the oldest go."""
MOST_BODY_OCTETS: Final = 64 << 20
"""Octets that the bodies of all waiting requests may take, compressed."""

_DONE: Final = {"approve": "approved", "deny": "denied", "withdraw": "withdrawn", "expire": "expired"}


@dataclass(frozen=True, slots=True)
class Sent:
    """A call, as it was sent and is to be made."""

    operation: str
    path: dict[str, str]
    query: Mapping[str, object]
    body: Any
    if_match: str | None

    def digest(self) -> str:
        """Digest of the call: equal calls have equal ones."""
        return hashlib.sha256(canonical(list(values_of(self).values())).encode()).hexdigest()


class ChangeTold(TypedDict):
    """One thing that a change does, as an audit row tells; both states None where they are too long to be told."""

    action: str
    object: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Finding:
    """Effects of a change. `opens` are finished phrases; `changes` as audit rows tell; `effect` is a digest of all."""

    opens: tuple[str, ...]
    changes: list[ChangeTold]
    effect: str


@dataclass(frozen=True, slots=True)
class Asking:
    """Token that asks or decides: its name, its owner and its id."""

    actor: str
    owner: str
    token: str


@dataclass(frozen=True, slots=True)
class ChangeRequestRow:
    """One change that was asked for. `status` as it is noted: see `status_at`."""

    id: str
    operation: str
    path: dict[str, str]
    query: Mapping[str, object]
    body_octets: int
    sent: str
    if_match: str | None
    opens: tuple[str, ...]
    changes: list[ChangeTold]
    effect: str
    status: str
    requested_by: str
    requested_owner: str
    requested_token: str
    created_at: datetime
    expires_at: datetime
    token_part: str | None
    decided_by: str | None = None
    decided_owner: str | None = None
    decided_at: datetime | None = None
    note: str | None = None
    version: int = 1

    def status_at(self, now: datetime) -> str:
        """The status by the clock: what has waited too long has expired, though nobody has noted it yet."""
        return "expired" if self.status == "pending" and self.expires_at <= now else self.status

    def plain(self) -> dict[str, object]:
        """As the audit trail keeps it; half a token is not in it."""
        return {
            "id": self.id,
            "operation": self.operation,
            "path": self.path,
            "opens": list(self.opens),
            "status": self.status,
            "requested_by": self.requested_by,
            "requested_owner": self.requested_owner,
            "expires_at": self.expires_at.isoformat(),
        }


_COLUMNS = columns_of(change_requests, ChangeRequestRow)
EVERY = select(*_COLUMNS)


async def get(conn: AsyncConnection, number: str) -> ChangeRequestRow:
    """The one of that id. Raises NotFound."""
    query = EVERY.where(change_requests.c.id == bindable(number))
    return found(await row_of(conn, ChangeRequestRow, query), f"change request {number!r}")


async def body_of(conn: AsyncConnection, row: ChangeRequestRow) -> Any:
    """Body of the call that waits. Raises WrongState when it is not kept any more."""
    packed = await conn.scalar(select(change_requests.c.body).where(change_requests.c.id == row.id))
    if packed is None:
        raise WrongState(f"change request {row.id!r} is {row.status}: its body is no longer stored")
    return json.loads(zlib.decompress(packed))


async def page(
    conn: AsyncConnection,
    now: datetime,
    *,
    limit: int,
    before: tuple[datetime, str] | None = None,
    status: str | None = None,
) -> list[ChangeRequestRow]:
    """Those made before `before`, newest first."""
    c = change_requests.c
    query = page_of_newest(EVERY, change_requests, before, limit)
    is_late = (c.status == "pending") & (c.expires_at <= now)
    if status == "expired":
        query = query.where((c.status == status) | is_late)
    elif status is not None:
        query = narrowed(query.where(~is_late), (c.status, status))
    return await rows_of(conn, ChangeRequestRow, query)


async def waiting_for_groups(conn: AsyncConnection, now: datetime) -> dict[str, str]:
    """The newest change request that waits for each group that one would change: its id, by the group's name."""
    c = change_requests.c
    waits = (c.status == "pending") & (c.expires_at > now) & c.operation.endswith("/groups/{name}", autoescape=True)
    rows = await conn.execute(select(c.path, c.id).where(waits).order_by(c.created_at, c.id))
    return {path["name"]: number for path, number in rows}


async def count_pending(conn: AsyncConnection, now: datetime) -> int:
    """How many wait."""
    c = change_requests.c
    return await count_of(conn, change_requests, c.status == "pending", c.expires_at > now)


async def same(conn: AsyncConnection, sent: Sent, requested_by: str, now: datetime) -> ChangeRequestRow | None:
    """The same call of the same token that waits already."""
    c = change_requests.c
    query = EVERY.where(c.status == "pending", c.sent == sent.digest(), c.requested_by == requested_by)
    return await row_of(conn, ChangeRequestRow, query.where(c.expires_at > now).limit(1))


async def create(
    change: Change, sent: Sent, found: Finding, who: Asking, *, most: int, wait_seconds: int, token_part: str | None
) -> ChangeRequestRow:
    """Have one wait. Raises TooMany."""
    conn, now, c = change.connection, datetime.now(UTC), change_requests.c
    packed = zlib.compress(json.dumps(sent.body).encode())
    held = await conn.scalar(select(func.coalesce(func.sum(c.body_octets), 0)).where(c.status == "pending"))
    if await count_pending(conn, now) >= most:
        raise TooMany(f"{most} changes wait for another owner, the maximum: decide on some, or withdraw them")
    if int(held or 0) + len(packed) > MOST_BODY_OCTETS:
        raise TooMany(f"the pending changes take {MOST_BODY_OCTETS >> 20} MiB, the maximum: decide on some")
    row = ChangeRequestRow(
        id=f"ch-{secrets.token_hex(5)}",
        operation=sent.operation,
        path=sent.path,
        query=sent.query,
        body_octets=len(packed),
        sent=sent.digest(),
        if_match=sent.if_match,
        opens=found.opens,
        changes=found.changes,
        effect=found.effect,
        status="pending",
        requested_by=who.actor,
        requested_owner=who.owner,
        requested_token=who.token,
        created_at=now,
        expires_at=now + timedelta(seconds=wait_seconds),
        token_part=token_part,
    )
    await conn.execute(insert(change_requests).values(**values_of(row), body=packed))
    change.record("request", f"change-requests/{row.id}", None, row.plain())
    return row


async def decide(
    change: Change, row: ChangeRequestRow, action: str, *, owner: str, note: str | None = None
) -> ChangeRequestRow:
    """Approve, deny, withdraw or expire one that waits; what was sent goes. Raises WrongState."""
    now = datetime.now(UTC)
    status = row.status if action == "expire" else row.status_at(now)
    if status != "pending":
        raise WrongState(f"change request {row.id!r} is {status}: it cannot be {_DONE[action]}")
    values = {
        "status": _DONE[action],
        "decided_by": change.actor,
        "decided_owner": owner,
        "decided_at": now,
        "note": note,
        "token_part": None,
        "body": None,
        "body_octets": 0,
        "version": row.version + 1,
    }
    statement = update(change_requests).where(change_requests.c.id == row.id).values(values).returning(*_COLUMNS)
    decided = ChangeRequestRow(**(await change.connection.execute(statement)).one()._mapping)
    change.record(action, f"change-requests/{row.id}", row.plain(), {**decided.plain(), "note": note})
    return decided


async def tidy(change: Change) -> None:
    """Note what has waited too long, and forget the oldest that are decided."""
    conn, c = change.connection, change_requests.c
    late = EVERY.where(c.status == "pending", c.expires_at <= datetime.now(UTC))
    for row in await rows_of(conn, ChangeRequestRow, late):
        await decide(change, row, "expire", owner="moatdns")
    kept = select(c.id).where(c.status != "pending").order_by(c.decided_at.desc()).limit(MOST_DECIDED)
    await conn.execute(delete(change_requests).where(c.status != "pending", c.id.not_in(kept)))


async def forget_decided(conn: AsyncConnection, before: datetime, most: int) -> int:
    """Remove so many that were decided before a time; gives how many there were."""
    c = change_requests.c
    numbers = (await conn.scalars(select(c.id).where(c.status != "pending", c.decided_at < before).limit(most))).all()
    await conn.execute(delete(change_requests).where(c.id.in_(numbers)))
    return len(numbers)


def facts_of(row: ChangeRequestRow) -> dict[str, object]:
    """Facts of a change request for a webhook."""
    return {**row.plain(), "requested_at": row.created_at.isoformat()}
