"""Hits of people: exact in sum, exact for those that fit, `other` beyond, however many people and vendors there are."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.statistics.prometheus import exposition
from admin_api.statistics.rollups import DAY, HOUR, MINUTE, roll_up
from admin_api.statistics.rows import OTHER, Gains, key_of, name_of
from admin_api.store import documents
from resolver.telemetry.counter_file import CounterFile, MemoryCells, read_counters
from resolver.telemetry.counters import Counters, Outcome

from .conftest import NOON, Counted, Worker

ANA, BEN = "ana@corp.example", "ben/of the lab"
PEOPLE, VENDORS = 20_000, 85
FULL = 0.75  # of a counter file: then a worker begins a new one


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def hit(counters: Counters, identity: str, kind: str, service: str | None, exemption: str | None = None) -> None:
    """Count one hit, as the query path does."""
    person = counters.person(identity)
    assert person is not None
    counters.cells[counters.person_cell(person, counters.sort(kind, service, exemption))] += 1


async def test_hits_are_told_by_person_by_vendor_and_by_exemption(counted: Counted) -> None:
    worker = Counters(CounterFile.create(counted.folder), detailed=True)
    hit(worker, ANA, "blocked", "openai/chatgpt")
    hit(worker, ANA, "blocked", "openai/api")
    hit(worker, ANA, "exempted", "anthropic/claude", "ex-1")
    hit(worker, BEN, "blocked", None)  # by a list of one's own
    hit(worker, BEN, "exempted", "anthropic/claude", "ex-1")
    hit(worker, BEN, "exempted", "anthropic/claude", "ex-1")
    ask, window = counted.service, (at(NOON - DAY), at(NOON + DAY))
    top = {item["key"]: (item["blocked"], item["exempted"]) for item in await ask.top("identity", *window, 10)}
    assert top == {ANA: (2, 1), BEN: (1, 2)}
    pairs = {item["key"]: (item["blocked"], item["exempted"]) for item in await ask.top("identity/vendor", *window, 10)}
    assert pairs == {f"{ANA}/openai": (2, 0), f"{ANA}/anthropic": (0, 1), f"{BEN}/": (1, 0), f"{BEN}/anthropic": (0, 2)}
    uses = {item["key"]: item["exempted"] for item in await ask.breakdown("exemption/identity", *window, None)}
    assert uses == {f"ex-1/{ANA}": 1, f"ex-1/{BEN}": 2}
    worker.store.close()


async def test_metrics_name_nobody(counted: Counted) -> None:
    worker = Counters(CounterFile.create(counted.folder), detailed=True)
    hit(worker, ANA, "blocked", "openai/chatgpt")
    said = await counted.service.metrics()
    assert b"ana" not in said
    worker.store.close()


async def test_beyond_the_bound_the_rest_is_other_in_minutes_and_hours_and_counted(counted: Counted) -> None:
    counted.settings_changed(most_identity_keys=3)
    worker = Counters(CounterFile.create(counted.folder), detailed=True)
    for fold in range(4):
        for number in range(6):
            for _ in range(number + 1):
                hit(worker, f"{fold}-{number}", "blocked", "openai/chatgpt")
        counted.now = NOON + fold * MINUTE
        await counted.service.fold()
    window = (at(NOON - DAY), at(NOON + DAY))
    minutes = {item["key"]: item["blocked"] for item in await counted.service.top("identity", *window, 100)}
    assert sum(minutes.values()) == 4 * 21
    assert minutes == {OTHER: 4 * 6, **{f"{fold}-{number}": number + 1 for fold in range(4) for number in (3, 4, 5)}}
    assert counted.service.dropped()["statistics_identities"] == 4 * 6
    async with counted.store.count() as connection:
        await roll_up(connection, NOON + 2 * HOUR, 3)
    hours = {item["key"]: item["blocked"] for item in await counted.service.top("identity", *window, 100)}
    assert sum(hours.values()) == 4 * 21
    assert len(hours) == 4
    worker.store.close()


def test_a_worker_without_room_counts_all_as_nobodys_and_loses_none() -> None:
    counters = Counters(MemoryCells(), detailed=True)
    counters.store.used = 60_000  # beyond what is reserved
    first = counters.store.used
    for number in range(5):
        hit(counters, f"p{number}", "blocked", "openai/chatgpt")
        hit(counters, f"p{number}", "exempted", "openai/chatgpt", "ex-1")
    assert [key for key in counters.store.keys if key.startswith('["identity"')] == [
        '["identity",null,"blocked","openai/chatgpt",null]',
        '["identity",null,"exempted","openai/chatgpt",null]',
    ]
    assert list(counters.cells[first : first + 2]) == [5, 5]
    gains = Gains([('["identity",null,"blocked","openai/chatgpt",null]', 5)])
    assert gains.rows["identity", OTHER, "blocked"] == gains.rows["identity/vendor", OTHER, "blocked"] == 5
    assert gains.totals['["dropped","statistics_identities"]'] == 5
    assert b'what="statistics_identities"} 5.0' in exposition(gains.totals, {}, {})


@pytest.mark.parametrize("name", [OTHER, "other'", "other''"])
async def test_who_or_what_is_called_other_is_not_the_sum_of_the_rest(counted: Counted, name: str) -> None:
    counted.settings_changed(most_identity_keys=2)
    worker = Counters(CounterFile.create(counted.folder), detailed=True)
    for count, who in enumerate(("least", name, "most"), 1):
        for _ in range(count):
            hit(worker, who, "blocked", None)
    facts = (name, name, name, "A", "NOERROR", "udp", None, name)  # group, service, list … domain
    worker.cells[worker.answer(Outcome.BLOCKED, facts)] += 4
    window = (at(NOON - DAY), at(NOON + DAY))

    async def told(by: str) -> list[tuple[str, bool, int]]:
        return [(one["key"], one["rest"], one["blocked"]) for one in await counted.service.top(by, *window, 100)]

    assert await told("identity") == [("most", False, 3), (name, False, 2), (OTHER, True, 1)]
    for by in ("group", "service", "vendor", "list", "domain"):
        assert await told(by) == [(name, False, 4)]
    async with counted.store.count() as connection:
        await roll_up(connection, NOON + DAY, 2)
    assert await told("identity") == [("most", False, 3), (name, False, 2), (OTHER, True, 1)]
    steps = await counted.service.breakdown("identity", *window, None)
    assert {(one["key"], one["rest"]) for one in steps} == {("most", False), (name, False), (OTHER, True)}
    worker.store.close()


@given(st.text())
def test_no_name_has_the_key_of_the_sum_or_of_another(name: str) -> None:
    for one in (name, OTHER + name, OTHER + "'" * len(name)):
        assert key_of(one) != OTHER
        assert name_of(key_of(one)) == one
    assert name_of(OTHER) == OTHER


async def test_hits_that_hours_do_not_tell_apart_are_counted_as_nobodys_once(counted: Counted) -> None:
    counted.settings_changed(most_identity_keys=2)
    worker = Counters(CounterFile.create(counted.folder), detailed=True)
    for minute in range(2):
        counted.now = NOON + minute * MINUTE
        for number in range(3):
            for _ in range(number + 1):
                hit(worker, f"{minute}-{number}", "blocked", "openai/chatgpt")
        await counted.service.fold()
    assert counted.service.dropped()["statistics_identities"] == 2  # one of each minute
    counted.now = NOON + DAY + HOUR
    running = asyncio.ensure_future(counted.service.run())
    lost = 2 + 4  # of five keys of the hour, those of two are told: 3 + 3, and 2 + 2 are not
    try:
        async with asyncio.timeout(5):
            while counted.service.dropped()["statistics_identities"] != lost:  # noqa: ASYNC110 (no event)
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
    assert f'what="statistics_identities"}} {lost}.0'.encode() in await counted.service.metrics()
    counted.restart()
    assert f'what="statistics_identities"}} {lost}.0'.encode() in await counted.service.metrics()
    found = await counted.service.top("identity/vendor", at(NOON), at(NOON + DAY), 9)
    top = {one["key"]: one["blocked"] for one in found}
    assert top[OTHER] == lost
    worker.store.close()


async def test_people_in_totals_of_an_earlier_version_and_cells_of_a_later_one_are_left_out(counted: Counted) -> None:
    worker = Worker(counted.folder)
    worker.answer("blocked", service="openai/chatgpt")
    worker.count("whose", ANA, "blocked")
    async with counted.store.count() as connection:
        of_earlier = {f'["identity","{ANA}","blocked","openai/chatgpt",null]': 7, '["dropped","clients"]': 2}
        await documents.put(connection, "metrics_totals", of_earlier)
    assert ANA.encode() not in await counted.service.metrics()
    async with counted.store.read() as connection:
        kept = await documents.get(connection, "metrics_totals")
    assert kept is not None
    assert kept['["dropped","clients"]'] == 2
    assert not any(ANA in key for key in kept)
    worker.file.close()


async def test_people_are_told_as_far_as_the_config_records_them_now(counted: Counted) -> None:
    worker = Counters(CounterFile.create(counted.folder), detailed=True)
    pseudonym = "~abcdefghijklmnop"
    for who in (ANA, BEN, pseudonym, "~ana"):
        hit(worker, who, "exempted", "openai/chatgpt", "ex-1")
    for address in ("10.9.9.9", "10.9.9.0/24", pseudonym):
        worker.cells[worker.client(address)] += 1
    window = (at(NOON - DAY), at(NOON + DAY))
    everybody = {ANA, BEN, pseudonym, "~ana"}
    for identities, told in (("full", everybody), ("pseudonym", {pseudonym}), ("hidden", set())):
        counted.settings_changed(identities=identities)
        ask = counted.service
        assert {one["key"] for one in await ask.top("identity", *window, 10)} == told
        for dimension, form in (
            ("identity", "{}"),
            ("identity/vendor", "{}/openai"),
            ("exemption/identity", "ex-1/{}"),
        ):
            found = {one["key"] for one in await ask.breakdown(dimension, *window, None)}
            assert found == {form.format(one) for one in told}
    addresses = {"full": {"10.9.9.9", "10.9.9.0/24", pseudonym}, "network": {"10.9.9.0/24"}, "pseudonym": {pseudonym}}
    for clients, told in {**addresses, "hidden": set[str]()}.items():
        counted.settings_changed(clients=clients)
        assert {one["key"] for one in await counted.service.top("client", *window, 10)} == told
    worker.store.close()


def test_without_details_no_person_is_told_apart() -> None:
    assert Counters().person(ANA) is None
    assert Counters(detailed=True).person(None) is None


@pytest.mark.slow
def test_twenty_thousand_people_and_all_vendors_are_counted_to_the_last_within_bounds(tmp_path: Path) -> None:
    counters = Counters(CounterFile.create(tmp_path), detailed=True)
    services = [f"vendor-{number}/chat" for number in range(VENDORS)]
    files: list[Path] = []
    most_held = 0

    def move() -> None:
        nonlocal most_held
        assert isinstance(counters.store, CounterFile)
        files.append(counters.store.path)
        most_held = max(most_held, len(counters._person_cells))
        counters.move(CounterFile.create(tmp_path))

    for person in range(PEOPLE):
        for service in services:
            hit(counters, f"person-{person}@corp.example", "blocked", service)
        if counters.store.used_share > FULL:  # a worker looks each second
            move()
    move()
    assert most_held < 65_536
    assert all(path.stat().st_size < 16 << 20 for path in files)
    counters.store.close()

    known: dict[str, set[str]] = {}
    total = kept = 0
    for path in files:
        reading = read_counters(path)
        gains = Gains(zip(reading.keys, reading.values, strict=True), known, 10_000)
        rows = [(row[1], count) for row, count in gains.rows.items() if row[0] == "identity/vendor"]
        total += sum(count for _, count in rows)
        assert all(count == 1 for key, count in rows if key != OTHER)
        kept += sum(key != OTHER for key, _ in rows)
        for dimension, keys in gains.keys.items():
            known.setdefault(dimension, set()).update(keys)
    assert total == PEOPLE * VENDORS
    assert 9_990 <= kept <= 10_000
