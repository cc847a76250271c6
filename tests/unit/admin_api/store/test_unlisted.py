"""Rows of the inbox of unlisted names, on both engines."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from admin_api.store import unlisted
from admin_api.store.errors import NotFound, StaleVersion
from admin_api.store.store import Store
from admin_api.store.unlisted import UnlistedRow

_AT = datetime(2026, 11, 26, 12, tzinfo=UTC)


def _row(domain: str, score: int = 50) -> UnlistedRow:
    evidence = (("word", "gpt", score),)
    days = (("2026-11-26", 8, 4),)
    return UnlistedRow(domain, "new", score, evidence, (f"api.{domain}",), 8, 4, days, _AT, _AT)


async def _put(store: Store, *rows: UnlistedRow) -> None:
    async with store.count() as connection:
        for row in rows:
            await unlisted.put(connection, row, is_there=False)


async def test_a_row_comes_back_as_it_went_in(store: Store) -> None:
    await _put(store, _row("gpt.ai"))
    async with store.read() as connection:
        assert await unlisted.get(connection, "gpt.ai") == _row("gpt.ai")
        with pytest.raises(NotFound, match=r"other\.ai"):
            await unlisted.get(connection, "other.ai")


async def test_what_was_seen_is_written_over_and_a_decision_stays(store: Store) -> None:
    await _put(store, _row("gpt.ai"))
    async with store.change("token:a") as change:
        row = await unlisted.get(change.connection, "gpt.ai")
        decided = await unlisted.decide(change, row, "block", rule="gpt.ai", in_list="unlisted", expected_version=1)
    assert (decided.status, decided.version, decided.decided_by) == ("blocked", 2, "token:a")
    async with store.count() as connection:
        await unlisted.put(connection, replace(decided, queries=20, rule=None, list=None), is_there=True)
    async with store.read() as connection:
        after = await unlisted.get(connection, "gpt.ai")
    assert (after.queries, after.rule, after.list, after.version) == (20, "gpt.ai", "unlisted", 2)
    with pytest.raises(StaleVersion):
        async with store.change("token:b") as change:
            await unlisted.decide(change, after, "ignore", expected_version=1)


async def test_pages_go_by_score_and_then_by_domain(store: Store) -> None:
    await _put(store, *(_row(f"n{number}.ai", 20 + number % 2) for number in range(6)))
    seen: list[tuple[int, str]] = []
    after: tuple[int, str] | None = None
    async with store.read() as connection:
        while True:
            rows = await unlisted.page(connection, status="new", contains=".ai", least_clients=3, limit=2, after=after)
            if not rows:
                break
            seen += [(row.score, row.domain) for row in rows]
            after = seen[-1]
    assert seen == [(21, "n1.ai"), (21, "n3.ai"), (21, "n5.ai"), (20, "n0.ai"), (20, "n2.ai"), (20, "n4.ai")]


async def test_of_too_many_ignored_ones_go_only_after_new_ones_and_decided_ones_stay(store: Store) -> None:
    await _put(store, _row("a.ai", 90), _row("b.ai", 20), _row("c.ai", 30), _row("d.ai", 25))
    async with store.change("token:a") as change:
        for domain, action in (("b.ai", "want"), ("d.ai", "ignore")):
            row = await unlisted.get(change.connection, domain)
            await unlisted.decide(change, row, action)
    async with store.count() as connection:
        assert await unlisted.trim(connection, 3) == 1
        assert await unlisted.trim(connection, 3) == 0
    async with store.read() as connection:
        assert await unlisted.counts(connection) == {"new": 1, "wanted": 1, "blocked": 0, "allowed": 0, "ignored": 1}
        assert await unlisted.all_new(connection) == ["a.ai"]
    async with store.count() as connection:
        await unlisted.forget(connection, ["a.ai", "b.ai"])
        assert (await unlisted.among(connection, ["a.ai", "b.ai"])).keys() == {"b.ai"}
