"""Rules in the store: their counts are exact, their pages complete, and changes since a revision lead to what is."""

from __future__ import annotations

import random
import time

import pytest

from admin_api.store import lists, rules
from admin_api.store.errors import NotFound
from admin_api.store.lists import ListRow
from admin_api.store.store import Store
from tests.unit.admin_api.store.conftest import make_list


async def edit(store: Store, row: ListRow, *, add: list[str] = [], remove: list[str] = []) -> tuple[int, int, int]:  # noqa: B006
    async with store.change("tests") as change:
        removed = await rules.remove(change, row, block=remove)
        added = await rules.add(change, row, block=add)
        change.touches_policy()
    return added, removed, change.revision


async def everything(store: Store, row: ListRow) -> list[tuple[str, str]]:
    async with store.read() as conn:
        return [pair async for batch in rules.stream(conn, row.id) for pair in batch]


async def test_only_what_is_new_is_counted(store: Store) -> None:
    row = await make_list(store, block=["a.example", "b.example"], allow=["a.example"])
    assert row.rules == 3
    added, _, revision = await edit(store, row, add=["a.example", "c.example"])
    assert added == 1
    async with store.read() as conn:
        now = await lists.get(conn, "house")
    assert (now.rules, now.version, now.rules_revision) == (4, row.version + 1, revision)


async def test_a_removed_rule_that_was_not_there_is_not_counted(store: Store) -> None:
    row = await make_list(store, block=["a.example"], allow=["b.example"])
    assert (await edit(store, row, remove=["b.example", "c.example"]))[1] == 0
    async with store.read() as conn:
        assert (await lists.get(conn, "house")) == row


async def test_patterns_and_expressions_are_counted_by_themselves(store: Store) -> None:
    texts = ["a.example", "=b.example", "*.c.example", "d*.example", "*.e.*.example", "=f*.example", "/^g/"]
    row = await make_list(store, block=texts)
    assert (row.rules, row.patterns, row.regexes) == (7, 3, 1)
    await edit(store, row, remove=["d*.example", "/^g/"])
    async with store.read() as conn:
        now = await lists.get(conn, "house")
    assert (now.rules, now.patterns, now.regexes) == (5, 2, 0)


async def test_pages_give_every_rule_once(store: Store) -> None:
    block = [f"host-{number}.example" for number in range(25)] + ["=x.example", "/^a_%b/"]
    row = await make_list(store, block=block, allow=["z.example", "a.example"])
    seen: list[tuple[str, str]] = []
    async with store.read() as conn:
        while some := await rules.page(conn, row, contains=None, limit=7, after=seen[-1] if seen else None):
            seen += some
    assert seen == sorted([("allow", "a.example"), ("allow", "z.example"), *(("block", rule) for rule in block)])


async def test_a_search_takes_the_text_as_it_is(store: Store) -> None:
    row = await make_list(store, block=["host-1.example", "a_b.example", "axb.example", "/^100%/"], allow=["1.example"])
    async with store.read() as conn:
        for text, found in {
            "HOST": ["host-1.example"],
            "a_b": ["a_b.example"],
            "%": ["/^100%/"],
            "1": ["1.example", "/^100%/", "host-1.example"],
            "nothing": [],
        }.items():
            assert [rule for _, rule in await rules.page(conn, row, contains=text, limit=9, after=None)] == found


@pytest.mark.slow
async def test_changes_since_a_revision_lead_from_then_to_now(store: Store) -> None:
    random.seed(7)
    names = [f"host-{number}.example" for number in range(30)]
    row = await make_list(store, block=names[:15])
    states = {}
    for _ in range(25):
        some = random.sample(names, 6)
        *_counts, revision = await edit(store, row, add=some[:3], remove=some[3:])
        states[revision] = {rule for _, rule in await everything(store, row)}
    now = states[max(states)]
    async with store.read() as conn:
        for revision, then in states.items():
            changes = await rules.changes_since(conn, revision)
            assert {key for key, _, _ in changes.removed + changes.added} <= {row.key}
            gone = {rule for _, _, rule in changes.removed}
            assert (then - gone) | {rule for _, _, rule in changes.added} == now
            count = await rules.count_changes_since(conn, revision)
            assert count == len(changes.removed) + len(changes.added)


async def test_a_rule_that_was_removed_and_added_again_is_there(store: Store) -> None:
    row = await make_list(store, block=["a.example"])
    await edit(store, row, remove=["a.example"])
    *_, before_last = await edit(store, row)
    await edit(store, row, add=["a.example"])
    async with store.read() as conn:
        assert (await rules.changes_since(conn, row.rules_revision)).removed == [(row.key, "block", "a.example")]
        assert (await rules.changes_since(conn, row.rules_revision)).added == [(row.key, "block", "a.example")]
        assert (await rules.changes_since(conn, before_last)).removed == []


async def test_removals_that_nobody_will_ask_for_are_forgotten(store: Store) -> None:
    row = await make_list(store, block=["a.example", "b.example"])
    *_, first = await edit(store, row, remove=["a.example"])
    await edit(store, row, remove=["b.example"])
    async with store.change("compiler") as change:
        await rules.forget_removed(change, first)
    async with store.read() as conn:
        assert (await rules.changes_since(conn, 0)).removed == [(row.key, "block", "b.example")]


async def test_a_list_made_anew_has_another_key_and_none_of_the_old_rules(store: Store) -> None:
    old = await make_list(store, block=["a.example"])
    await edit(store, old, remove=["a.example"], add=["b.example"])
    async with store.change("tests") as change:
        await lists.delete(change, old)
    with pytest.raises(NotFound):
        async with store.read() as conn:
            await lists.get(conn, "house")
    new = await make_list(store)
    assert new.key != old.key
    assert await everything(store, new) == []
    async with store.read() as conn:
        assert await rules.count_changes_since(conn, 0) == 0


@pytest.mark.slow
async def test_a_hundred_thousand_rules_are_a_matter_of_seconds(store: Store) -> None:
    row = await make_list(store)
    block = [f"host{number * 7919 % 100_003}.example{number % 977}.com" for number in range(100_000)]
    begun = time.process_time()
    added, _, revision = await edit(store, row, add=block)
    assert time.process_time() - begun < 10  # measured: 0.5 s on SQLite
    assert added == 100_000
    begun = time.process_time()
    async with store.read() as conn:
        assert len((await rules.changes_since(conn, revision - 1)).added) == 100_000
    assert time.process_time() - begun < 10
    async with store.change("tests") as change:
        assert await rules.remove(change, row, block=block[:60_000]) == 60_000
    async with store.change("tests") as change:
        await lists.delete(change, row)
    async with store.read() as conn:
        assert await rules.count_changes_since(conn, 0) == 0
