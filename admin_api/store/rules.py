"""The rules of lists that were made by the API, and what changed among them since a revision.

Rules come and go in their normal form, as pairs of action (``block`` or ``allow``) and text. Each statement carries
its many rules as one JSON array: so a hundred thousand are a matter of a second, and the count that the database gives
is of those that it really added or removed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import Select, Text, and_, case, delete, func, literal, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store.change import Change
from admin_api.store.columns import bindable
from admin_api.store.json_tables import among, text_table
from admin_api.store.lists import ListRow
from admin_api.store.queries import containing, count_of
from admin_api.store.tables import lists, removed_rules, rules
from admin_api.store.upserts import insert_into
from resolver.policy.rule_syntax import MAX_PATTERNS, MAX_REGEXES

ACTIONS: Final = ("block", "allow")
_BATCH = 5000  # rules of one statement
_PIECE = 2000  # rows that are made into Python's at once, while nothing else runs

Kind = Literal["rules", "patterns", "regexes"]
KIND_BOUNDS: Final[tuple[tuple[Kind, int, str], ...]] = (
    ("patterns", MAX_PATTERNS, "patterns"),
    ("regexes", MAX_REGEXES, "regular expressions"),
)
"""Kinds of rules of which a policy has so many at most, and what people call them."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes of rules since a revision: take out `removed`, then put in `added`. Both of key, action, rule."""

    removed: list[tuple[str, str, str]]
    added: list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class AllowRules:
    """Allow rules of a list that one revision added (0: an older one than was asked for), and some of them."""

    name: str
    revision: int
    count: int
    names: tuple[str, ...]


def kind_of(rule: str) -> Kind:
    """Kind by which a rule in its normal form counts: patterns and expressions are bounded more narrowly than names."""
    if rule.startswith("/"):
        return "regexes"
    return "patterns" if "*" in rule and "*" in rule.removeprefix("=").removeprefix("*.") else "rules"


async def page(
    conn: AsyncConnection, row: ListRow, *, contains: str | None, limit: int, after: tuple[str, str] | None
) -> list[tuple[str, str]]:
    """Pairs of action and rule behind `after`, in that order, of rules with that text in them (any case)."""
    query = select(rules.c.action, rules.c.rule).where(rules.c.list_id == row.id)
    query = containing(query, contains or None, rules.c.rule)
    if after is not None:
        action, rule = (bindable(part) for part in after)
        query = query.where(tuple_(rules.c.action, rules.c.rule) > tuple_(literal(action), literal(rule)))
    result = await conn.execute(query.order_by(rules.c.action, rules.c.rule).limit(limit))
    return [(found.action, found.rule) for found in result]


async def allowing(conn: AsyncConnection, oldest: int, *, named: int = 20, most: int = 5_000) -> list[AllowRules]:
    """Allow rules by list and by the revision, from `oldest` on, that added them, with the names of some."""
    c = rules.c
    of = case((c.revision < oldest, 0), else_=c.revision).label("of")
    there = select(lists.c.name, of).join(lists, lists.c.id == c.list_id).where(c.action == "allow")
    counted = there.add_columns(func.count().label("n")).group_by(lists.c.name, of).order_by(lists.c.name, of)
    some: dict[tuple[str, int], list[str]] = {}
    for row in await conn.execute(there.add_columns(c.rule).order_by(lists.c.name, c.rule).limit(most)):
        names = some.setdefault((row.name, row.of), [])
        if len(names) < named:
            names.append(row.rule)
    return [
        AllowRules(row.name, row.of, row.n, tuple(some.get((row.name, row.of), ())))
        for row in await conn.execute(counted)
    ]


async def stream(conn: AsyncConnection, list_id: int) -> AsyncIterator[list[tuple[str, str]]]:
    """All rules of a list in batches, by action and rule."""
    query = select(rules.c.action, rules.c.rule).where(rules.c.list_id == list_id)
    async for batch in _batches(conn, query.order_by(rules.c.action, rules.c.rule)):
        yield [(row[0], row[1]) for row in batch]


async def some_of(conn: AsyncConnection, row: ListRow, action: str, most: int = _BATCH) -> list[str]:
    """Some of a list's rules of one action, in order."""
    query = select(rules.c.rule).where(rules.c.list_id == row.id, rules.c.action == action)
    return list(await conn.scalars(query.order_by(rules.c.rule).limit(most)))


async def those_there(
    conn: AsyncConnection, row: ListRow, pairs: Sequence[tuple[str, str]]
) -> frozenset[tuple[str, str]]:
    """Those of the pairs (action, rule) that the list has."""
    found: set[tuple[str, str]] = set()
    for action in ACTIONS:
        texts = [text for of, text in pairs if of == action]
        for first in range(0, len(texts), _BATCH):
            some = among(conn, rules.c.rule, texts[first : first + _BATCH])
            query = select(rules.c.rule).where(rules.c.list_id == row.id, rules.c.action == action, some)
            found |= {(action, text) for text in await conn.scalars(query)}
            await asyncio.sleep(0)
    return frozenset(found)


