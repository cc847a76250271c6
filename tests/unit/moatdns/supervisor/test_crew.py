"""The crew and its workers: each crash, hang, refusal and race, with scripts for children and a clock that skips."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from moatdns.supervisor.crew import Crew
from resolver.errors import MoatdnsError
from resolver.listeners.sockets import WorkerSockets
from resolver.policy.moments import Moment
from resolver.snapshot.journal_places import Position
from resolver.snapshot.manifests import Manifest
from resolver.telemetry.pseudonyms import PseudonymPeriod
from resolver.worker.messages import (
    BeginCounters,
    ClockSet,
    Listening,
    PolicyInForce,
    Serve,
    StopWorker,
    UsePolicy,
    UsePseudonyms,
    UseSubjects,
    UseUpstreams,
)
from tests.unit.children import KILLED, FakeChild, FakeChildren, Script, clock, run, until
from tests.unit.doubles import Said

from .workers import SETTINGS, SUBJECTS, deaf, dies, policy, silent, worker

PERIODS = (PseudonymPeriod(0, 86_400, "ab" * 32),)
OTHER_PERIODS = (PseudonymPeriod(86_400, 172_800, "cd" * 32),)

ENDED = "a worker ended; starting another"
OTHER_VERSION = b'{"channel": "worker", "version": 2, "message": "Listening", "fields": {}}\n'


@dataclass
class Scene:
    crew: Crew
    children: FakeChildren
    log: Said
    mends: list[Manifest | None]
    clocks: list[tuple[float, Moment]]

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.log.lines]

    @property
    def pauses(self) -> list[float]:
        return [
            facts["pause_seconds"] for event, facts in self.log.lines if event == "a worker ended; starting another"
        ]

    def revisions(self) -> list[int]:
        return [worker.revision for worker in self.crew.status()]


@contextlib.asynccontextmanager
async def scene(
    *scripts: Script,
    slots: int = 1,
    mended: Manifest | None = None,
    subjects: Position | None = None,
    starts: bool = True,
) -> AsyncIterator[Scene]:
    """A crew that serves policy 1, and is stopped in the end."""
    log, children, mends, clocks = Said(), FakeChildren(*scripts), [], []

    async def mend(harmful: Manifest | None) -> Manifest:
        mends.append(harmful)
        if mended is None:
            raise MoatdnsError("there is no other")
        return mended

    with socket.socket() as events:
        crew = Crew(
            [WorkerSockets() for _ in range(slots)],
            SETTINGS,
            policy(1),
            mend,
            log,
            events=events,
            cookie_secret=["00" * 16],
            subjects=subjects,
            pseudonyms=PERIODS,
            on_clock=lambda by, seen: clocks.append((by, seen)),
            start_child=children.start,
        )
        if starts:
            await crew.start()
        yield Scene(crew, children, log, mends, clocks)
        await crew.stop()
        assert not children.alive


def serving(one: Scene, *revisions: int) -> Callable[[], bool]:
    return lambda: one.revisions() == list(revisions)


def test_workers_are_told_the_secrets_of_pseudonyms_once_they_are_others() -> None:
    async def scenario() -> None:
        async with scene(worker(), slots=2) as one:
            one.crew.use_pseudonyms(PERIODS)
            one.crew.use_pseudonyms(OTHER_PERIODS)
            await asyncio.sleep(1)
            for child in one.children.started:
                assert [order.periods for order in child.of(UsePseudonyms)] == [OTHER_PERIODS]

    run(scenario())


def test_each_slot_has_one_worker_that_serves() -> None:
    async def scenario() -> None:
        async with scene(worker(), slots=3, subjects=SUBJECTS) as one:
            assert one.revisions() == [1, 1, 1]
            (first,) = one.children.started[0].of(Serve)
            assert (first.manifest, first.is_checked, first.subjects) == (Path("/snapshots/1"), True, SUBJECTS)
            assert first.cookie_secret == ("00" * 16,)
            assert first.pseudonyms == PERIODS
            await asyncio.sleep(3)
            assert [status.slot for status in one.crew.status()] == [0, 1, 2]
            assert all(status.health and status.health.cache_bytes == 1000 for status in one.crew.status())
            assert all(2.9 < status.uptime_seconds < 3.2 for status in one.crew.status())
        assert one.events == ["counts"] * 3

    run(scenario())


def test_a_worker_that_crashes_is_replaced_with_growing_pauses() -> None:
    async def scenario() -> None:
        async with scene(worker(), *[dies] * 7, worker(), slots=1, mended=policy(1)) as one:
            one.children.started[0].process.end(-11)
            await until(lambda: one.crew.status() == ())
            assert one.crew.slots == 1, "it is missing, and told as such"
            await until(lambda: len(one.children.started) == 9)
            await until(serving(one, 1))
            assert one.pauses == [0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 10.0, 10.0]
            assert clock() == pytest.approx(38.5, abs=0.5)
            assert one.events.count("a worker could not be started") == 7

    run(scenario())


def test_a_worker_that_lived_long_begins_the_pauses_anew() -> None:
    async def scenario() -> None:
        async with scene(worker(lives_seconds=5), worker(lives_seconds=5), worker(lives_seconds=60), worker()) as one:
            await until(lambda: len(one.children.started) == 4)
            await until(serving(one, 1))
            assert one.pauses == [0.0, 0.5, 0.0]

    run(scenario())


def test_a_worker_that_hangs_is_killed_and_replaced() -> None:
    async def scenario() -> None:
        async with scene(worker(answers_pings=False), worker()) as one:
            await until(lambda: len(one.children.started) == 2)
            assert 5 < clock() < 8
            assert one.children.started[0].process.returncode == KILLED
            await until(serving(one, 1))
            await asyncio.sleep(100)
            assert len(one.children.started) == 2
            assert "a worker hangs and is killed" in one.events

    run(scenario())


@pytest.mark.parametrize("says", [b"Segmentation fault\n", OTHER_VERSION])
def test_a_worker_that_says_what_cannot_be_read_is_killed_and_replaced(says: bytes) -> None:
    async def scenario() -> None:
        async with scene(worker(says=says), worker()) as one:
            await until(lambda: len(one.children.started) == 2)
            await until(serving(one, 1))
            assert one.children.started[0].process.returncode == KILLED
            assert one.events[:2] == [
                "a worker says what cannot be read and is killed",
                "a worker ended; starting another",
            ]

    run(scenario())


@pytest.mark.parametrize(
    ("script", "seconds", "why"),
    [
        (silent, 30.0, "worker 1 ended, or did not answer within 30 s"),
        (dies, 0.0, "worker 1 ended, or did not answer within 30 s"),
        (deaf, 30.0, "worker 1 ended, or was not ready within 30 s"),
    ],
)
def test_a_start_fails_where_a_worker_does_not_begin(script: Script, seconds: float, why: str) -> None:
    async def scenario() -> None:
        async with scene(script, starts=False) as one:
            with pytest.raises(MoatdnsError, match=why):
                await one.crew.start()
            assert clock() == pytest.approx(seconds, abs=0.1)
            await until(lambda: not one.children.alive)
            assert one.mends == []  # nobody blames the policy

    run(scenario())


@pytest.mark.parametrize("ways", [{"crashes_over": [1]}, {"crashes_over": [1], "crash_status": 1}, {"refuses": [1]}])
def test_a_policy_that_harms_the_first_workers_is_put_aside(ways: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with scene(worker(**ways), mended=policy(7), slots=2) as one:
            assert one.revisions() == [7, 7]
            assert one.mends[0] == policy(1)
            assert one.crew.manifest == policy(7)

    run(scenario())


def test_a_policy_that_kills_workers_later_is_put_aside() -> None:
    async def scenario() -> None:
        async with scene(worker(), worker(crashes_over=[2]), mended=policy(7)) as one:
            one.crew.manifest = policy(2)
            one.children.started[0].process.end(-11)
            await until(serving(one, 7))
            assert one.mends == [policy(2)]

    run(scenario())


def test_where_no_policy_can_be_served_it_is_tried_again_and_again() -> None:
    async def scenario() -> None:
        async with scene(worker(), *[worker(refuses=[1])] * 3, worker()) as one:
            one.children.started[0].process.end(-11)
            await until(lambda: len(one.children.started) == 5)
            await until(serving(one, 1))
            assert one.mends == [policy(1)] * 3
            assert one.events.count("no policy can be served") == 3

    run(scenario())


def test_a_killed_worker_is_no_reason_to_distrust_the_policy() -> None:
    async def scenario() -> None:
        async with scene(worker(), deaf, worker(), mended=policy(1)) as one:
            one.children.started[0].process.end(KILLED)
            await until(lambda: len(one.children.started) == 3)
            await until(serving(one, 1))
            assert one.mends == [None]

    run(scenario())


def test_a_policy_is_put_in_force_in_all_workers() -> None:
    async def scenario() -> None:
        async with scene(worker(), slots=2) as one:
            await one.crew.use(policy(2))
            assert one.revisions() == [2, 2]
            assert len(one.children.started) == 2

    run(scenario())


@pytest.mark.parametrize("ways", [{"refuses": [2]}, {"crashes_over": [2]}])
def test_a_worker_that_does_not_take_a_policy_is_replaced(ways: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with scene(worker(), worker(**ways), worker(), slots=2) as one:
            await one.crew.use(policy(2))
            await until(serving(one, 2, 2))
            assert len(one.children.started) == 3
            assert len(one.children.alive) == 2

    run(scenario())


def test_a_policy_that_no_worker_takes_is_an_error_and_those_that_serve_go_on() -> None:
    async def scenario() -> None:
        async with scene(worker(refuses=[2])) as one:
            with pytest.raises(MoatdnsError, match="ended, or was not ready"):
                await one.crew.use(policy(2))
            assert one.revisions() == [1]
            assert one.children.started[0].is_alive

    run(scenario())


def test_a_worker_that_hangs_over_a_policy_is_replaced_when_its_time_is_over() -> None:
    async def scenario() -> None:
        async def stuck(child: FakeChild) -> None:
            child.channel.tell(Listening())
            async for received in child.channel.heard():
                if isinstance(received.message, Serve):
                    child.channel.answer(received.request, PolicyInForce(1))
                elif not isinstance(received.message, UsePolicy):
                    child.channel.tell(Listening())  # it is alive

        async with scene(stuck, worker()) as one:
            await one.crew.use(policy(2))
            assert one.revisions() == [2]
            assert 30 < clock() < 40  # and the old one does not stop either
            assert "a worker did not stop and is killed" in one.events

    run(scenario())


def test_a_policy_that_comes_while_a_worker_starts_is_not_missed() -> None:
    async def scenario() -> None:
        async with scene(worker(), worker(start_seconds=0.5)) as one:
            replacing = asyncio.ensure_future(one.crew.replace())
            await asyncio.sleep(0.1)
            await one.crew.use(policy(2))
            await replacing
            (began,) = one.children.started[1].of(Serve)
            assert began.manifest == Path("/snapshots/2")
            assert one.revisions() == [2]

    run(scenario())


def test_what_changes_while_a_worker_reads_its_policy_is_told_to_it() -> None:
    async def scenario() -> None:
        async def slow(child: FakeChild) -> None:
            child.channel.tell(Listening())
            received = await child.channel.receive()
            assert received is not None and isinstance(received.message, Serve)
            await asyncio.sleep(1)
            child.channel.answer(received.request, PolicyInForce(1))
            await worker()(child)

        async with scene(worker(), slow) as one:
            replacing = asyncio.ensure_future(one.crew.replace())
            await asyncio.sleep(0.5)
            await asyncio.gather(one.crew.use(policy(2)), one.crew.use_subjects(SUBJECTS))
            await replacing
            await until(serving(one, 2))
            assert one.children.started[1].of(UseSubjects) == [UseSubjects(SUBJECTS)]
            assert one.children.started[1].is_alive

    run(scenario())


def test_a_worker_that_does_not_take_what_changed_while_it_started_is_replaced() -> None:
    async def scenario() -> None:
        async def slow(child: FakeChild) -> None:
            child.channel.tell(Listening())
            received = await child.channel.receive()
            assert received is not None
            await asyncio.sleep(1)
            child.channel.answer(received.request, PolicyInForce(1))
            await worker(refuses=[2])(child)

        async with scene(worker(), slow, worker()) as one:
            replacing = asyncio.ensure_future(one.crew.replace())
            await asyncio.sleep(0.5)
            await one.crew.use(policy(2))
            await replacing
            await until(serving(one, 2))
            assert "a worker does not take what changed while it started and is replaced" in one.events
            await until(lambda: len(one.children.alive) == 1)

    run(scenario())


def test_leases_and_exemptions_that_a_worker_cannot_take_replace_it() -> None:
    async def scenario() -> None:
        async with scene(worker(), worker(takes_subjects=False), worker(), slots=2) as one:
            await one.crew.use_subjects(SUBJECTS)
            assert len(one.children.started) == 3
            (began,) = one.children.started[2].of(Serve)
            assert began.subjects == SUBJECTS
            assert "a worker does not take leases and exemptions and is replaced" in one.events

    run(scenario())


def test_a_worker_that_does_not_begin_its_counters_anew_is_replaced() -> None:
    async def scenario() -> None:
        async with scene(worker(), worker(begins_counters=False), worker(), slots=2) as one:
            await one.crew.begin_counters()
            assert len(one.children.started) == 3
            assert [len(child.of(BeginCounters)) for child in one.children.started] == [1, 1, 0]
            assert "a worker does not take new counters and is replaced" in one.events

    run(scenario())


def test_two_workers_never_stay_in_one_slot() -> None:
    """A worker dies while it is being replaced, its successor dies while it starts, and a policy comes meanwhile."""

    async def scenario() -> None:
        slow = worker(start_seconds=1)
        async with scene(worker(), worker(), slow, worker(start_seconds=1, lives_seconds=0.5), slow, slots=2) as one:
            replacing = asyncio.ensure_future(one.crew.replace())
            await asyncio.sleep(0.5)
            for child in one.children.started[:2]:
                child.process.end(-11)
            await one.crew.use(policy(2))
            await replacing
            await asyncio.sleep(60)
            assert len(one.children.alive) == 2
            assert one.revisions() == [2, 2]
            assert {status.pid for status in one.crew.status()} == {child.process.pid for child in one.children.alive}

    run(scenario())


def test_a_rolling_restart_replaces_one_after_the_other_and_only_those_that_are_outdated() -> None:
    async def scenario() -> None:
        async with scene(worker(), slots=2) as one:
            assert await one.crew.replace(only_outdated=True) == 0
            one.crew.settings = replace(SETTINGS, upstream_timeout_seconds=9.0)
            assert await one.crew.replace(only_outdated=True) == 2
            assert [child.is_alive for child in one.children.started] == [False, False, True, True]
            assert one.children.started[0].of(StopWorker) == [StopWorker()]
            assert await one.crew.replace() == 2

    run(scenario())


def test_settings_that_change_while_a_worker_starts_are_those_it_begins_with_in_the_end() -> None:
    async def scenario() -> None:
        async with scene(worker(), worker(start_seconds=1), worker()) as one:
            replacing = asyncio.ensure_future(one.crew.replace())
            await asyncio.sleep(0.5)
            one.crew.settings = replace(SETTINGS, upstream_timeout_seconds=9.0)
            await replacing
            (child,) = one.children.alive
            assert child.of(Serve)[0].settings.upstream_timeout_seconds == 9.0

    run(scenario())


def test_other_upstreams_are_told_to_workers_as_they_are() -> None:
    async def scenario() -> None:
        async with scene(worker()) as one:
            other = replace(SETTINGS, upstream_timeout_seconds=9.0)
            one.crew.use_upstreams(other)
            await until(lambda: one.children.started[0].of(UseUpstreams) == [UseUpstreams(other)])
            assert await one.crew.replace(only_outdated=True) == 0

    run(scenario())


def test_a_flush_counts_what_all_workers_had_and_waits_for_none_that_is_gone() -> None:
    async def scenario() -> None:
        async with scene(worker(), worker(), worker(answers_flush=False), slots=3) as one:
            flushing = asyncio.ensure_future(one.crew.flush("a.example", below=True))
            await asyncio.sleep(1)
            one.children.started[2].process.end(-11)
            assert await flushing == 6
            assert clock() < 2

    run(scenario())


def test_a_worker_that_does_not_stop_is_killed() -> None:
    async def scenario() -> None:
        async with scene(worker(stops=False)) as one:
            await one.crew.stop()
            assert 8 <= clock() < 9
            assert one.children.started[0].process.returncode == KILLED

    run(scenario())


def test_a_sigterm_for_all_processes_at_once_is_no_crash() -> None:
    async def scenario() -> None:
        async with scene(worker(), slots=2) as one:
            for child in one.children.started:
                child.process.end(-15)
            await asyncio.sleep(0.2)
            await one.crew.stop()  # we hear of it a little later
            await asyncio.sleep(10)
            assert (one.events, len(one.children.started)) == ([], 2)

    run(scenario())


def test_a_clock_that_was_set_is_told() -> None:
    async def scenario() -> None:
        async with scene(worker()) as one:
            one.children.started[0].channel.tell(ClockSet(60.0, 1e9, 5.0))
            await until(lambda: one.clocks == [(60.0, Moment(1e9, 5.0))])

    run(scenario())
