"""The control process, kept running: each crash, hang, refusal and slow store, with scripts for the process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from admin_api.messages import (
    AskStatus,
    Begin,
    ConfigInForce,
    ConfigReading,
    ConfigRefused,
    ConfigWaits,
    ControlAlive,
    ControlDescriptors,
    NodeStatus,
    NoteReading,
    NoteTroubles,
    Recompile,
    StopControl,
    StoreState,
    StoreTold,
    UseConfigPolicy,
    WorkerStatus,
)
from moatdns.supervisor.control_keeper import ControlKeeper
from resolver.config.settings import ControlSettings
from resolver.errors import ConfigError, MoatdnsError, NoAnswer, RequestRefused
from resolver.snapshot.journal_places import Position
from resolver.snapshot.manifests import Manifest
from resolver.worker.messages import (
    BeginCounters,
    CountersBegun,
    Flush,
    Flushed,
    Ping,
    RenewCertificate,
    SubjectsInForce,
    UsePolicy,
    UseSubjects,
)
from tests.unit.children import KILLED, FakeChild, FakeChildren, Script, clock, run, until
from tests.unit.doubles import Said

from .workers import SETTINGS, SUBJECTS, dies, silent

READING = ConfigReading(1.0, 1, {"listen": ("[…]", "mark")}, "/etc/moatdns.yaml")
FIRST = Begin(
    settings=ControlSettings("/state"),
    worker_settings=SETTINGS,
    serving=(),
    config=UseConfigPolicy({"lists": []}, "first"),
    manifest=None,
    began=1.0,
    reading=READING,
    sockets=ControlDescriptors(None, (), 9),
    troubles=(),
)


def control(*says: object, answers_pings: bool = True, stops: bool = True, in_force: object = None) -> Script:
    """A control process that says these things when it begins, and one of a config that it is given."""

    async def play(child: FakeChild) -> int:
        async for received in child.channel.heard():
            child.heard.append(received.message)
            match received.message:
                case Begin():
                    for message in says:
                        child.channel.tell(message)
                case Ping() if answers_pings:
                    child.channel.tell(ControlAlive())
                case UseConfigPolicy() if in_force is not None:
                    child.channel.tell(in_force)
                case StopControl() if stops:
                    return 0
        return 0

    return play


@dataclass
class Workers:
    """The node's workers, as they were had to obey."""

    done: list[object] = field(default_factory=list)
    error: str | None = None

    async def publish(self, manifest: Manifest) -> None:
        self._do(manifest)

    async def use_subjects(self, position: Position) -> None:
        self._do(position)

    async def begin_counters(self) -> None:
        self._do("new counters")

    async def flush(self, name: str | None, *, below: bool) -> int:
        self._do((name, below))
        return 7

    def status(self) -> NodeStatus:
        return NodeStatus((WorkerStatus(0, 11, 3, 1.5, None),))

    def _do(self, what: object) -> None:
        if self.error is not None:
            raise MoatdnsError(self.error)
        self.done.append(what)


@dataclass
class Scene:
    keeper: ControlKeeper
    children: FakeChildren
    workers: Workers
    log: Said

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.log.lines]

    @property
    def pauses(self) -> list[float]:
        return [facts["pause_seconds"] for _, facts in self.log.lines if "pause_seconds" in facts]

    async def ask(self, request: Any) -> Any:
        """Have the control process that runs ask for something."""
        await until(lambda: self.children.alive)
        return await self.children.alive[-1].channel.ask(request)


@contextlib.asynccontextmanager
async def scene(*scripts: Script, starts: bool = True) -> AsyncIterator[Scene]:
    log, children, workers = Said(), FakeChildren(*scripts), Workers()
    firsts = (replace(FIRST, reading=replace(READING, number=number)) for number in range(1, 1000))
    keeper = ControlKeeper(lambda: next(firsts), workers, log, children.start)
    if starts:
        keeper.start()
        keeper.start()  # once is enough
    yield Scene(keeper, children, workers, log)
    await keeper.stop()
    assert not children.alive