async def add(change: Change, row: ListRow, *, block: Sequence[str] = (), allow: Sequence[str] = ()) -> int:
    """Add rules in their normal form; those that are there already stay as they are. Gives how many were added."""
    added: Counter[Kind] = Counter()
    for action, kind, some in _batches_of(block, allow):
        source = text_table(change.connection, some)
        new = select(literal(row.id), literal(action, Text), source.c.value, literal(change.revision)).where(
            text("1=1")
        )  # SQLite would take ON CONFLICT for a join's ON
        insert = insert_into(rules, change.connection.dialect.name)
        statement = insert.from_select(["list_id", "action", "rule", "revision"], new)
        added[kind] += (await change.connection.execute(statement.on_conflict_do_nothing())).rowcount
    await _count(change, row, added, 1)
    return added.total()


async def remove(change: Change, row: ListRow, *, block: Sequence[str] = (), allow: Sequence[str] = ()) -> int:
    """Remove rules in their normal form; those that are not there are passed over. Gives how many were removed."""
    removed: Counter[Kind] = Counter()
    for action, kind, some in _batches_of(block, allow):
        meant = and_(rules.c.list_id == row.id, rules.c.action == action, among(change.connection, rules.c.rule, some))
        gone = select(rules.c.list_id, rules.c.action, rules.c.rule, literal(change.revision)).where(meant)
        insert = insert_into(removed_rules, change.connection.dialect.name)
        note = insert.from_select(["list_id", "action", "rule", "revision"], gone)
        note = note.on_conflict_do_update(
            index_elements=["list_id", "action", "rule"], set_={"revision": change.revision}
        )
        await change.connection.execute(note)
        removed[kind] += (await change.connection.execute(delete(rules).where(meant))).rowcount
    await _count(change, row, removed, -1)
    return removed.total()


async def written_by(change: Change, row: ListRow, *, removed: bool, limit: int) -> list[tuple[str, str]]:
    """Some of the pairs of action and rule that this change added to the list or, with `removed`, took from it."""
    table = removed_rules if removed else rules
    query = select(table.c.action, table.c.rule).where(table.c.revision == change.revision, table.c.list_id == row.id)
    return sorted((found.action, found.rule) for found in await change.connection.execute(query.limit(limit)))


async def of_revision(
    conn: AsyncConnection, revision: int, *, in_order: bool = False
) -> AsyncIterator[tuple[str, Sequence[tuple[str, str, str]]]]:
    """Rules that a revision added ("+") and removed ("-"), in pieces of list name, action, rule."""
    for sign, table in (("+", rules), ("-", removed_rules)):
        columns = (lists.c.name, table.c.action, table.c.rule)
        query = select(*columns).join_from(table, lists, lists.c.id == table.c.list_id)
        query = query.where(table.c.revision == revision).order_by(*(columns if in_order else ()))
        result = await conn.stream(query.execution_options(yield_per=_BATCH))  # digests are made of pieces of this size
        async for piece in result.partitions():
            yield sign, [(name, action, rule) for name, action, rule in piece]
        await result.close()


async def changes_since(conn: AsyncConnection, revision: int) -> Changes:
    """Changes of the rules of API lists after that revision; lists that are gone are left out."""
    found: list[list[tuple[str, str, str]]] = []
    for table in (removed_rules, rules):
        triples: list[tuple[str, str, str]] = []
        query = (
            select(lists.c.name, lists.c.id, table.c.action, table.c.rule)
            .join_from(table, lists, lists.c.id == table.c.list_id)
            .where(table.c.revision > revision)
        )
        async for batch in _batches(conn, query):
            triples += [(f"{name}#{number}", action, rule) for name, number, action, rule in batch]
        found.append(triples)
    return Changes(removed=found[0], added=found[1])


async def count_changes_since(conn: AsyncConnection, revision: int) -> int:
    """How many triples `changes_since` would give."""
    return sum([await count_of(conn, table, table.c.revision > revision) for table in (removed_rules, rules)])


async def forget_removed(change: Change, up_to_revision: int) -> None:
    """Forget removals up to that revision: nobody will ask for changes since an earlier one."""
    await change.connection.execute(delete(removed_rules).where(removed_rules.c.revision <= up_to_revision))


async def _batches(conn: AsyncConnection, query: Select[Any]) -> AsyncIterator[Sequence[Any]]:
    result = await conn.stream(query.execution_options(yield_per=_PIECE))
    try:
        async for batch in result.partitions():
            yield batch
            await asyncio.sleep(0)
    finally:
        await result.close()


def _batches_of(block: Sequence[str], allow: Sequence[str]) -> Iterator[tuple[str, Kind, list[str]]]:
    for action, texts in (("block", block), ("allow", allow)):
        kinds: dict[Kind, list[str]] = {}
        for rule in texts:
            some = kinds.setdefault(kind_of(rule), [])
            some.append(rule)
            if len(some) == _BATCH:
                yield action, kind_of(rule), some
                kinds[kind_of(rule)] = []
        for kind, some in kinds.items():
            if some:
                yield action, kind, some


async def _count(change: Change, row: ListRow, kinds: Counter[Kind], sign: int) -> None:
    if not kinds.total():
        return
    await change.connection.execute(
        update(lists)
        .where(lists.c.id == row.id)
        .values(
            rules=lists.c.rules + sign * kinds.total(),
            patterns=lists.c.patterns + sign * kinds["patterns"],
            regexes=lists.c.regexes + sign * kinds["regexes"],
            rules_revision=change.revision,
            version=lists.c.version + 1,
            updated_at=datetime.now(UTC),
        )
    )
