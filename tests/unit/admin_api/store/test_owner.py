"""One node serves a PostgreSQL store: a living one keeps it, a dead one loses it, and who lost it writes no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from admin_api.store import owner
from admin_api.store.anew import begin_anew
from admin_api.store.errors import StoreHeld
from admin_api.store.owner import Owner, holder_of
from admin_api.store.store import Store
from tests.support.postgres import shared_postgres
from tests.unit.admin_api.store.conftest import SilentLog
from tests.unit.fair_time import FairTime

pytestmark = pytest.mark.postgres

ELSEWHERE = "another-boot|pid:[1]"


@pytest.fixture
async def nodes(tmp_path: Path, log: SilentLog) -> AsyncIterator[list[Store]]:
    """Two nodes' connections to one database."""
    server = shared_postgres()
    url = await server.new_database()
    stores = [await Store.open(url, tmp_path, log) for _ in range(2)]
    yield stores
    for store in stores:
        await store.close()
    await server.drop(url)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(owner, "EXPIRES_SECONDS", 1.5)
    monkeypatch.setattr(owner, "_LOOK_SECONDS", 0.1)


def node(number: int) -> Owner:
    return Owner(f"{ELSEWHERE}|{number}|1.0", number)


async def write(store: Store) -> None:
    async with store.change("tests") as change:
        change.record("update", "thing", None, 1)


async def test_while_one_lives_the_other_is_refused_and_told_who(nodes: list[Store]) -> None:
    first, second = nodes
    await node(1).take(first)
    keeping = asyncio.ensure_future(node(1).keep(first))
    with pytest.raises(StoreHeld, match="process 1"):
        await node(2).take(second)
    await write(first)
    keeping.cancel()


async def test_a_dead_one_loses_it_in_time_and_may_not_write_again(nodes: list[Store]) -> None:
    first, second = nodes
    await node(1).take(first)
    began = asyncio.get_running_loop().time()
    async with FairTime() as took:
        await node(2).take(second)
    assert asyncio.get_running_loop().time() - began > 1.0
    assert took.seconds < 4
    await write(second)
    with pytest.raises(StoreHeld, match="process 2"):
        await write(first)
    with pytest.raises(StoreHeld):
        async with first.count() as connection:
            await connection.execute(text("UPDATE meta SET policy_revision = 99"))
    with pytest.raises(StoreHeld, match="taken over by another node"):
        await node(1).keep(first)
    async with second.read() as connection:
        assert await connection.scalar(text("SELECT policy_revision FROM meta")) != 99


async def test_a_change_that_began_before_the_lock_was_lost_is_the_last(nodes: list[Store]) -> None:
    first, second = nodes
    await node(1).take(first)
    async with first.change("tests") as change:
        change.record("update", "thing", None, 1)
        taking = asyncio.ensure_future(node(2).take(second))
        await asyncio.sleep(2)
        assert not taking.done(), "whoever takes over waits for it"
    await asyncio.wait_for(taking, 5)
    with pytest.raises(StoreHeld):
        await write(first)


async def test_one_that_ends_leaves_it_to_the_next_at_once(nodes: list[Store]) -> None:
    first, second = nodes
    await node(1).take(first)
    await node(1).give_up(first)
    await asyncio.wait_for(node(2).take(second), 1)
    await node(1).give_up(first)  # which is not its own any more
    await write(second)


async def test_a_process_that_is_gone_from_this_machine_is_dead_at_once(
    nodes: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "EXPIRES_SECONDS", 60)
    first, second = nodes
    gone = await asyncio.create_subprocess_exec("true")
    await gone.wait()
    await Owner(holder_of(gone.pid, 1.0), gone.pid).take(first)
    await asyncio.wait_for(node(2).take(second), 2)


async def test_the_same_run_takes_it_again(nodes: list[Store]) -> None:
    first, second = nodes
    await node(1).take(first)
    await asyncio.wait_for(node(1).take(second), 1)
    await write(first)
    await write(second)


async def test_two_that_ask_at_once_do_not_both_have_it(nodes: list[Store]) -> None:
    taking = [asyncio.ensure_future(node(number).take(store)) for number, store in enumerate(nodes, 1)]
    await asyncio.wait(taking, return_when=asyncio.FIRST_COMPLETED)
    keeping = [
        asyncio.ensure_future(node(number).keep(nodes[number - 1]))
        for number, task in enumerate(taking, 1)
        if task.done()
    ]
    done = await asyncio.gather(*taking, return_exceptions=True)
    assert len(keeping) == 1
    assert sorted(isinstance(one, StoreHeld) for one in done) == [False, True]
    keeping[0].cancel()


async def test_commands_that_hold_no_lock_change_rows_beside_the_one_that_serves(nodes: list[Store]) -> None:
    first, beside = nodes
    await node(1).take(first)
    await write(beside)
    await write(first)


async def test_no_store_is_begun_anew_beside_the_node_that_serves_it(
    nodes: list[Store], tmp_path: Path, log: SilentLog
) -> None:
    first, _ = nodes
    await write(first)
    await node(1).take(first)
    keeping = asyncio.ensure_future(node(1).keep(first))
    url = shared_postgres().url(await database_of(first))
    with pytest.raises(StoreHeld, match="process 1"):
        await begin_anew(url, tmp_path / "fresh", log, actor="command line", reason="")
    await write(first)
    keeping.cancel()


async def database_of(store: Store) -> str:
    async with store.read() as connection:
        return str(await connection.scalar(text("SELECT current_database()")))