def test_it_begins_with_what_it_is_told_and_stops_for_good() -> None:
    async def scenario() -> None:
        async with scene(control()) as one:
            await until(lambda: one.children.started and one.children.started[0].heard)
            await asyncio.sleep(100)
        (child,) = one.children.started
        assert child.heard[0] == FIRST
        assert child.heard[-1] == StopControl(for_good=True)
        assert one.children.modules == ["admin_api.control"]
        assert one.events == []

    run(scenario())


def test_one_that_ends_is_started_again_with_growing_pauses() -> None:
    async def scenario() -> None:
        async with scene(*[dies] * 7, control()) as one:
            await until(lambda: len(one.children.started) == 8)
            assert one.pauses == [0.0, 0.5, 1.0, 2.0, 5.0, 5.0, 5.0]
            await asyncio.sleep(40)
            one.children.started[-1].process.end(1)
            await until(lambda: len(one.children.started) == 9)
            assert one.pauses[-1] == 0.0  # it had run for long
            (began,) = one.children.started[7].of(Begin)
            assert began.reading.number == 8  # what is so by now

    run(scenario())


def test_one_that_cannot_be_started_is_tried_again() -> None:
    async def scenario() -> None:
        async with scene(control(), starts=False) as one:
            real, tries = one.keeper._start_child, []

            async def start(*arguments: Any, **more: Any) -> Any:
                tries.append(clock())
                if len(tries) < 3:
                    raise MoatdnsError("the control process cannot be started: Too many open files")
                return await real(*arguments, **more)

            one.keeper._start_child = start
            one.keeper.start()
            await until(lambda: one.children.started)
            assert one.pauses == [0.0, 0.5]

    run(scenario())


def test_one_that_hangs_is_killed_after_thirty_beats() -> None:
    async def scenario() -> None:
        async with scene(control(answers_pings=False), control()) as one:
            await until(lambda: len(one.children.started) == 2)
            assert 30 < clock() < 33
            assert one.children.started[0].process.returncode == KILLED
            assert "the control process hangs and is killed" in one.events

    run(scenario())


def test_one_that_says_what_cannot_be_read_is_killed() -> None:
    async def garbles(child: FakeChild) -> None:
        child.theirs.send(b'{"event": "publish", "manifest": "/x"}\n')
        await asyncio.Event().wait()

    async def scenario() -> None:
        async with scene(garbles, control()) as one:
            await until(lambda: len(one.children.started) == 2)
            assert one.children.started[0].process.returncode == KILLED
            assert one.events[0] == "the control process says what cannot be read and is killed"

    run(scenario())


def test_one_that_does_not_stop_is_killed() -> None:
    async def scenario() -> None:
        async with scene(control(stops=False)) as one:
            await until(lambda: one.children.started)
            await one.keeper.stop()
            assert one.children.started[0].process.returncode == KILLED
            assert 8 <= clock() < 10
            assert one.events == ["the control process did not stop and is killed"]

    run(scenario())


def test_a_sigterm_for_all_processes_at_once_is_no_crash() -> None:
    async def scenario() -> None:
        async with scene(control()) as one:
            await until(lambda: one.children.started)
            one.children.started[0].process.end(-15)
            await asyncio.sleep(0.2)
            one.keeper.is_stopping = True
            await asyncio.sleep(20)
            assert (one.events, len(one.children.started)) == ([], 1)

    run(scenario())


def test_its_requests_are_answered_each_by_its_own_word() -> None:
    async def scenario() -> None:
        async with scene(control()) as one:
            await until(lambda: one.children.started and one.children.started[0].heard)
            assert await one.ask(Flush("a.example", below=True)) == Flushed(7)
            assert await one.ask(UseSubjects(SUBJECTS)) == SubjectsInForce()
            assert await one.ask(BeginCounters()) == CountersBegun()
            assert await one.ask(AskStatus()) == NodeStatus((WorkerStatus(0, 11, 3, 1.5, None),))
            assert one.workers.done == [("a.example", True), SUBJECTS, "new counters"]

    run(scenario())


