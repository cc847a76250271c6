"""The keeper of leases and exemptions: a change counts as in force when the workers have it, and never before."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from admin_api.store.store import Store
from admin_api.subjects import keeper as keeping
from admin_api.subjects.keeper import SubjectKeeper
from admin_api.webhooks.hooks import Outbox
from resolver.clocks import now
from resolver.policy.subjects import End, Lease, Plain
from resolver.subjects_file import Journal, Position, subjects_at
from tests.unit.doubles import Door, Said


class Workers:
    """They read on when they are told, and may be slow about it."""

    def __init__(self) -> None:
        self.are_quick = asyncio.Event()
        self.are_quick.set()
        self.asked = 0
        self.have: set[str] = set()

    async def told(self, position: Position) -> None:
        self.asked += 1
        await self.are_quick.wait()
        self.have = {subject.key for subject in subjects_at(position.path, position.octets, now())[0]}


async def lease(keeper: SubjectKeeper, address: str) -> None:
    async with keeper.change("ana") as changing:
        moment = now()
        changing.put.append(Lease(address, "ana", None, End.at(moment.wall + 60, moment)))


async def until(happened: Callable[[], bool]) -> None:
    for _ in range(2000):
        if happened():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it does not happen")


async def test_a_change_is_not_in_force_before_the_workers_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "PATIENCE_SECONDS", 0.3)
    store, workers = await Store.open(None, tmp_path, Said()), Workers()
    keeper = SubjectKeeper(Door(store), tmp_path, workers.told, Said(), history_days=1, outbox=Outbox())
    running = asyncio.ensure_future(keeper.run())
    await keeper.loaded.wait()
    assert await keeper.wait_until_in_force(1)
    workers.are_quick.clear()
    await lease(keeper, "10.0.0.1")
    await until(lambda: workers.asked == 2)
    await lease(keeper, "10.0.0.2")  # so that they are told again as soon as they are done

    may_write, write = threading.Event(), Journal.append

    def slow_append(journal: Journal, records: list[Plain]) -> None:
        may_write.wait(10)
        write(journal, records)

    monkeypatch.setattr(Journal, "append", slow_append)
    third = asyncio.ensure_future(lease(keeper, "10.0.0.3"))
    await until(lambda: keeper.holds("lease", "10.0.0.3"))
    workers.are_quick.set()
    assert not await keeper.wait_until_in_force(4)
    assert workers.have == {"10.0.0.1", "10.0.0.2"}
    may_write.set()
    await third
    assert await keeper.wait_until_in_force(4)
    assert workers.have == {"10.0.0.1", "10.0.0.2", "10.0.0.3"}
    running.cancel()
    await asyncio.wait([running])
    await keeper.close()
    await store.close()


async def test_a_change_whose_call_is_given_up_comes_in_force_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, workers = await Store.open(None, tmp_path, Said()), Workers()
    keeper = SubjectKeeper(Door(store), tmp_path, workers.told, Said(), history_days=1, outbox=Outbox())
    running = asyncio.ensure_future(keeper.run())
    await keeper.loaded.wait()
    may_write, write = threading.Event(), Journal.append

    def slow_append(journal: Journal, records: list[Plain]) -> None:
        may_write.wait(10)
        write(journal, records)

    monkeypatch.setattr(Journal, "append", slow_append)
    call = asyncio.ensure_future(lease(keeper, "10.0.0.1"))
    await until(lambda: keeper.holds("lease", "10.0.0.1"))
    call.cancel()
    await asyncio.wait([call])
    may_write.set()
    await until(lambda: workers.have == {"10.0.0.1"})
    running.cancel()
    await asyncio.wait([running])
    await keeper.close()
    await store.close()
