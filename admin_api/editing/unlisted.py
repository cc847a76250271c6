"""Decisions on unlisted names: a rule for one, by the same checks as any rule, or the note that there is to be none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from admin_api.editing.common import check_mine, validated
from admin_api.editing.errors import Invalid, raise_invalid
from admin_api.editing.lists import MOST_LISTS
from admin_api.editing.rules import read_rules, write_into
from admin_api.store import groups, lists, unlisted
from admin_api.store.change import Change
from admin_api.store.errors import TooMany, WrongKind, WrongState
from admin_api.store.lists import ListRow
from admin_api.store.policy import DEFAULT_BLOCK
from admin_api.store.store import Store
from admin_api.store.unlisted import UnlistedRow
from resolver.config import fields
from resolver.config.references import ALL_LISTS, KnownReferences, contradictions
from resolver.config.section import Section
from resolver.wire.names import parse_name, to_text

DEFAULT_LIST: Final = "unlisted"
"""The list that gets the rules, unless another is named; it is made with the first one."""

_RULED: Final = {"block": "block", "allow": "allow"}  # actions that write a rule, and what it does
_ACTION_OF: Final = {"blocked": "block", "allowed": "allow"}


class _Body(Section):
    list: fields.Name = DEFAULT_LIST
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class UnlistedDecided:
    """The entry as it is now, the groups that have the list of its rule in force, and the policy's revision."""

    row: UnlistedRow
    groups: tuple[str, ...]
    revision: int | None  # None: no rule was written


async def decide_unlisted(
    store: Store,
    domain: str,
    action: str,
    body: Mapping[str, Any],
    *,
    known: KnownReferences,
    expected_version: int | None = None,
    actor: str,
    request_id: str | None = None,
) -> UnlistedDecided:
    """Block or allow a domain by a rule, or say that it is ignored or wanted.

    Raises NotFound, StaleVersion, Invalid, OwnedByFile, WrongKind, WrongState, TooMany, StoreAway.
    """
    said = {key: value for key, value in body.items() if value is not None and key in _Body.model_fields}
    wanted = validated(_Body, said)
    side = _RULED.get(action)
    rule = await _rule(domain if wanted.rule is None else wanted.rule, domain) if side is not None else None
    async with store.change(actor, request_id) as change:
        before = await unlisted.get(change.connection, domain)
        await _take_back(change, before, action)
        row = None
        if side is not None and rule is not None:
            row = await _list(change, wanted.list, known)
            row, _ = await write_into(change, row, removes=False, **{side: [rule]})
        after = await unlisted.decide(
            change,
            before,
            action,
            rule=rule,
            in_list=None if row is None else row.name,
            expected_version=expected_version,
        )
        because = {"reason": body["reason"]} if body.get("reason") else {}
        change.record(action, f"unlisted/{domain}", _state(before), {**_state(after), **because})
        in_force = () if row is None else await _groups_with(change, row)
    return UnlistedDecided(after, in_force, change.revision if change.is_of_policy else None)


def _state(row: UnlistedRow) -> dict[str, object]:
    return {"status": row.status, "rule": row.rule, "list": row.list}


async def _rule(text: str, domain: str) -> str:
    """A rule in its normal form, for the domain or what is below it. Raises Invalid."""
    try:
        (rule,), _ = await read_rules([text], [])
    except Invalid as error:
        raise Invalid([("/rule", why) for _, why in error.errors]) from None
    name = rule.removeprefix("=").removeprefix("*.")
    own = to_text(parse_name(domain))
    if "*" in name or "/" in name or not (name == own or name.endswith(f".{own}")):
        raise Invalid([("/rule", f"is no rule for {domain} or a name below it: other rules are written in lists")])
    return rule


async def _take_back(change: Change, before: UnlistedRow, action: str) -> None:
    """Remove the rule of an earlier decision, which another one replaces. Raises WrongState where there is none."""
    earlier = _ACTION_OF.get(before.status)
    if earlier is None or before.rule is None or before.list is None:
        return
    if action not in _RULED:
        raise WrongState(f"{before.domain} has a rule in list {before.list!r}: remove that, and then {action} it")
    row = await lists.find(change.connection, before.list)
    if row is not None and row.origin == "api" and row.kind == "own":
        await write_into(change, row, removes=True, **{earlier: [before.rule]})


async def _list(change: Change, name: str, known: KnownReferences) -> ListRow:
    """The list that gets the rule; the default one is made if need be."""
    row = await lists.find(change.connection, name)
    if row is None and name == DEFAULT_LIST:
        raise_invalid((("list",), text) for _, text in contradictions({"lists": [{"name": name}]}, known))
        row = await lists.create(change, name=name, kind="own", enabled=True)
        if len(await lists.all_lists(change.connection)) > MOST_LISTS:
            raise TooMany(f"there are {MOST_LISTS} lists, the maximum: name one of them")
        change.record("create", f"lists/{name}", None, {**row.plain(), "added": {}})
        change.touches_policy()
    if row is None:
        raise Invalid([("/list", f"there is no list {name!r}: name one of your own, or leave it out")])
    await check_mine(change.connection, f"list {name!r}", "policy.lists", row, None)
    if row.kind != "own":
        raise WrongKind(f"list {name!r} is fetched from its url: name your own list")
    return row


async def _groups_with(change: Change, row: ListRow) -> tuple[str, ...]:
    """The groups in whose policy an enabled list is."""
    if not row.enabled:
        return ()
    every = await groups.all_groups(change.connection)
    usual = next((group.block for group in every if group.name == "default" and group.block is not None), DEFAULT_BLOCK)
    return tuple(
        group.name
        for group in every
        if {row.name, ALL_LISTS} & {*(usual if group.block is None else group.block), *group.allow}
    )
