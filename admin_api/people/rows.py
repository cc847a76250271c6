"""A person taken out of the store's rows, in one change: each total, and each row that others need, stays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Row, Table, delete, select, update

from admin_api.people.person import Person, names_in
from admin_api.persons import normal_form
from admin_api.statistics.persons import move_to_erased
from admin_api.statistics.rows import ERASED
from admin_api.store import audit_texts, looks
from admin_api.store.change import Change
from admin_api.store.exemptions import ENDED
from admin_api.store.looks import GrantedLook
from admin_api.store.tables import change_requests, exemption_events, exemptions, lease_history, webhook_messages

ERASE: Final = ("erase", "people")
"""Action and object of the audit row."""

_BATCH: Final = 500
_OF_EXEMPTION = ("owner", "reason", "ticket", "requested_by", "requested_owner", "decided_by")
_OF_EVENT = ("actor", "owner", "note")
_OF_REQUEST = ("requested_by", "requested_owner", "decided_by", "decided_owner", "note")
_ABOUT_THEM = frozenset({"reason", "ticket", "note"})  # of an exemption for the person, whatever they say

_Names = Callable[[object], bool]
_Values = dict[str, object]  # of a row's columns, to be written


@dataclass(frozen=True, slots=True)
class TakenOut:
    """Numbers of what was taken out of the store."""

    lease_history: int  # rows, which are gone
    exemptions: int  # that have `erased` in the place of some texts
    change_requests: int  # likewise
    messages: int  # to webhooks and by mail that waited, and are not sent
    looks: int  # that others had agreed to
    hits: int  # in the statistics, counted under `erased`
    audit_rows: int  # whose texts were struck


async def take_out(change: Change, person: Person, *, statuses: Collection[str] = ENDED) -> TakenOut:
    """Take a person out of all that is over; what is in force is for `obstacles` to find before.

    `statuses`: of the exemptions whose texts are looked at.
    What the file of the store still has in free pages, and in its log, is the caller's to clear.
    """
    names = names_in(person)
    return TakenOut(
        lease_history=await _from_lease_history(change, person),
        exemptions=await _from_exemptions(change, person, names, statuses),
        change_requests=await _from_each(change, change_requests, lambda row: _request_without(row, names)),
        messages=await _from_messages(change, names),
        looks=await looks.drop(change.connection, lambda look: _is_at(look, person) or names(asdict(look))),
        hits=await move_to_erased(change.connection, person.keys),
        audit_rows=(await audit_texts.strike_where(change, person.is_named_in)).rows,
    )


def _is_at(look: GrantedLook, person: Person) -> bool:
    return look.identity is not None and person.is_meant_by(look.identity)


async def _from_lease_history(change: Change, person: Person) -> int:
    theirs = lease_history.c.identity.in_(sorted(person.spellings))
    return (await change.connection.execute(delete(lease_history).where(theirs))).rowcount


async def _from_exemptions(change: Change, person: Person, names: _Names, statuses: Collection[str]) -> int:
    """Exemptions of these statuses: rows stay, for what was open when."""
    theirs: set[str] = set()
    changed: set[str] = set()

    def without(row: Row[Any]) -> _Values:
        if row.status not in statuses:
            return {}
        is_theirs = row.kind == "identity" and any(map(person.is_meant_by, row.who))
        if is_theirs:
            theirs.add(row.id)
        written = _struck(row, _OF_EXEMPTION, names, is_theirs=is_theirs)
        if is_theirs:
            written["who"] = (ERASED,)
        if row.renewal is not None and (is_theirs or names(row.renewal)):
            written["renewal"] = None
        if "owner" in written:
            written["owner_form"] = normal_form(ERASED)
        if written:
            changed.add(row.id)
            written["version"] = row.version + 1
        return written

    await _from_each(change, exemptions, without)
    others = select(exemptions.c.id).where(exemptions.c.status.not_in(list(statuses)))
    passed_over = set((await change.connection.execute(others)).scalars())

    def event_without(row: Row[Any]) -> _Values:
        if row.exemption_id in passed_over:
            return {}
        written = _struck(row, _OF_EVENT, names, is_theirs=row.exemption_id in theirs)
        if written:
            changed.add(row.exemption_id)
        return written

    await _from_each(change, exemption_events, event_without)
    return len(changed)


def _request_without(row: Row[Any], names: _Names) -> _Values:
    """A request that is decided: what it was about goes whole, as the texts of its audit rows do."""
    if row.status == "pending":
        return {}
    written = _struck(row, _OF_REQUEST, names)
    if names([row.path, row.query, row.opens, row.changes]):
        path = {key: ERASED if names(text) else text for key, text in row.path.items()}
        bare = [
            {**told, "object": ERASED if names(told["object"]) else told["object"], "before": None, "after": None}
            for told in row.changes
        ]
        written |= {"path": path, "query": {}, "opens": (ERASED,), "changes": bare, "sent": "", "effect": ""}
        if row.note is not None:
            written["note"] = ERASED
    return written


async def _from_messages(change: Change, names: _Names) -> int:
    c = webhook_messages.c
    rows = (await change.connection.execute(select(c.id, c.body))).all()
    gone = await asyncio.to_thread(lambda: [row.id for row in rows if names(json.loads(row.body))])
    for first in range(0, len(gone), _BATCH):
        await change.connection.execute(delete(webhook_messages).where(c.id.in_(gone[first : first + _BATCH])))
    return len(gone)


async def _from_each(change: Change, table: Table, without: Callable[[Row[Any]], _Values]) -> int:
    """Write what `without` gives for each row of a table, some at a time; gives how many rows were written."""
    conn, key, changed = change.connection, table.c.id, 0
    last: Any = None
    while True:
        query = select(table).order_by(key).limit(_BATCH)
        rows: Sequence[Row[Any]] = (await conn.execute(query if last is None else query.where(key > last))).all()
        found = await asyncio.to_thread(_each_without, rows, without)
        for number, values in found:
            if values:
                await conn.execute(update(table).where(key == number).values(values))
                changed += 1
        if len(rows) < _BATCH:
            return changed
        last = rows[-1].id


def _each_without(rows: Sequence[Row[Any]], without: Callable[[Row[Any]], _Values]) -> list[tuple[Any, _Values]]:
    return [(row.id, without(row)) for row in rows]


def _struck(row: Row[Any], columns: Sequence[str], names: _Names, *, is_theirs: bool = False) -> _Values:
    """Columns that get ERASED: those that name the person, and of a row about them, all that is said of it."""
    given = dict(row._mapping)
    return {
        name: ERASED
        for name in columns
        if given[name] is not None and (names(given[name]) or (is_theirs and name in _ABOUT_THEM))
    }
