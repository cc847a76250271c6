"""Openings that stand in a policy by themselves: groups and lists that let more through than the defaults do.

A restore closes them until an admin confirms them. What the config file makes is left out: it says what holds now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.second_owner.groups import CLOSED, Facts, State, States, opened
from admin_api.second_owner.openings import OpeningLookup
from admin_api.store import groups, local_names, rules
from admin_api.store.groups import GroupRow
from admin_api.store.lists import ListRow
from admin_api.store.policy import DEFAULT_BLOCK, DEFAULT_GROUP
from admin_api.store.restored_policy import FoundOpening
from admin_api.store.states import GroupState
from blocklists.catalogue import Catalogue
from resolver.config.references import ALL_LISTS

_MOST_NAMED: Final = 5  # rules


async def standing_openings(conn: AsyncConnection, catalogue: Catalogue) -> list[FoundOpening]:
    """All of them: groups, then lists, by name, then local names, as one: offices need them, so none is closed."""
    lookup = await OpeningLookup.of_now(conn, catalogue)
    rows = await groups.all_groups(conn)
    found = list(_of_groups(rows, lookup.will, lookup.facts))
    of_file = [row for row in rows if row.origin == "file"]
    of_lists = [await _of_list(conn, row, of_file) for row in lookup.rows.values() if row.origin != "file"]
    found += [one for one in of_lists if one is not None]
    if names := [row.name for row in await local_names.all_names(conn)]:
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        shown = ", ".join(names[:_MOST_NAMED]) + more
        found.append(FoundOpening(None, (f"names are answered whatever the policy says: {shown}",), closed=False))
    return found


async def _of_list(conn: AsyncConnection, row: ListRow, of_file: Sequence[GroupRow]) -> FoundOpening | None:
    """Openings by a list: its allow rules can be closed."""
    if not row.enabled:
        return FoundOpening(row, (f"is disabled, with {row.rules} rules",), closed=False) if row.rules else None
    some = await rules.some_of(conn, row, "allow", _MOST_NAMED + 1) if row.kind == "own" else []
    opens = [f"allows {', '.join(some[:_MOST_NAMED])}{' and more' if len(some) > _MOST_NAMED else ''}"] if some else []
    if allowing := [group.name for group in of_file if row.name in group.allow or ALL_LISTS in group.allow]:
        opens.append(f"is allowed in group {', '.join(allowing[:_MOST_NAMED])} by the config file, which stays open")
    return FoundOpening(row, tuple(opens), closed=bool(some)) if opens else None


def _of_groups(rows: Sequence[GroupRow], states: States, facts: Facts) -> Iterator[FoundOpening]:
    """Groups that open something beside `default`, and `default` beside the bundled one."""
    default = states[DEFAULT_GROUP]
    is_of_file = any(row.name == DEFAULT_GROUP and row.origin == "file" for row in rows)
    closed_default = default if is_of_file else _closed(default, DEFAULT_BLOCK, states, facts)
    floor = closed_default["block"] or DEFAULT_BLOCK
    will = {**states, DEFAULT_GROUP: closed_default}
    for row in rows:
        if row.origin == "file":
            continue
        state = states[row.name]
        closed = closed_default if row.name == DEFAULT_GROUP else _closed(state, floor, will, facts)
        phrases = tuple(opened(closed, state, will, will, facts))
        if phrases:
            yield FoundOpening(row, phrases, cast(GroupState, closed))


def _closed(state: State, floor: Sequence[str], states: States, facts: Facts) -> State:
    """A group as it opens nothing: it blocks what it did, and what everybody's default blocks."""
    response = state["response"]
    closed = {
        **state,
        "exempt": False,
        "mode": "enforce",
        "allow": [],
        "schedule": None,
        "response": response if response is None or response["mode"] in CLOSED else None,
    }
    if state["block"] is None:
        return closed
    stricter = {**closed, "block": [*state["block"], *(name for name in floor if name not in state["block"])]}
    return stricter if any(opened(stricter, closed, states, states, facts)) else closed
