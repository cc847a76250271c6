"""A plan, carried out within one change of the store: all of it, or nothing."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, cast

from admin_api.editing.errors import Invalid, pointer
from admin_api.editing.groups import MOST_GROUPS
from admin_api.editing.lists import MOST_LISTS, note_rules
from admin_api.editing.local_names import circle_mistakes
from admin_api.editing.rules import check_bounds, told
from admin_api.policy_file.planning import Pairs, PlannedChange, PolicyPlan
from admin_api.store import groups, lists, local_names, rules
from admin_api.store.change import Change
from admin_api.store.errors import TooMany
from admin_api.store.lists import ListRow
from admin_api.store.local_names import LocalNameState
from admin_api.store.states import GroupState
from resolver.config.references import KnownReferences, contradictions
from resolver.wire.local_records import LocalRecord


async def apply(
    change: Change, plan: PolicyPlan, known: KnownReferences, local_of_config: Sequence[LocalRecord]
) -> None:
    """Carry it out. Raises Invalid, TooMany, StoreError; the caller's change is rolled back then.

    `local_of_config` are the config's local names, by way of which those of the plan may lead to themselves.
    """
    await _check(change, plan, known)
    conn = change.connection
    rows = {row.name: row for row in await groups.all_groups(conn)}
    for planned in plan.changes:
        if planned.kind == "group" and planned.name in rows:
            await groups.release(change, rows[planned.name])  # networks may move from one group to another
    for planned in plan.changes:
        if planned.kind == "list" and planned.action != "delete":
            await _put_list(change, planned)
    for planned in sorted(plan.changes, key=lambda planned: planned.action != "delete"):  # first those that go
        if planned.kind == "group":
            await _put_group(change, planned, rows)
    await _put_local(change, plan, local_of_config)
    for planned in plan.changes:
        if planned.kind == "list" and planned.action == "delete":
            row = await lists.get(conn, planned.name)
            await note_rules(change, row)
            await lists.delete(change, row)
            change.record("delete", f"lists/{row.name}", row.plain(), None)
    if plan.changes:
        if plan.back_to is not None:
            facts = {"revision": change.revision, "to_revision": plan.back_to}
            change.record("rollback", f"policy/revisions/{plan.back_to}", {"revision": plan.revision}, facts)
        change.touches_policy()


async def _put_list(change: Change, planned: PlannedChange) -> None:
    settings = dict(planned.after or {})
    if planned.action == "create":
        row = await lists.create(change, name=planned.name, kind=settings.pop("kind"), **settings)
        await _put_rules(change, row, planned.added, frozenset())
        row = await lists.get(change.connection, row.name)
        added = await told(change, row, len(planned.added))
        change.record("create", f"lists/{row.name}", None, {**row.plain(), "added": added})
        return
    row = await lists.get(change.connection, planned.name)
    if settings != planned.before:
        before = row.plain()
        row = await lists.update(change, row, **settings)
        change.record("update", f"lists/{row.name}", before, row.plain())
    await _put_rules(change, row, planned.added, planned.removed)
    between = row.rules - len(planned.removed)
    if planned.removed:
        gone = await told(change, row, len(planned.removed), removed=True)
        change.record("remove rules", f"lists/{row.name}", {"rules": row.rules, "removed": gone}, {"rules": between})
    if planned.added:
        after = (await lists.get(change.connection, row.name)).rules
        new = await told(change, row, len(planned.added))
        change.record("add rules", f"lists/{row.name}", {"rules": between}, {"rules": after, "added": new})


async def _put_rules(change: Change, row: ListRow, added: Pairs, removed: Pairs) -> None:
    if removed:
        await rules.remove(change, row, **_sides(removed))
    if added:
        sides = _sides(added)
        await rules.add(change, row, **sides)
        await check_bounds(change.connection, await lists.get(change.connection, row.name), **sides)


def _sides(pairs: Pairs) -> dict[str, list[str]]:
    return {side: sorted(rule for action, rule in pairs if action == side) for side in ("block", "allow")}


async def _put_group(change: Change, planned: PlannedChange, rows: dict[str, groups.GroupRow]) -> None:
    name = planned.name
    if planned.action == "delete":
        await groups.delete(change, rows[name])
        change.record("delete", f"groups/{name}", planned.before, None)
        return
    state = cast(GroupState, {**(planned.after or {}), "name": name})
    if planned.action == "create":
        row = await groups.create(change, state)
    else:
        row = await groups.update(change, dataclasses.replace(rows[name], networks=()), **state)
    change.record(planned.action, f"groups/{name}", planned.before, row.plain())


async def _put_local(change: Change, plan: PolicyPlan, of_config: Sequence[LocalRecord]) -> None:
    """Make local names what they are to be. Raises Invalid; how many there may be is the caller's to see."""
    planned_ones = [planned for planned in plan.changes if planned.kind == "local"]
    for planned in planned_ones:
        if planned.after is None:
            await local_names.delete(change, planned.name)
        else:
            await local_names.put(change, planned.name, local_names.given_of(cast(LocalNameState, planned.after)))
        change.record(planned.action, planned.object, planned.before, planned.after)
    if not planned_ones:
        return
    replaced = {record.name for record in of_config}  # the config's is in force where both have a name
    rows = await local_names.all_names(change.connection)
    records = (*of_config, *(row.record for row in rows if row.name not in replaced))
    changed = {planned.name for planned in planned_ones} - replaced
    if mistakes := await asyncio.to_thread(circle_mistakes, records, changed):
        if plan.back_to is not None:
            raise Invalid([("/to_revision", text) for _, text in mistakes])
        raise Invalid([(pointer(("policy", "local", by)), text) for by, text in mistakes])


async def _check(change: Change, plan: PolicyPlan, known: KnownReferences) -> None:
    """Whether the policy will hold together. Raises Invalid, TooMany."""
    conn = change.connection
    names = {row.name for row in await lists.all_lists(conn)}
    states: dict[str, Mapping[str, Any]] = {row.name: row.plain() for row in await groups.all_groups(conn)}
    for planned in plan.changes:
        if planned.kind == "list":
            names = names - {planned.name} if planned.action == "delete" else names | {planned.name}
        elif planned.kind == "local":
            continue
        elif planned.after is None:
            states.pop(planned.name, None)
        else:
            states[planned.name] = {"name": planned.name, **planned.after}
    if len(names) > MOST_LISTS or len(states) > MOST_GROUPS:
        raise TooMany(f"a policy has at most {MOST_LISTS} lists and {MOST_GROUPS} groups")
    policy: dict[str, list[Mapping[str, Any]]] = {
        "lists": [{"name": name} for name in sorted(names)],
        "groups": list(states.values()),
    }
    mistakes = []
    for path, text in contradictions(policy, known):
        kind, index, *rest = path
        thing = policy[str(kind)][int(index)]["name"]
        mistakes.append((f"/policy/{kind}", f"{str(kind)[:-1]} {thing!r}, {'.'.join(map(str, rest))}: {text}"))
    if mistakes:
        raise Invalid(mistakes)
