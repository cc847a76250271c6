"""The recorder: runs of the service, what was in force, and what the node lacked, by a clock that the test advances."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from admin_api.compiling.keeper import NOT_RECORDED, PolicyNote
from admin_api.evidence.recording import LOOK_SECONDS, MORE_REASONS, Recorder, Versions
from admin_api.messages import NodeStatus, WorkerStatus
from admin_api.store import periods
from admin_api.store.errors import StoreAway
from admin_api.store.periods import PeriodRow, SpanRow
from admin_api.store.store import Store
from resolver.errors import NoAnswer
from tests.unit.admin_api.conftest import BreakableAccess, Said
from tests.unit.children import until

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
MINUTE, LOOK = timedelta(minutes=1), timedelta(seconds=LOOK_SECONDS)


class Policy:
    """A keeper of the policy that says what the test says."""

    def __init__(self, revision: int = 4) -> None:
        self.adopted: PolicyNote | None = PolicyNote(START, revision, 9, "")
        self.hear: Callable[[PolicyNote], None] | None = None


class Node:
    """A node whose workers, troubles and clock the test sets."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.access = BreakableAccess(store)
        self.now = START
        self.workers = self.slots = 2
        self.uptime_seconds = 0.0  # of the workers
        self.is_busy = False  # its supervisor, which then tells nothing
        self.troubles: list[str] = []
        self.policy = Policy()

    def recorder(self, **more: Any) -> Recorder:
        """A recorder of it, as a control process has one."""
        self.policy = Policy()
        return Recorder(
            self.access,  # type: ignore[arg-type]
            self.policy,  # type: ignore[arg-type]
            self.status,
            lambda: self.troubles,
            lambda: Versions(2026030100, None),
            keeps_days=more.get("keeps_days", 800),
            clock=lambda: self.now,
        )

    async def status(self) -> NodeStatus:
        if self.is_busy:
            raise NoAnswer("busy")
        return NodeStatus(
            tuple(WorkerStatus(slot, 1, 1, self.uptime_seconds, None) for slot in range(self.workers)), self.slots
        )

    async def begin(self, recorder: Recorder, started: datetime) -> None:
        await recorder._begin(started.timestamp())
        await recorder.look()
        await recorder.write()

    async def pass_by(self, recorder: Recorder, time: timedelta, *, step: timedelta = LOOK) -> None:
        """Let time pass, with a look and a sign of life each step."""
        end = self.now + time
        while self.now < end:
            self.now = min(end, self.now + step)
            await recorder.look()
            await recorder.write()

    async def rows(self, kind: str | None = None, running: int | None = None) -> tuple[list[PeriodRow], list[SpanRow]]:
        """All that was noted; spans of a kind."""
        end = self.now + timedelta(days=1)
        async with self.store.read() as conn:
            runs = await periods.periods_touching(conn, START - timedelta(days=9999), end)
            spans = await periods.spans_of(conn, runs, end, running)
        return runs, [span for span in spans if kind in (None, span.kind)]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    store = await Store.open(None, tmp_path, Said())
    yield Node(store)
    await store.close()


async def test_a_stop_is_known_exactly_and_a_crash_by_the_last_sign_of_life(node: Node) -> None:
    recorder = node.recorder()
    await node.begin(recorder, START)
    await node.pass_by(recorder, 5 * MINUTE)
    node.now += timedelta(seconds=20)
    await recorder.close("stopped")
    stopped = node.now
    node.now += timedelta(hours=1)
    again = node.now
    recorder = node.recorder()
    await node.begin(recorder, again)
    await node.pass_by(recorder, 3 * MINUTE)
    alive = node.now
    node.now += timedelta(hours=2)  # killed: nobody said a word
    recorder = node.recorder()
    await node.begin(recorder, node.now)
    runs, _ = await node.rows()
    assert [(run.began, run.known_end, run.how) for run in runs] == [
        (START, stopped, "stopped"),
        (again, alive, None),
        (node.now, node.now, None),
    ]
    assert recorder.since == START


async def test_another_control_process_goes_on_with_the_run_and_tells_when_nobody_watched(node: Node) -> None:
    first = node.recorder()
    await node.begin(first, START)
    await node.pass_by(first, MINUTE)
    await first.close(None)  # a reload
    second = node.recorder()
    node.now += timedelta(seconds=2)
    await node.begin(second, START)
    runs, spans = await node.rows()
    assert len(runs) == 1
    assert [span.kind for span in spans] == ["policy"]
    await node.pass_by(second, MINUTE)
    silent = node.now
    node.now += timedelta(seconds=11)  # killed, and the next one took its time
    third = node.recorder()
    await node.begin(third, START)
    _, (unwatched,) = await node.rows("unwatched")
    assert (unwatched.began, unwatched.ended) == (silent, node.now)


