"""Openings by a restored policy: groups and lists that let more through than the defaults do.

A copy has in it what was closed since. So a restore closes them, in a policy revision of its own, and an admin who
confirms one gets it back: the lines of that revision say what was there. What cannot be closed without blocking names
that nobody decided to block (a disabled list), or without taking names away that an office needs (local ones), is only
told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store import groups, lists, local_names, revisions, rules
from admin_api.store.change import Change
from admin_api.store.errors import NotFound
from admin_api.store.groups import GroupRow
from admin_api.store.lists import ListRow
from admin_api.store.states import GroupState
from admin_api.store.undo import Line

_GROUP: Final = "groups/"
_LIST: Final = "lists/"
_LOCAL: Final = "local"  # all local names of the API
_MOST_SHOWN = 100  # rules that an audit row repeats


@dataclass(frozen=True, slots=True)
class FoundOpening:
    """A group or a list, or (None) all local names, that open something, in phrases.

    `closed` is the group as it opens nothing; of a list, whether its allow rules are to be removed.
    """

    row: GroupRow | ListRow | None
    opens: tuple[str, ...]
    closed: GroupState | bool

    @property
    def is_closed(self) -> bool:
        """Whether it can be closed; else it is only told."""
        return self.closed is not False


@dataclass(frozen=True, slots=True)
class PolicyOpening:
    """One that waits for an admin: `object` as in ``groups/lab``, ``lists/house``, ``local``; `number` is its row's id.

    `lists` are those that a group named. One that is not `closed` is still open.
    """

    object: str
    number: int
    opens: tuple[str, ...]
    closed: bool
    lists: tuple[str, ...] = ()

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> PolicyOpening:
        """As the store's document has it."""
        texts = {name: tuple(str(text) for text in plain.get(name, ())) for name in ("opens", "lists")}
        return cls(str(plain["object"]), int(plain["number"]), closed=bool(plain["closed"]), **texts)


async def close(change: Change, found: Iterable[FoundOpening]) -> list[PolicyOpening]:
    """Close what can be closed; gives all that waits for an admin then."""
    names = {row.name for row in await lists.all_lists(change.connection)}
    waiting = []
    for one in found:
        row = one.row
        if isinstance(row, GroupRow):
            named = tuple(sorted(row.references & names))
            waiting.append(PolicyOpening(_GROUP + row.name, row.id, one.opens, one.is_closed, named))
            if isinstance(one.closed, dict):
                await _write_group(change, row, one.closed)
        elif row is None:
            waiting.append(PolicyOpening(_LOCAL, 0, one.opens, closed=False))
        else:
            waiting.append(PolicyOpening(_LIST + row.name, row.id, one.opens, one.is_closed))
            if one.closed:
                await _remove_allow_rules(change, row)
    return waiting


async def still_there(conn: AsyncConnection, waiting: Sequence[PolicyOpening]) -> tuple[PolicyOpening, ...]:
    """Those whose group or list nobody has removed meanwhile."""
    if not waiting:
        return ()
    there = {(_GROUP + row.name, row.id) for row in await groups.all_groups(conn)}
    there |= {(_LIST + row.name, row.id) for row in await lists.all_lists(conn)}
    there |= {(_LOCAL, 0)} if await local_names.all_names(conn) else set()
    return tuple(one for one in waiting if (one.object, one.number) in there)


async def reopen(change: Change, wanted: Collection[PolicyOpening], revision: int) -> None:
    """Give groups and lists back what the closing `revision` took, but for what an admin has changed since.

    Raises NotFound for a list that a group named and that is gone, or where that revision is not kept any more.
    """
    closed = [one for one in wanted if one.closed]
    if not closed:
        return
    lines = await revisions.lines_of(change.connection, revision)
    for one in closed:
        kind, _, name = one.object.partition("/")
        if f"{kind}/" == _GROUP:
            await _reopen_group(change, one, name, lines)
        else:
            row = await lists.get(change.connection, name)
            allowed = [rule for line in lines if line[:3] == ["-", name, "allow"] for rule in line[3]]
            if added := await rules.add(change, row, allow=allowed):
                now = {"rules": row.rules + added, "added": _told(allowed[:_MOST_SHOWN], added)}
                change.record("add rules", one.object, {"rules": row.rules}, now)
                change.touches_policy()


async def _reopen_group(change: Change, one: PolicyOpening, name: str, lines: Sequence[Line]) -> None:
    row = await groups.get(change.connection, name)
    now: Mapping[str, Any] = row.plain()
    before, after = next((line[2], line[3]) for line in lines if line[:2] == ["object", one.object])
    back = {key: value for key, value in before.items() if value != after.get(key) == now.get(key)}
    named = {*(back.get("block") or ()), *back.get("allow", ())}
    for gone in sorted(named & {*one.lists} - {row.name for row in await lists.all_lists(change.connection)}):
        raise NotFound(f"list {gone!r}, which group {name!r} named: make it again, or leave the group closed")
    if back:
        await _write_group(change, row, back)


async def _write_group(change: Change, row: GroupRow, values: Mapping[str, Any]) -> None:
    written = await groups.update(change, row, **{key: value for key, value in values.items() if key != "name"})
    change.record("update", _GROUP + row.name, row.plain(), written.plain())
    change.touches_policy()


async def _remove_allow_rules(change: Change, row: ListRow) -> None:
    shown: list[str] = []
    gone = 0
    while some := await rules.some_of(change.connection, row, "allow"):
        gone += await rules.remove(change, row, allow=some)
        shown = shown or some[:_MOST_SHOWN]
    if gone:
        was = {"rules": row.rules, "removed": _told(shown, gone)}
        change.record("remove rules", _LIST + row.name, was, {"rules": row.rules - gone})
        change.touches_policy()


def _told(shown: Sequence[str], count: int) -> dict[str, object]:
    """Allow rules as an audit row tells of them: some, and how many more there are."""
    more = count - len(shown)
    return {"allow": [*shown], **({"more": more} if more > 0 else {})}
