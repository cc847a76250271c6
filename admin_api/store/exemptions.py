"""Exemptions, with all that ever happened to each."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypedDict

from sqlalchemy import delete, func, insert, select
from sqlalchemy import update as update_table
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.persons import normal_form
from admin_api.store.change import Change
from admin_api.store.columns import bindable
from admin_api.store.errors import TooMany, WrongState, found
from admin_api.store.queries import columns_of, count_of, narrowed, page_of_newest, row_of, rows_of, values_of
from admin_api.store.tables import exemption_events, exemptions

MOST_OPEN: Final = 20_000  # pending, active or suspended

TRANSITIONS: Final[dict[tuple[str, str], str]] = {
    # (status, action): the status after it. What is not here cannot be done; what has ended never comes back.
    ("pending", "take-up"): "pending",
    ("pending", "approve"): "active",
    ("pending", "deny"): "denied",
    ("pending", "revoke"): "revoked",
    ("pending", "expire"): "expired",
    ("active", "renew"): "active",
    ("active", "request-renewal"): "active",
    ("active", "approve-renewal"): "active",
    ("active", "deny-renewal"): "active",
    ("active", "revoke"): "revoked",
    ("active", "expire"): "expired",
    ("active", "suspend"): "suspended",  # the store came out of a backup: perhaps it was revoked since
    ("suspended", "confirm"): "active",
    ("suspended", "revoke"): "revoked",
    ("suspended", "expire"): "expired",
}
STATUSES: Final = ("pending", "active", "suspended", "expired", "revoked", "denied")
ENDED: Final = ("expired", "revoked", "denied")


class RenewalAsked(TypedDict):
    """A renewal that waits for approval."""

    expires_at: str
    reason: str | None
    by: str
    owner: str
    at: str


@dataclass(frozen=True, slots=True)
class NewExemption:
    """An exemption to be made. `from_approval_seconds`: while it is pending, it lasts so long from its approval on."""

    kind: str
    who: tuple[str, ...]
    scope: tuple[str, ...]
    owner: str
    reason: str
    ticket: str | None
    status: str
    decided_by: str | None
    starts_at: datetime
    expires_at: datetime
    from_approval_seconds: int | None


@dataclass(frozen=True, slots=True)
class ExemptionRow(NewExemption):
    """One exemption."""

    id: str
    requested_by: str
    requested_owner: str
    created_at: datetime
    ended_at: datetime | None = None
    renewal: RenewalAsked | None = None
    told_ending: bool = False
    version: int = 1

    @property
    def requested_seconds(self) -> int | None:
        """For how long it was asked for; None of what was granted, or approved."""
        if self.decided_by is not None and self.status != "denied":
            return None
        if self.from_approval_seconds is not None:
            return self.from_approval_seconds
        return round((self.expires_at - self.starts_at).total_seconds())

    @property
    def waits_until(self) -> datetime | None:
        """When what is pending lapses."""
        return self.expires_at if self.status == "pending" else None

    def plain(self) -> dict[str, object]:
        """As the audit trail keeps it."""
        waits = self.waits_until
        asked = {} if waits is None else {"requested_seconds": self.requested_seconds, "waits_until": waits.isoformat()}
        return {
            **asked,
            "id": self.id,
            "subject": {self.kind: list(self.who)},
            "scope": list(self.scope),
            "owner": self.owner,
            "reason": self.reason,
            "ticket": self.ticket,
            "status": self.status,
            "starts_at": self.starts_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "renewal": self.renewal,
        }

    def told(self) -> dict[str, object]:
        """As webhooks are told of it."""
        return {**self.plain(), "requested_by": self.requested_by}


@dataclass(frozen=True, slots=True)
class EventRow:
    """One thing that happened to an exemption; `status` and `expires_at` are those after it."""

    at: datetime
    action: str
    actor: str
    owner: str
    status: str
    expires_at: datetime
    note: str | None


def after(row: ExemptionRow, action: str) -> str:
    """The status after an action. Raises WrongState."""
    status = TRANSITIONS.get((row.status, action))
    if status is None:
        raise WrongState(f"exemption {row.id!r} is {row.status}: it cannot be {_DONE[action]}")
    return status


_DONE = {
    "take-up": "taken up",
    "approve": "approved",
    "deny": "denied",
    "revoke": "revoked",
    "expire": "ended",
    "suspend": "suspended",
    "confirm": "confirmed",
    "renew": "renewed; it has ended: grant a new one",
    "request-renewal": "renewed; it has ended: request a new one",
    "approve-renewal": "approved",
    "deny-renewal": "denied",
}


_COLUMNS = columns_of(exemptions, ExemptionRow)
_EVERY = select(*_COLUMNS)
_IS_OPEN = exemptions.c.status.in_(("pending", "active", "suspended"))


async def get(conn: AsyncConnection, number: str) -> ExemptionRow:
    """The exemption of that id. Raises NotFound."""
    query = _EVERY.where(exemptions.c.id == bindable(number))
    return found(await row_of(conn, ExemptionRow, query), f"exemption {number!r}")


async def page(
    conn: AsyncConnection,
    *,
    limit: int,
    before: tuple[datetime, str] | None = None,
    status: str | None = None,
    owner: str | None = None,
    ending_before: datetime | None = None,
) -> list[ExemptionRow]:
    """Exemptions, newest first, those made before `before`."""
    form = None if owner is None else normal_form(owner)
    c = exemptions.c
    query = narrowed(page_of_newest(_EVERY, exemptions, before, limit), (c.status, status), (c.owner_form, form))
    if ending_before is not None:
        query = query.where(c.expires_at < ending_before)
    return await rows_of(conn, ExemptionRow, query)


async def opened(conn: AsyncConnection) -> list[ExemptionRow]:
    """All that are pending, active or suspended."""
    return await rows_of(conn, ExemptionRow, _EVERY.where(_IS_OPEN))


async def suspended(conn: AsyncConnection) -> list[ExemptionRow]:
    """All that wait for an admin's word, since the store came out of a backup."""
    return await rows_of(conn, ExemptionRow, _EVERY.where(exemptions.c.status == "suspended"))