@pytest.mark.parametrize("why", ["asleep", "busy"])
async def test_two_looks_that_are_far_apart_are_a_time_in_which_nobody_watched(node: Node, why: str) -> None:
    recorder = node.recorder()
    await node.begin(recorder, START)
    await node.pass_by(recorder, 2 * LOOK)
    _, spans = await node.rows("unwatched")
    assert spans == []
    silent = node.now
    if why == "asleep":  # the whole process, or the machine
        node.now += timedelta(seconds=20)
    else:  # who knows how many workers serve
        node.is_busy = True
        await node.pass_by(recorder, timedelta(seconds=20))
        node.is_busy = False
    await node.pass_by(recorder, LOOK)
    _, (unwatched,) = await node.rows("unwatched")
    assert (unwatched.began, unwatched.ended) == (silent, node.now)


async def test_a_crash_while_the_supervisor_told_nothing_is_known_by_the_last_whole_look(node: Node) -> None:
    recorder = node.recorder()
    await node.begin(recorder, START)
    node.is_busy = True
    await node.pass_by(recorder, 4 * LOOK)
    node.is_busy = False
    await node.begin(node.recorder(), START)
    _, (unwatched,) = await node.rows("unwatched")
    assert (unwatched.began, unwatched.ended) == (START, node.now)


async def test_a_run_whose_store_came_late_was_not_watched_before(node: Node) -> None:
    node.now += 10 * MINUTE
    node.uptime_seconds = 600.0
    await node.begin(node.recorder(), START)
    (run,), (unwatched,) = await node.rows("unwatched")
    assert run.began == START
    assert (unwatched.began, unwatched.ended) == (START, node.now)


async def test_a_run_begins_with_its_first_worker(node: Node) -> None:
    node.workers = 0
    recorder = node.recorder()
    running = asyncio.ensure_future(recorder.run(START.timestamp()))
    await asyncio.sleep(0.05)
    runs, _ = await node.rows()
    assert runs == []
    node.workers = 2
    await until(lambda: recorder.since is not None)
    await recorder.close("stopped")
    running.cancel()
    await asyncio.wait([running])
    (run,), _ = await node.rows()
    assert run.how == "stopped"


async def test_a_worker_that_has_been_missing_from_the_start_is_told(node: Node) -> None:
    node.slots = 3
    recorder = node.recorder()
    await node.begin(recorder, START)
    node.now += LOOK
    node.slots = 2
    await recorder.look()
    await recorder.write()
    _, (workers,) = await node.rows("workers")
    assert (workers.began, workers.ended) == (START, node.now)
    assert workers.body == {"serving": 2, "of": 3}


async def test_each_policy_that_came_in_force_is_noted_with_its_catalogue(node: Node) -> None:
    recorder = node.recorder()
    await node.begin(recorder, START)
    assert node.policy.hear is not None
    for minute, revision in ((1, 5), (2, 5), (3, 6)):
        node.policy.hear(PolicyNote(START + minute * MINUTE, revision, 10, "abc"))
    node.now = START + 4 * MINUTE
    await recorder.write()
    (run,), spans = await node.rows("policy")
    assert [(span.began, span.body["revision"], span.body["catalogue"]) for span in spans] == [
        (START, 4, {"fingerprint": ""}),
        (START + MINUTE, 5, {"fingerprint": "abc", "bundled": 2026030100, "feed": None}),
        (START + 3 * MINUTE, 6, {"fingerprint": "abc", "bundled": 2026030100, "feed": None}),
    ]
    _, spans = await node.rows("policy", running=run.id)
    assert [span.ended for span in spans] == [START + MINUTE, START + 3 * MINUTE, None]


async def test_what_a_policy_lacks_is_noted_and_known_anew_of_the_same_files(node: Node) -> None:
    recorder = node.recorder()
    node.policy.adopted = PolicyNote(START, 4, 9, "abc", NOT_RECORDED)
    await node.begin(recorder, START)
    assert node.policy.hear is not None
    node.policy.hear(PolicyNote(START + MINUTE, 4, 9, "abc"))
    await recorder.write()
    _, spans = await node.rows("policy")
    assert [(span.began, span.body.get("lacks")) for span in spans] == [(START, None)]
    node.policy.hear(PolicyNote(START + 2 * MINUTE, 5, 10, "abc", ("feed",)))
    node.policy.hear(PolicyNote(START + 3 * MINUTE, 5, 11, "abc"))
    await recorder.write()
    _, spans = await node.rows("policy")
    assert [span.body.get("lacks") for span in spans] == [None, ["feed"], None]


