"""The nursery: real processes, forked and told on, killed, hung, crashed and exchanged."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import psutil
import pytest

from moatdns.supervisor.nursery_process import NurseryKeeper
from moatdns.supervisor.spawning import WORKER_MODULE, Spawned, spawned_early
from resolver.errors import ChannelError, MoatdnsError
from resolver.system.channel import Received
from resolver.system.child_process import ChildProcess
from resolver.worker.messages import WORKER_CHANNEL, Listening, StopWorker
from resolver.worker.nursery import NURSERY_NAME, WORKER_NAME
from resolver.worker.nursery_messages import NURSERY_CHANNEL, receive_descriptors, send_descriptors
from tests.unit.doubles import Said

ENDED = "the nursery of workers ended"
PATIENCE_SECONDS = 20.0

processes = pytest.mark.slow  # an interpreter that loads


class Place:
    """A keeper, and the workers that it started."""

    def __init__(self, keeper: NurseryKeeper, log: Said) -> None:
        self.keeper = keeper
        self.log = log
        self.workers: list[ChildProcess] = []

    async def worker(self, descriptors: Sequence[int] = ()) -> ChildProcess:
        """A worker that listens for its orders."""
        child = await self.keeper.start(WORKER_MODULE, WORKER_CHANNEL, "a worker", descriptors=descriptors)
        self.workers.append(child)
        first = await child.channel.receive()
        assert first == Received(Listening())
        return child

    @property
    def troubles(self) -> list[str]:
        return [event for event, _ in self.log.lines]


@contextlib.asynccontextmanager
async def nursery(early: Spawned | None = None) -> AsyncIterator[Place]:
    log = Said()
    place = Place(NurseryKeeper(log, early), log)
    async with asyncio.timeout(PATIENCE_SECONDS):
        yield place
        for child in place.workers:
            if child.status is None:
                child.kill()
                await child.end_within(PATIENCE_SECONDS)
            child.channel.close()
        await place.keeper.end()


def parent_of(child: ChildProcess) -> psutil.Process:
    parent = psutil.Process(child.pid).parent()
    assert parent is not None
    return parent


def sockets_of(pid: int) -> dict[int, str]:
    """The sockets of a process by descriptor."""
    found = {}
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if (link := str(path.readlink())).startswith("socket:") and int(path.name) > 2:
                found[int(path.name)] = link
    return found


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 (what is waited for is no event)
        await asyncio.sleep(0.01)


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


class _ShortOnce(dict[object, float]):
    """A patience that is short for the first request alone."""

    def __init__(self) -> None:
        self._left = [PATIENCE_SECONDS, 0.1]

    def __getitem__(self, _: object) -> float:
        return self._left.pop() if len(self._left) > 1 else self._left[0]


@processes
async def test_a_worker_has_its_own_descriptors_by_their_numbers_and_no_others() -> None:
    with socket.socket() as one, socket.socket() as other:
        async with nursery() as place:
            first = await place.worker([one.fileno()])
            second = await place.worker([other.fileno()])
            ours, firsts, seconds = (sockets_of(pid) for pid in (os.getpid(), first.pid, second.pid))
            homes = set(sockets_of(parent_of(first).pid).values())
            for its, given in ((firsts, one), (seconds, other)):
                assert its[given.fileno()] == ours[given.fileno()]
                assert set(its.values()) & set(ours.values()) == {ours[given.fileno()]}
                assert not set(its.values()) & homes
            assert not set(firsts.values()) & set(seconds.values())
            assert {parent_of(child).name() for child in (first, second)} == {NURSERY_NAME}
            assert {psutil.Process(child.pid).name() for child in (first, second)} == {WORKER_NAME}


@processes
async def test_a_worker_that_is_told_to_stop_ends_well_and_one_that_loses_its_supervisor_too() -> None:
    async with nursery() as place:
        told, alone = await place.worker(), await place.worker()
        told.channel.tell(StopWorker())
        alone.channel.close()
        assert await told.end_within(PATIENCE_SECONDS)
        assert await alone.end_within(PATIENCE_SECONDS)
        assert (told.status, alone.status) == (0, 0)
        assert place.troubles == []


@processes
async def test_sigterm_ends_a_young_worker_and_not_the_nursery() -> None:
    async with nursery() as place:
        child = await place.worker()
        home = parent_of(child)
        home.terminate()
        os.kill(child.pid, signal.SIGTERM)
        assert await child.end_within(PATIENCE_SECONDS)
        assert child.status == -signal.SIGTERM
        assert parent_of(await place.worker()) == home


@processes
async def test_after_a_crash_workers_come_from_a_new_nursery_and_the_old_one_stays_for_its_others() -> None:
    async with nursery() as place:
        crashing, lasting = await place.worker(), await place.worker()
        old = parent_of(lasting)
        os.kill(crashing.pid, signal.SIGSEGV)
        assert await crashing.end_within(PATIENCE_SECONDS)
        assert crashing.status == -signal.SIGSEGV
        assert parent_of(await place.worker()) != old
        assert old.is_running()
        os.kill(lasting.pid, signal.SIGKILL)
        assert await lasting.end_within(PATIENCE_SECONDS)
        assert lasting.status == -signal.SIGKILL
        await until(lambda: has_ended(old))  # it has nobody left
        assert place.troubles == []


@processes
async def test_workers_outlive_their_nursery_and_their_ends_are_seen() -> None:
    async with nursery() as place:
        child = await place.worker()
        parent_of(child).kill()
        await until(lambda: ENDED in place.troubles)
        assert child.status is None
        assert psutil.Process(child.pid).is_running()
        next_one = await place.worker()
        assert next_one.pid != child.pid
        child.channel.tell(StopWorker())
        assert await child.end_within(PATIENCE_SECONDS)
        assert child.status is not None


@processes
async def test_a_nursery_that_hangs_is_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    async with nursery() as place:
        old = parent_of(await place.worker())
        old.suspend()
        monkeypatch.setattr(NURSERY_CHANNEL, "patience_seconds", _ShortOnce())
        assert parent_of(await place.worker()) != old
        assert has_ended(old)


@processes
async def test_an_early_one_is_used_and_what_cannot_be_passed_on_is_an_error() -> None:
    early = Spawned()
    try:
        async with nursery(early) as place:
            assert parent_of(await place.worker()).pid == early.process.pid
            with pytest.raises(MoatdnsError, match="a worker cannot be started"):
                await place.worker([9_999])
    finally:
        early.end()
    early.end()  # once more is no fault


@processes
def test_an_early_one_that_nobody_wants_is_ended() -> None:
    early = Spawned()
    early.end()
    assert early.process.poll() == -signal.SIGKILL


def test_root_starts_none_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert spawned_early() is None


async def test_other_children_are_started_as_ever() -> None:
    asked = []

    async def start(*what: object, **more: object) -> ChildProcess:
        asked.append((what, more["descriptors"]))
        raise MoatdnsError("there is none")

    keeper = NurseryKeeper(Said(), None, start)
    with pytest.raises(MoatdnsError, match="there is none"):
        await keeper.start("admin_api.control", WORKER_CHANNEL, "the control process", descriptors=(5,))
    assert asked == [(("admin_api.control", WORKER_CHANNEL, "the control process"), (5,))]
    await keeper.end()


def test_many_descriptors_arrive_in_order_and_missing_ones_are_an_error() -> None:
    with contextlib.ExitStack() as opened:
        ours, theirs = (opened.enter_context(one) for one in socket.socketpair())
        pipes = [os.pipe() for _ in range(130)]
        sent = [number for pair in pipes for number in pair]
        for number in sent:
            opened.callback(os.close, number)
        send_descriptors(ours, sent)
        copies = receive_descriptors(theirs, len(sent))
        for number in copies:
            opened.callback(os.close, number)
        assert [os.fstat(number).st_ino for number in copies] == [os.fstat(number).st_ino for number in sent]
        assert not any(os.get_inheritable(number) for number in copies)
        ours.send(b"\0")
        with pytest.raises(ChannelError, match="missing"):
            receive_descriptors(theirs, 1)
        ours.close()
        with pytest.raises(ChannelError, match="missing"):
            receive_descriptors(theirs, 1)
