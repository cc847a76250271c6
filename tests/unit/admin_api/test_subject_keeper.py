"""The keeper of leases and exemptions: a change counts as in force when the workers have it, and never before."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from admin_api.editing.leases import LeaseTerms, set_lease
from admin_api.outbox.receivers import Outbox
from admin_api.store.change import Change
from admin_api.store.store import Store
from admin_api.subjects import keeper as keeping
from admin_api.subjects.keeper import SubjectKeeper
from resolver.policy.moments import End
from resolver.policy.subjects import Lease, Plain
from resolver.snapshot.clocks import now
from resolver.snapshot.journal_places import Position
from resolver.snapshot.subjects_file import Journal, subjects_at
from tests.unit.doubles import Said, SteadyAccess


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
    keeper = SubjectKeeper(SteadyAccess(store), tmp_path, workers.told, Said(), history_days=1, outbox=Outbox())
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
    keeper = SubjectKeeper(SteadyAccess(store), tmp_path, workers.told, Said(), history_days=1, outbox=Outbox())
    running = asyncio.ensure_future(keeper.run())
    await keeper.loaded.wait()
    may_write, write = threading.Event(), Journal.append

    def slow_append(journal: Journal, records: list[Plain]) -> None:
        may_write.wait(10)
        write(journal, records)

    monkeypatch.setattr(Journal, "append", slow_append)
    body, terms = {"identity": "ana", "ttl_seconds": 60}, LeaseTerms(most=9, longest_seconds=60)
    call = asyncio.ensure_future(set_lease(keeper, "10.0.0.1", body, terms=terms, actor="ana"))
    await until(lambda: keeper.holds("lease", "10.0.0.1"))
    call.cancel()
    await asyncio.wait([call])
    may_write.set()
    await until(lambda: workers.have == {"10.0.0.1"})
    running.cancel()
    await asyncio.wait([running])
    await keeper.close()
    await store.close()


class GivenUp(Store):
    """A store whose callers are gone by the time that it has committed."""

    is_slow = False

    @asynccontextmanager
    async def change(
        self, actor: str, request_id: str | None = None, *, synced: bool = True, since: float | None = None
    ) -> AsyncIterator[Change]:
        async with super().change(actor, request_id, synced=synced, since=since) as change:
            yield change
        if self.is_slow:
            raise asyncio.CancelledError


async def test_what_was_committed_for_a_call_that_is_gone_is_found_in_the_store(tmp_path: Path) -> None:
    store, workers = await GivenUp.open(None, tmp_path, Said()), Workers()
    assert isinstance(store, GivenUp)
    keeper = SubjectKeeper(SteadyAccess(store), tmp_path, workers.told, Said(), history_days=1, outbox=Outbox())
    running = asyncio.ensure_future(keeper.run())
    await keeper.loaded.wait()
    body, terms = {"identity": "ana", "ttl_seconds": 60}, LeaseTerms(most=9, longest_seconds=60)
    await set_lease(keeper, "10.0.0.1", body, terms=terms, actor="ana")
    store.is_slow = True
    with pytest.raises(asyncio.CancelledError):
        await set_lease(keeper, "10.0.0.2", body, terms=terms, actor="ana")
    await until(lambda: workers.have == {"10.0.0.1", "10.0.0.2"})
    running.cancel()
    await asyncio.wait([running])
    await keeper.close()
    await store.close()