async def test_policies_that_came_in_force_before_the_run_was_noted_are_told_each(node: Node) -> None:
    recorder = node.recorder()
    assert node.policy.hear is not None
    for second in (1, 2):
        node.policy.hear(PolicyNote(START + timedelta(seconds=second), 4 + second, 10, "abc"))
    node.now, node.uptime_seconds = START + timedelta(seconds=3), 3.0
    await node.begin(recorder, START)
    (run,), _ = await node.rows()
    _, spans = await node.rows("policy", running=run.id)
    assert [(span.began, span.ended, span.body["revision"]) for span in spans] == [
        (START, START + timedelta(seconds=1), 4),
        (START + timedelta(seconds=1), START + timedelta(seconds=2), 5),
        (START + timedelta(seconds=2), None, 6),
    ]


async def test_troubles_and_missing_workers_are_noted_while_they_last(node: Node) -> None:
    recorder = node.recorder()
    await node.begin(recorder, START)
    node.troubles, node.workers = ["the store is away"], 1
    await node.pass_by(recorder, MINUTE, step=MINUTE)
    node.troubles, node.workers = ["the store is away", "a list fails"], 0
    await node.pass_by(recorder, MINUTE, step=MINUTE)
    node.troubles, node.workers = [], 2
    await node.pass_by(recorder, MINUTE, step=MINUTE)
    _, (degraded,) = await node.rows("degraded")
    assert (degraded.began, degraded.ended) == (START + MINUTE, START + 3 * MINUTE)
    assert degraded.body == {"why": ["the store is away", "a list fails"]}
    _, (workers,) = await node.rows("workers")
    assert (workers.began, workers.ended) == (START + MINUTE, START + 3 * MINUTE)
    assert workers.body == {"serving": 0, "of": 2}


async def test_more_reasons_than_are_noted_are_told_of_and_the_first_ones_stay(node: Node) -> None:
    recorder = node.recorder()
    await node.begin(recorder, START)
    for number in range(70):
        node.troubles = ["the store is away" + "!" * 1000, f"upstream {number} does not answer"]
        await node.pass_by(recorder, MINUTE, step=MINUTE)
    _, (degraded,) = await node.rows("degraded")
    why = degraded.body["why"]
    assert len(why) == 50
    assert (len(why[0]), why[1], why[-1]) == (500, "upstream 0 does not answer", MORE_REASONS)


async def test_what_happens_while_the_store_is_away_is_written_when_it_is_back(node: Node) -> None:
    recorder = node.recorder()
    await node.begin(recorder, START)
    node.access.trouble = "away"
    node.troubles = ["the store is away"]
    for _ in range(3):
        node.now += MINUTE
        await recorder.look()
        with pytest.raises(StoreAway):
            await recorder.write()
    node.access.trouble, node.troubles = None, []
    await node.pass_by(recorder, MINUTE, step=MINUTE)
    _, (degraded,) = await node.rows("degraded")
    assert (degraded.began, degraded.ended) == (START + MINUTE, START + 4 * MINUTE)


async def test_what_waits_for_the_store_has_a_bound_and_what_is_lost_is_counted(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin_api.evidence.recording._MOST_UNWRITTEN", 3)
    recorder = node.recorder()
    await node.begin(recorder, START)
    for number in range(10):
        node.now += LOOK
        node.troubles = ["away"] if number % 2 == 0 else []
        await recorder.look()
    assert recorder.lost == 2
    await recorder.write()
    _, spans = await node.rows("degraded")
    assert len(spans) == 3


async def test_what_is_too_old_or_too_much_goes_and_it_is_told_since_when_all_is_known(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = node.recorder(keeps_days=30)
    await node.begin(recorder, START)
    await recorder.close("stopped")
    node.now += timedelta(days=40)
    recorder = node.recorder(keeps_days=30)
    await node.begin(recorder, node.now)
    await recorder._tidy()
    runs, _ = await node.rows()
    assert [run.began for run in runs] == [node.now]
    assert recorder.since == node.now - timedelta(days=30)
    began = node.now
    for _ in range(6):
        node.troubles = [] if node.troubles else ["away"]
        await node.pass_by(recorder, MINUTE, step=MINUTE)
    monkeypatch.setattr(periods, "MOST_SPANS", 2)
    await recorder._tidy()
    _, spans = await node.rows("degraded")
    assert len(spans) <= 2
    assert recorder.since is not None
    assert recorder.since > began
