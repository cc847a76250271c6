"""Counts are exact, whoever dies and whenever; windows are made of minutes, hours and days without a seam."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from admin_api.statistics import rows, service, sketch
from admin_api.statistics.prometheus import exposition
from admin_api.statistics.rollups import DAY, HOUR, MINUTE, Rolled, parts, roll_up
from admin_api.store.tables import stats_rollup

from .conftest import NOON, Counted


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


async def summary(counted: Counted, start: float = NOON - DAY, end: float = NOON + DAY) -> dict[str, int | None]:
    return await counted.service.summary(at(start), at(end))


async def test_all_outcomes_add_up(counted: Counted) -> None:
    worker = counted.worker()
    for number, outcome in enumerate(("blocked", "cached", "cached_monitored", "cached_exempted", "forwarded",
                                      "forwarded_monitored", "forwarded_exempted", "failed", "refused")):  # fmt: skip
        worker.answer(outcome, by=10**number)
    assert await summary(counted) == {
        "queries": 111_111_111,
        "blocked": 1,
        "cached": 1110,
        "forwarded": 1_110_000,
        "failed": 10_000_000,
        "refused": 100_000_000,
        "monitored": 100_100,
        "exempted": 1_001_000,
        "clients": 0,
    }
    worker.file.close()


async def test_folds_restarts_and_ended_workers_neither_lose_nor_double(counted: Counted) -> None:
    chance = random.Random(4)
    workers = [counted.worker(), counted.worker()]
    total: Counter[str] = Counter()
    for _ in range(60):
        match chance.randrange(6):
            case 0 | 1 | 2:
                name, by = f"n{chance.randrange(5)}.example", chance.randrange(1, 50)
                chance.choice(workers).answer("blocked", service="a/b", domain=name, by=by)
                total[name] += by
            case 3:
                await counted.service.fold()
                counted.now += chance.choice((1, 61, 3601))
            case 4:
                counted.restart()
            case 5:
                ended = workers.pop(chance.randrange(len(workers)))
                ended.file.close()
                workers.append(counted.worker())
    items = await counted.service.top("domain", at(NOON - DAY), at(counted.now + DAY), 100)
    assert {item["key"]: item["blocked"] for item in items} == dict(total)
    for worker in workers:
        worker.file.close()
    await counted.service.fold()
    assert not list(counted.folder.glob("*.counters")), "files of ended workers go, once they were folded"
    assert (await summary(counted, end=counted.now + DAY))["blocked"] == total.total()


async def test_a_damaged_file_is_set_aside_and_the_others_count(counted: Counted) -> None:
    worker = counted.worker()
    worker.answer("blocked")
    (counted.folder / "1-bad.counters").write_bytes(b"nonsense" * 100)
    assert (await summary(counted))["blocked"] == 1
    assert (counted.folder / "1-bad.damaged").exists()
    worker.file.close()


@pytest.mark.slow
async def test_hours_and_days_are_rolled_up_and_windows_lose_nothing_by_it(counted: Counted) -> None:
    worker = counted.worker()
    moments = [NOON + number * 1777 for number in range(0, 150)]
    for moment in moments:
        counted.now = moment
        worker.answer("blocked", domain="a.example")
        worker.client(f"10.0.0.{moment % 50}")
        await counted.service.fold()
        await counted.service._tidy()
    chance = random.Random(5)
    for _ in range(40):
        start = chance.randrange(NOON - HOUR, NOON + 4 * DAY) // MINUTE * MINUTE
        start = max(start, int(counted.now) - 2 * DAY)  # before that, edges fall on hours
        start = -(-start // MINUTE) * MINUTE
        end = start + chance.randrange(MINUTE, DAY) // MINUTE * MINUTE
        found = await summary(counted, start, end)
        assert found["blocked"] == sum(start <= moment // MINUTE * MINUTE < end for moment in moments)
    assert (await summary(counted, NOON, counted.now + 1))["clients"] == len({moment % 50 for moment in moments})
    series = await counted.service.series(HOUR, at(NOON), at(counted.now + HOUR))
    assert sum(item["blocked"] for item in series) == len(moments)
    worker.file.close()


async def test_clients_are_counted_once_over_workers_and_folds(counted: Counted) -> None:
    one, other = counted.worker(), counted.worker()
    for worker in (one, other):
        for number in range(30):
            worker.client(f"10.0.0.{number}", "other")
        await counted.service.fold()
    one.client("10.0.0.1", "blocked", by=5)
    assert (await summary(counted))["clients"] == 30
    top = await counted.service.top("client", at(NOON - DAY), at(NOON + DAY), 10)
    assert top == [{"key": "10.0.0.1", "rest": False, "blocked": 5, "monitored": 0, "exempted": 0}]
    one.file.close()
    other.file.close()


async def test_beyond_the_most_keys_the_rest_is_other_and_the_sum_is_right(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MOST_KEYS", 3)
    worker = counted.worker()
    for number in range(1, 7):
        worker.answer("blocked", domain=f"n{number}.example", by=number)
    top = await counted.service.top("domain", at(NOON - DAY), at(NOON + DAY), 10)
    assert {item["key"]: item["blocked"] for item in top} == {
        "n6.example": 6,
        "n5.example": 5,
        "n4.example": 4,
        "other": 6,
    }
    worker.file.close()


async def test_many_folds_bring_a_minute_and_many_minutes_an_hour_no_more_keys_than_there_may_be(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MOST_KEYS", 4)
    worker = counted.worker()
    for fold in range(12):
        counted.now = NOON + fold // 3 * MINUTE
        for number in range(2):
            worker.client(f"10.0.{fold}.{number}", by=fold + 1)
        worker.client("10.9.9.9", "monitored", by=100)
        await counted.service.fold()
    counted.now = NOON + 2 * HOUR + MINUTE
    async with counted.store.count() as connection:
        await roll_up(connection, counted.now)
    columns = select(stats_rollup.c.period_seconds, stats_rollup.c.at, stats_rollup.c.key, stats_rollup.c.n)
    async with counted.store.read() as connection:
        found = (await connection.execute(columns.where(stats_rollup.c.dimension == "client"))).all()
    by_period: dict[tuple[int, int], dict[str, int]] = {}
    for row in found:
        keys = by_period.setdefault((row.period_seconds, row.at), {})
        keys[row.key] = keys.get(row.key, 0) + row.n
    assert len(by_period) == 5
    for keys in by_period.values():
        assert len(keys.keys() - {"other"}) <= 4
    assert by_period[HOUR, NOON]["10.9.9.9"] == 1200
    assert sum(by_period[HOUR, NOON].values()) == 1200 + 2 * sum(range(1, 13))
    assert (await counted.service.top("client", at(NOON), at(NOON + HOUR), 1))[0]["key"] == "10.9.9.9"
    worker.file.close()


@given(st.sets(st.integers(0, 3000)), st.sets(st.integers(0, 3000)))
def test_the_sketch_of_a_union_is_that_of_all(one: set[int], other: set[int]) -> None:
    def of(numbers: set[int]) -> list[int]:
        return sketch.union({sketch.hash_of(str(number)) for number in numbers})

    both = sketch.union(of(one), sketch.from_bytes(sketch.to_bytes(of(other))))
    assert both == of(one | other)
    assert sketch.count(both) == len(one | other)


@pytest.mark.slow
def test_the_sketch_errs_by_a_few_percent_at_most() -> None:
    many = sketch.union({sketch.hash_of(str(number)) for number in range(100_000)})
    assert abs(sketch.count(many) - 100_000) < 5_000


@given(st.integers(0, 5 * DAY), st.integers(0, 5 * DAY), st.integers(0, 5), st.integers(0, 120))
def test_the_parts_of_a_window_cover_it_once(start: int, length: int, days: int, hours: int) -> None:
    done = Rolled(hours * HOUR, min(days * DAY, hours * HOUR // DAY * DAY))
    covered: Counter[int] = Counter()
    end = start + length
    for _, first, last in parts(start, end, done, {MINUTE: 0, HOUR: 0}):
        covered.update(range(first, last, MINUTE))
    wanted = range(start // MINUTE * MINUTE, -(-end // MINUTE) * MINUTE, MINUTE) if start < end else range(0)
    assert covered == Counter(wanted)


def test_metrics_have_the_right_form() -> None:
    totals = {
        '["answer", "blocked", "default", "anthropic", "A", "NOERROR", "udp"]': 3,
        '["answer", "forwarded", "default", null, null, "SERVFAIL", "tcp"]': 2,
        '["seconds","allow","0.05"]': 1,
        '["seconds","allow","+Inf"]': 1,
        '["seconds_sum","allow"]': 2_500_000,
        '["dropped","clients"]': 7,
        '["upstream","udp://10.0.0.1:53","timeout"]': 4,
    }
    text = exposition(totals, {"moatdns_build_info": {("1",): 1}}, {("dropped", "views"): 2}).decode()
    for line in (
        'moatdns_dns_requests_total{protocol="tcp",qtype="none"} 2.0',
        'moatdns_dns_responses_total{rcode="NOERROR",verdict="block"} 3.0',
        'moatdns_policy_hits_total{group="default",vendor="anthropic",verdict="block"} 3.0',
        'moatdns_dns_request_duration_seconds_bucket{le="0.02",verdict="allow"} 0.0',
        'moatdns_dns_request_duration_seconds_bucket{le="5",verdict="allow"} 1.0',
        'moatdns_dns_request_duration_seconds_count{verdict="allow"} 2.0',
        'moatdns_dns_request_duration_seconds_sum{verdict="allow"} 2.5',
        'moatdns_dropped_total{what="clients"} 7.0',
        'moatdns_upstream_requests_total{result="timeout",upstream="udp://10.0.0.1:53"} 4.0',
        'moatdns_build_info{version="1"} 1.0',
    ):
        assert line in text.splitlines()
    assert text.count("# HELP") == text.count("# TYPE")


async def test_the_most_hit_come_first_equals_by_name_and_no_more_than_asked_for(counted: Counted) -> None:
    worker = counted.worker()
    for domain, outcome, by in (
        ("b.example", "blocked", 2),
        ("a.example", "blocked", 1),
        ("a.example", "cached_monitored", 1),
        ("most.example", "forwarded_exempted", 3),
        ("least.example", "blocked", 1),
    ):
        worker.answer(outcome, domain=domain, by=by)
    found = await counted.service.top("domain", at(NOON - HOUR), at(NOON + HOUR), 3)
    assert found == [
        {"key": "most.example", "rest": False, "blocked": 0, "monitored": 0, "exempted": 3},
        {"key": "a.example", "rest": False, "blocked": 1, "monitored": 1, "exempted": 0},
        {"key": "b.example", "rest": False, "blocked": 2, "monitored": 0, "exempted": 0},
    ]
    worker.file.close()


@pytest.mark.slow
@pytest.mark.parametrize("step", [MINUTE, 12 * MINUTE, HOUR, 5 * HOUR])
async def test_a_series_has_each_query_in_its_step(counted: Counted, step: int) -> None:
    worker = counted.worker()
    moments = [NOON + number * 1777 for number in range(40)]
    for moment in moments:
        counted.now = moment
        worker.answer("blocked", domain="a.example")
        worker.answer("cached", by=2)
        await counted.service.fold()
        await counted.service._tidy()
    found = await counted.service.series(step, at(NOON), at(moments[-1] + 1))
    expected = [0] * len(found)
    for moment in moments:
        expected[(moment // MINUTE * MINUTE - NOON) // step] += 1
    assert [item["blocked"] for item in found] == expected
    assert [item["queries"] for item in found] == [3 * count for count in expected]
    worker.file.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["summary", "top", "breakdown"])
async def test_a_window_of_9999_years_is_told_at_once(counted: Counted, kind: str) -> None:
    counted.worker().answer("blocked", service="acme/chat", domain="acme.example", by=3)
    start, end = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
    service = counted.service
    asked = {
        "summary": lambda: service.summary(start, end),
        "top": lambda: service.top("service", start, end, 10),
        "breakdown": lambda: service.breakdown("service", start, end, None),
    }[kind]
    async with asyncio.timeout(120):  # each minute of it took a step of the store: for ever
        found = await asked()
    blocked = found["blocked"] if isinstance(found, dict) else found[0]["blocked"]
    assert blocked == 3


@pytest.mark.parametrize("year", [1970, 2769])
async def test_a_window_before_or_after_all_that_is_kept_is_empty(counted: Counted, year: int) -> None:
    start, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year, 1, 2, tzinfo=UTC)
    assert (await counted.service.summary(start, end))["queries"] == 0
    assert await counted.service.top("service", start, end, 10) == []
    assert await counted.service.breakdown("service", start, end, None) == []
    assert [step["queries"] for step in await counted.service.series(86400, start, end)] == [0]


async def test_a_scrape_waits_for_no_store_that_is_locked(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_PATIENCE_SECONDS", 0.01)
    free, folded = asyncio.Event(), asyncio.Event()

    async def fold_at_last() -> None:
        await free.wait()
        folded.set()

    monkeypatch.setattr(counted.service, "fold", fold_at_last)
    assert b"# TYPE moatdns_store_up gauge" in await asyncio.wait_for(counted.service.metrics(), 5)
    free.set()
    await asyncio.wait_for(folded.wait(), 5)  # the fold was not broken off