def test_what_workers_do_not_do_and_a_policy_that_is_not_there_are_refused() -> None:
    async def scenario() -> None:
        async with scene(control()) as one:
            await until(lambda: one.children.started and one.children.started[0].heard)
            with pytest.raises(RequestRefused, match="/nowhere/policy"):
                await one.ask(UsePolicy(Path("/nowhere/policy")))
            one.workers.error = "worker 5 ended, or was not ready within 30 s"
            for request in (Flush(None, below=False), UseSubjects(SUBJECTS), BeginCounters()):
                with pytest.raises(RequestRefused, match="worker 5 ended"):
                    await one.ask(request)

    run(scenario())


def test_workers_that_take_for_ever_are_not_waited_for_for_ever() -> None:
    async def scenario() -> None:
        async with scene(control()) as one:
            await until(lambda: one.children.started and one.children.started[0].heard)
            one.workers.use_subjects = lambda _: asyncio.Event().wait()  # type: ignore[method-assign, assignment, return-value]
            with pytest.raises(NoAnswer, match="within 60 s"):
                await one.ask(UseSubjects(SUBJECTS))

    run(scenario())


def test_an_answer_goes_to_the_process_that_asked_and_not_to_its_successor() -> None:
    async def scenario() -> None:
        async with scene(control()) as one:
            await until(lambda: one.children.started and one.children.started[0].heard)
            goes_on = asyncio.Event()
            one.workers.use_subjects = lambda _: goes_on.wait()  # type: ignore[method-assign, assignment, return-value]
            first = one.children.started[0]
            asking = asyncio.ensure_future(first.channel.ask(UseSubjects(SUBJECTS)))
            await asyncio.sleep(1)
            first.process.end(1)
            await until(lambda: len(one.children.started) == 2 and one.children.started[1].heard)
            asked = asyncio.ensure_future(one.children.started[1].channel.ask(Flush(None, below=False)))
            goes_on.set()
            assert await asked == Flushed(7)
            with pytest.raises(MoatdnsError):
                await asking

    run(scenario())


def test_orders_come_as_they_are_meant() -> None:
    async def scenario() -> None:
        async with scene(control()) as one:
            one.keeper.tell(RenewCertificate())  # nobody hears it
            await until(lambda: one.children.started and one.children.started[0].heard)
            wanted = [Recompile(), RenewCertificate(), NoteTroubles(("no nameserver",)), NoteReading(READING)]
            for order in wanted:
                one.keeper.tell(order)
            await until(lambda: one.children.started[0].heard[1:] == wanted)

    run(scenario())


def test_a_config_is_in_force_when_the_control_process_says_so() -> None:
    async def scenario() -> None:
        async with scene(control(in_force=ConfigInForce("new"))) as one:
            await one.keeper.put_in_force({"lists": [1]}, "new")
            assert one.children.started[0].of(UseConfigPolicy) == [UseConfigPolicy({"lists": [1]}, "new")]

    run(scenario())


@pytest.mark.parametrize(
    ("said", "error", "why"),
    [
        (ConfigRefused("new", ("a", "b")), ConfigError, "a\nb"),
        (ConfigWaits("new", "the store is away"), MoatdnsError, "the store is away"),
        (ConfigInForce("old"), MoatdnsError, "not in force after 120 s; it follows later"),
        (None, MoatdnsError, "not in force after 120 s; it follows later"),
    ],
)
def test_a_config_that_is_not_in_force_is_told_of(said: object, error: type[MoatdnsError], why: str) -> None:
    async def scenario() -> None:
        async with scene(control(in_force=said)) as one:
            with pytest.raises(error, match=why):
                await one.keeper.put_in_force({}, "new")

    run(scenario())


