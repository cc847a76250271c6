"""A store that somebody else has locked, or whose disk is full: callers hear of it soon, the audit trail, too."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from admin_api.api.http.problems import problem_of
from admin_api.store import audit, lists, trail
from admin_api.store.engine import FILE, StoreLimits
from admin_api.store.errors import StoreAway, StoreFull
from admin_api.store.room import LEAST_BYTES, check_room
from admin_api.store.store import Store
from tests.unit.admin_api.store.conftest import OpenStore, SilentLog
from tests.unit.fair_time import FairTime


@contextmanager
def locked(state_dir: Path) -> Iterator[None]:
    connection = sqlite3.connect(state_dir / FILE, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.close()


async def write(store: Store, name: str) -> None:
    async with store.change(f"token:{name}") as change:
        await lists.create(change, name=name, kind="own")
        change.record("create", f"lists/{name}", None, {})
        change.touches_policy()


@pytest.mark.slow
async def test_with_a_locked_store_any_number_of_writers_give_up_within_five_seconds(
    tmp_path: Path, log: SilentLog
) -> None:
    store = await Store.open(None, tmp_path, log)
    with locked(tmp_path):
        async with FairTime() as took:
            outcomes = await asyncio.gather(*(write(store, f"list-{n}") for n in range(50)), return_exceptions=True)
        assert took.seconds < 5
        assert {type(outcome) for outcome in outcomes} == {StoreAway}
        assert "locked" in str(outcomes[0])
        assert store.trouble
        async with store.read() as connection:
            assert await lists.all_lists(connection) == []
    await write(store, "after")
    assert store.trouble is None
    async with store.read() as connection:
        rows = await audit.page(connection, limit=10)
        assert [(row.action, row.object) for row in rows] == [("create", "lists/after"), ("gap", "audit")]
        gap = rows[1].after
        assert gap["refused"] == 50
        assert len(gap["actors"]) == 20
        assert "locked" in gap["why"]
        assert gap["first"] <= gap["last"]
        assert (await trail.look_through(connection, store.audit_key)).findings == []
    await store.close()


@pytest.mark.slow
async def test_the_gap_is_told_once_and_without_waiting_for_a_change(tmp_path: Path, log: SilentLog) -> None:
    store = await Store.open(None, tmp_path, log)
    with locked(tmp_path):
        with pytest.raises(StoreAway):
            await write(store, "refused")
        with pytest.raises(StoreAway):
            await store.tell_gap()
    for _ in range(2):
        await store.tell_gap()
    async with store.read() as connection:
        (row,) = await audit.page(connection, limit=10)
    assert row.after["actors"] == ["token:refused"]
    assert json.loads(json.dumps(row.plain()))["action"] == "gap"
    await store.close()


@pytest.mark.slow
async def test_a_store_that_another_node_keeps_busy_is_told_within_five_seconds(open_store: OpenStore) -> None:
    one, other = await open_store(), await open_store(**asdict(StoreLimits()))
    async with one.change("one"):
        async with FairTime() as took:
            with pytest.raises(StoreAway):
                await write(other, "other")
        assert took.seconds < 5
    await write(other, "other")


@pytest.mark.slow
async def test_writers_that_are_merely_many_wait_for_each_other(tmp_path: Path, log: SilentLog) -> None:
    store = await Store.open(None, tmp_path, log)

    async def slow(number: int) -> None:
        async with store.change("slow") as change:
            await asyncio.sleep(0.5)
            change.record("work", f"{number}", None, None)

    await asyncio.gather(*(slow(number) for number in range(6)))
    async with store.read() as connection:
        assert (await audit.head(connection))[0] == 6
    await store.close()


def test_room_is_looked_at_where_the_state_is(tmp_path: Path) -> None:
    check_room(tmp_path)
    check_room(tmp_path / "not there")  # nobody can tell
    with pytest.raises(StoreFull, match=f"needs {LEAST_BYTES >> 10}"):
        check_room(Path("/proc"))  # has no room at all


def test_a_full_disk_is_507_and_a_store_that_is_away_503() -> None:
    for error, status in ((StoreFull("the disk is full"), 507), (StoreAway("gone"), 503)):
        said = problem_of(error)
        assert said is not None
        assert (said.status, said.content_type) == (status, "application/problem+json")
        assert said.headers["Retry-After"] == "5"