async def waiting(conn: AsyncConnection, requested_by: str) -> list[ExemptionRow]:
    """All that an actor asked for and that are pending."""
    c = exemptions.c
    query = _EVERY.where(c.status == "pending", c.requested_by == bindable(requested_by))
    return await rows_of(conn, ExemptionRow, query)


async def pending_since(conn: AsyncConnection) -> list[datetime]:
    """When each exemption, or renewal of one, that waits for approval was asked for; the oldest first."""
    c = exemptions.c
    asked = await conn.execute(select(c.created_at).where(c.status == "pending"))
    renewals = await conn.execute(select(c.renewal).where(c.status == "active", c.renewal.is_not(None)))
    times = [row.created_at for row in asked]
    return sorted([*times, *(datetime.fromisoformat(row.renewal["at"]) for row in renewals)])


async def undone(conn: AsyncConnection, requested_by: str, client: str, now: datetime) -> list[ExemptionRow]:
    """Requests of an actor for one client that are pending, or were denied before they lapsed; newest first."""
    c = exemptions.c
    query = _EVERY.where(
        c.status.in_(("pending", "denied")),
        c.expires_at > now,
        c.requested_by == bindable(requested_by),
        c.kind == "client",
        c.who == (client,),
    )
    return await rows_of(conn, ExemptionRow, query.order_by(c.created_at.desc(), c.id.desc()))


async def touching(conn: AsyncConnection, start: datetime, end: datetime) -> list[ExemptionRow]:
    """All that were there within a window, by when they were made."""
    c = exemptions.c
    query = _EVERY.where(c.created_at < end, func.coalesce(c.ended_at, c.expires_at) >= start)
    return await rows_of(conn, ExemptionRow, query.order_by(c.created_at, c.id))


async def events(conn: AsyncConnection, number: str) -> list[EventRow]:
    """Events of one exemption, in order."""
    c = exemption_events.c
    query = select(*columns_of(exemption_events, EventRow)).where(c.exemption_id == bindable(number)).order_by(c.id)
    return await rows_of(conn, EventRow, query)


