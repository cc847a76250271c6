"""Add rules to lists, and remove them: a hundred thousand at once, if need be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.editing.common import NOT_WRITABLE, check_mine, is_writable
from admin_api.editing.errors import Invalid
from admin_api.store import lists, rules
from admin_api.store.change import Change
from admin_api.store.errors import WrongKind
from admin_api.store.lists import ListRow
from admin_api.store.rules import KIND_BOUNDS, kind_of
from admin_api.store.store import Store
from resolver.config.fields import not_text
from resolver.config.list_rules import read_allow_rule, read_block_rule
from resolver.config.wording import shown
from resolver.errors import RuleError
from resolver.policy.rule_syntax import is_plain

MOST_RULES: Final = 2_000_000
"""Rules of one list."""

_TURN_SECONDS = 0.005  # of checking, before others of the event loop have theirs
_MOST_ERRORS = 100  # told of one request
_LONGEST_RULE = 600  # characters; PostgreSQL's indexes take 2,700 octets
_MOST_SHOWN = 100  # rules that one audit row repeats


@dataclass(frozen=True, slots=True)
class RulesWritten:
    """The list as it is now, how many of the rules were new (or were there to be removed), and the policy revision."""

    row: ListRow
    changed: int
    revision: int


async def write_rules(
    store: Store,
    name: str,
    *,
    removes: bool = False,
    block: Sequence[Any] = (),
    allow: Sequence[Any] = (),
    expected_version: int | None = None,
    actor: str,
    request_id: str | None = None,
) -> RulesWritten:
    """Add rules to a list, or remove some; those that it has already, or does not have, are passed over.

    Raises Invalid, NotFound, StaleVersion, OwnedByFile, WrongKind, StoreAway.
    """
    blocked, allowed = await read_rules(block, allow, read_block=read_allow_rule if removes else read_block_rule)
    async with store.change(actor, request_id) as change:
        before = await lists.get(change.connection, name)
        await check_mine(change.connection, f"list {name!r}", "policy.lists", before, expected_version)
        if before.kind != "own":
            raise WrongKind(f"list {name!r} is fetched from its url: put your rules into your own list")
        row, changed = await write_into(change, before, removes=removes, block=blocked, allow=allowed)
    return RulesWritten(row, changed, change.revision)


async def write_into(
    change: Change, before: ListRow, *, removes: bool, block: Sequence[str] = (), allow: Sequence[str] = ()
) -> tuple[ListRow, int]:
    """Add rules in their normal form to an own list, or remove them, within a change; gives it, and how many it were.

    Raises Invalid where there would be too many.
    """
    changed = await (rules.remove if removes else rules.add)(change, before, block=block, allow=allow)
    row = await lists.get(change.connection, before.name)
    if changed:
        if not removes:
            await check_bounds(change.connection, row, block, allow)
        some = await told(change, row, changed, removed=removes)
        was, now = {"rules": before.rules}, {"rules": row.rules}
        if removes:
            change.record("remove rules", f"lists/{row.name}", {**was, "removed": some}, now)
        else:
            change.record("add rules", f"lists/{row.name}", was, {**now, "added": some})
        change.touches_policy()
    return row, changed


async def read_rules(
    block: Sequence[Any], allow: Sequence[Any], *, read_block: Callable[[str], str] = read_block_rule
) -> tuple[list[str], list[str]]:
    """Both sides in their normal form, each rule once. Others of the event loop go on meanwhile. Raises Invalid."""
    errors: list[tuple[str, str]] = []
    count = 0
    sides: list[list[str]] = []
    begun = time.perf_counter()
    for side, entries, read in (("block", block, read_block), ("allow", allow, read_allow_rule)):
        seen: dict[str, None] = {}
        for index, entry in enumerate(entries):
            try:
                seen[_read_one(entry, read)] = None
            except RuleError as error:
                count += 1
                if count <= _MOST_ERRORS:
                    errors.append((f"/{side}/{index}", str(error)))
            if time.perf_counter() - begun > _TURN_SECONDS:
                await asyncio.sleep(0)
                begun = time.perf_counter()
        sides.append(list(seen))
    if count > _MOST_ERRORS:
        errors.append(("", f"there are {count} errors: the first {_MOST_ERRORS} are shown"))
    if errors:
        raise Invalid(errors)
    return sides[0], sides[1]


def _read_one(entry: Any, read: Callable[[str], str]) -> str:
    if not isinstance(entry, str):
        raise RuleError(not_text(entry))
    if len(entry) > _LONGEST_RULE:
        raise RuleError(f"{shown(entry)} is longer than any rule: names have at most 253 characters")
    if not is_plain(entry) and not is_writable(entry):
        raise RuleError(f"{shown(entry)} {NOT_WRITABLE}")
    return read(entry)


async def check_bounds(conn: AsyncConnection, row: ListRow, block: Sequence[str], allow: Sequence[str]) -> None:
    """Refuse what is one too many, now that it is written: the transaction is rolled back. Raises Invalid."""
    if row.rules > MOST_RULES:
        at = "/block" if block else "/allow"
        raise Invalid([(at, f"would make {row.rules} rules: a list has at most {MOST_RULES}, so create another")])
    if not row.patterns and not row.regexes:
        return
    rows = await lists.all_lists(conn)
    for kind, most, words in KIND_BOUNDS:
        if getattr(row, kind) and sum(getattr(each, kind) for each in rows) > most:
            at = "/block" if any(kind_of(rule) == kind for rule in block) else "/allow"
            text = f"is too many: a policy has at most {most} {words}; write plain names where you can"
            raise Invalid([(at, text)])


async def told(change: Change, row: ListRow, changed: int, *, removed: bool = False) -> dict[str, object]:
    """The rules that this change really added or removed, as its audit row tells of them: all when they are few."""
    found = await rules.written_by(change, row, removed=removed, limit=_MOST_SHOWN)
    texts: dict[str, list[str]] = {}
    for action, rule in found:
        texts.setdefault(action, []).append(rule)
    return {**texts, "more": changed - len(found)} if changed > len(found) else {**texts}