def test_a_config_does_not_wait_for_a_process_that_ended() -> None:
    async def scenario() -> None:
        async with scene(control()) as one:
            putting = asyncio.ensure_future(one.keeper.put_in_force({}, "new"))
            await until(lambda: one.children.started and one.children.started[0].of(UseConfigPolicy))
            one.children.started[0].process.end(-11)
            with pytest.raises(MoatdnsError, match="the control process ended meanwhile"):
                await putting
            await until(lambda: len(one.children.started) == 2)

    run(scenario())


def test_a_config_waits_in_vain_where_no_process_can_be_started() -> None:
    async def scenario() -> None:
        async with scene(control(), starts=False) as one:
            with pytest.raises(MoatdnsError, match="cannot be started; the config's policy waits for it"):
                await one.keeper.put_in_force({}, "new")
            assert clock() == pytest.approx(120.0)

    run(scenario())


def test_a_refusal_that_nobody_waits_for_is_logged() -> None:
    async def scenario() -> None:
        async with scene(control(ConfigRefused("first", ("groups[0]: gone",)), ConfigWaits("first", "slow"))) as one:
            await until(lambda: len(one.log.lines) == 2)
            assert one.log.lines == [
                ("the config's policy is not used; the old one stays in force", {"problem": "groups[0]: gone"}),
                ("the config's policy is not in force yet", {"why": "slow"}),
            ]

    run(scenario())


@pytest.mark.parametrize(
    ("says", "seconds"),
    [
        ([], 10.0),  # nothing
        ([StoreTold(StoreState.OPENS)], 5.0),  # the store does not answer
        ([StoreTold(StoreState.OPENS), StoreTold(StoreState.WAITS)], 12.0),  # a dead node's lock
        ([StoreTold(StoreState.OPENS), StoreTold(StoreState.TOLD)], 0.0),
    ],
)
def test_a_store_that_does_not_answer_keeps_no_start_waiting_for_long(says: list[object], seconds: float) -> None:
    async def scenario() -> None:
        async with scene(control(*says)) as one:
            await one.keeper.check_store(12.0)
            assert clock() == pytest.approx(seconds, abs=0.1)

    run(scenario())


def test_another_node_that_serves_the_store_ends_the_start() -> None:
    async def scenario() -> None:
        async with scene(control(StoreTold(StoreState.TOLD, "node b serves it"))) as one:
            with pytest.raises(MoatdnsError, match="node b serves it"):
                await one.keeper.check_store(12.0)

    run(scenario())


def test_a_refusal_that_comes_late_is_told_and_silence_is_none() -> None:
    async def scenario() -> None:
        async with scene(control()) as one:
            late = asyncio.ensure_future(one.keeper.refused_late())
            await one.keeper.check_store(12.0)
            one.children.started[0].channel.tell(StoreTold(StoreState.TOLD, "node b serves it"))
            assert await late == "node b serves it"
        async with scene(control(StoreTold(StoreState.TOLD))) as one:
            late = asyncio.ensure_future(one.keeper.refused_late())
            await asyncio.sleep(100)
            assert not late.done()
            late.cancel()

    run(scenario())


def test_a_restart_puts_one_with_new_words_in_its_place_and_is_no_failure() -> None:
    async def scenario() -> None:
        async with scene(control()) as one:
            await until(lambda: one.children.started and one.children.started[0].heard)
            await one.keeper.restart()
            old, new = one.children.started
            assert old.heard[-1] == StopControl(for_good=False)
            await until(lambda: new.heard)
            assert new.of(Begin)[0].reading.number == 2
            assert one.events == []

    run(scenario())


def test_a_process_that_never_says_anything_is_killed_like_one_that_hangs() -> None:
    async def scenario() -> None:
        async with scene(silent, control()) as one:
            await until(lambda: len(one.children.started) == 2)
            assert 30 < clock() < 33

    run(scenario())


def test_the_events_socket_is_inherited() -> None:
    one, other = socket.socketpair()
    with one, other:
        descriptors = ControlDescriptors(one.fileno(), (other.fileno(),), 77)
        assert descriptors.every == (77, other.fileno(), one.fileno())
        assert ControlDescriptors(None, (), 77).every == (77,)