async def suspensions(conn: AsyncConnection, end: datetime) -> dict[str, list[EventRow]]:
    """When exemptions were suspended and confirmed, before a time, by id; in order."""
    c = exemption_events.c
    query = select(c.exemption_id, *columns_of(exemption_events, EventRow))
    query = query.where(c.action.in_(("suspend", "confirm")), c.at < end).order_by(c.id)
    found: dict[str, list[EventRow]] = {}
    for row in await conn.execute(query):
        found.setdefault(row.exemption_id, []).append(EventRow(*row[1:]))
    return found


async def forget_ended(conn: AsyncConnection, before: datetime, most: int) -> int:
    """Remove so many exemptions that ended before a time, with their events; gives how many there were."""
    c, e = exemptions.c, exemption_events.c
    old = select(c.id).where(~_IS_OPEN, func.coalesce(c.ended_at, c.expires_at) < before).limit(most)
    numbers = (await conn.scalars(old)).all()
    await conn.execute(delete(exemption_events).where(e.exemption_id.in_(numbers)))
    await conn.execute(delete(exemptions).where(c.id.in_(numbers)))
    return len(numbers)


async def active_at(conn: AsyncConnection, at: datetime) -> list[ExemptionRow]:
    """Exemptions that counted at a time, with the ends that they had then."""
    c, e = exemptions.c, exemption_events.c
    rows = {row.id: row for row in await touching(conn, at, at + timedelta(microseconds=1))}
    query = select(e.exemption_id, e.status, e.expires_at).join(exemptions, c.id == e.exemption_id)
    query = query.where(e.at <= at, c.created_at <= at, func.coalesce(c.ended_at, c.expires_at) >= at).order_by(e.id)
    then = {row.exemption_id: (row.status, row.expires_at) for row in await conn.execute(query)}
    return [
        replace(rows[number], status=status, expires_at=ends)
        for number, (status, ends) in then.items()
        if number in rows and status == "active" and rows[number].starts_at <= at < ends
    ]


async def create(change: Change, new: NewExemption, *, owner: str) -> ExemptionRow:
    """Make one; `owner` answers for the token that asks. Raises TooMany."""
    conn = change.connection
    if await count_of(conn, exemptions, _IS_OPEN) >= MOST_OPEN:
        raise TooMany(f"{MOST_OPEN} exemptions are open, the maximum: revoke some, or exempt a group")
    row = ExemptionRow(
        **values_of(new),
        id=f"ex-{secrets.token_hex(5)}",
        requested_by=change.actor,
        requested_owner=owner,
        created_at=datetime.now(UTC),
    )
    await conn.execute(insert(exemptions).values(**values_of(row), owner_form=normal_form(row.owner)))
    action = "grant" if row.status == "active" else "request"
    await _note(change, row, action, owner, row.reason)
    change.record(action, f"exemptions/{row.id}", None, row.plain())
    return row


async def move(
    change: Change, row: ExemptionRow, action: str, *, owner: str, note: str | None = None, **values: Any
) -> ExemptionRow:
    """Do what an action does to its status, and set `values` besides. Raises WrongState."""
    status = after(row, action)
    if status in ENDED:
        values.setdefault("ended_at", datetime.now(UTC))
        values["renewal"] = None
    written = {**values, "status": status, "version": row.version + 1}
    statement = update_table(exemptions).where(exemptions.c.id == row.id).values(written).returning(*_COLUMNS)
    moved = ExemptionRow(**(await change.connection.execute(statement)).one()._mapping)
    await _note(change, moved, action, owner, note)
    change.record(action, f"exemptions/{row.id}", row.plain(), moved.plain())
    return moved


async def told_ending(change: Change, numbers: Sequence[str]) -> None:
    """Note that it was told that they end soon."""
    statement = update_table(exemptions).where(exemptions.c.id.in_(list(numbers))).values(told_ending=True)
    await change.connection.execute(statement)


async def _note(change: Change, row: ExemptionRow, action: str, owner: str, note: str | None) -> None:
    event = EventRow(datetime.now(UTC), action, change.actor, owner, row.status, row.expires_at, note)
    await change.connection.execute(insert(exemption_events).values(**values_of(event), exemption_id=row.id))
