"""Upstreams that fail and come back, from what workers say of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from admin_api import upstream_watch
from admin_api.api.http.call import Call
from admin_api.api.resources import node
from admin_api.messages import NodeStatus, WorkerStatus
from admin_api.outbox.receivers import Outbox
from admin_api.store import webhooks
from admin_api.upstream_watch import MOST_ERRORS, UpstreamStates, UpstreamWatch
from admin_api.webhooks.hooks import hooks_of
from resolver.config.control_schema import EVENTS
from resolver.worker.messages import UpstreamHealth, WorkerAlive

from .conftest import Said, Served

FIRST, SECOND = "udp://192.0.2.1:53", "udp://192.0.2.2:53"


def said(name: str, worker: int = 1, *, healthy: bool = True, answers: int = 5, errors: int = 0) -> dict[str, Any]:
    trouble = None if healthy else "silent"
    counts = {"answers": answers, "errors": errors}
    return {"name": name, "worker": worker, "healthy": healthy, "trouble": trouble, "latency_seconds": None, **counts}


def steady(states: UpstreamStates, *reports: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [change for _ in range(3) for change in states.look(reports)]


def test_an_upstream_is_told_once_when_it_fails_and_once_when_it_answers_again() -> None:
    states = UpstreamStates()
    assert steady(states, said(FIRST), said(SECOND)) == []
    assert states.troubles == []
    down = said(FIRST, healthy=False)
    assert steady(states, down, said(SECOND)) == [(FIRST, "silent")]
    assert steady(states, down, said(SECOND)) == []
    assert states.up == {(FIRST,): 0.0, (SECOND,): 1.0}
    assert states.troubles == [f"upstream {FIRST} does not answer: silent"]
    assert steady(states, said(FIRST), said(SECOND)) == [(FIRST, None)]
    assert states.up == {(FIRST,): 1.0, (SECOND,): 1.0}


def test_when_all_are_dead_that_is_said_too() -> None:
    states = UpstreamStates()
    steady(states, said(FIRST, healthy=False, answers=0), said(SECOND, healthy=False, answers=0))
    assert states.troubles[-1].startswith("no upstream answers")
    assert [FIRST in states.troubles[0], SECOND in states.troubles[1]] == [True, True]


def test_one_look_is_no_failure_and_one_answer_no_recovery() -> None:
    states = UpstreamStates()
    steady(states, said(FIRST))
    assert states.look([said(FIRST, healthy=False)]) == []
    assert steady(states, said(FIRST)) == []
    steady(states, said(FIRST, healthy=False))
    assert states.look([said(FIRST)]) == []
    assert steady(states, said(FIRST, healthy=False)) == []
    assert list(states.failing) == [FIRST]


def test_any_worker_that_finds_it_dead_counts_and_one_that_asked_nothing_does_not() -> None:
    states = UpstreamStates()
    fresh = said(FIRST, 2, answers=0)
    assert steady(states, said(FIRST, 1, healthy=False), fresh) == [(FIRST, "silent")]
    assert steady(states, fresh, said(FIRST, 3, answers=0)) == []  # all workers were replaced: nobody knows better
    assert list(states.failing) == [FIRST]
    assert steady(states) == []  # or none is there
    assert list(states.failing) == [FIRST]
    assert steady(states, fresh, said(FIRST, 3, answers=1)) == [(FIRST, None)]


def test_an_upstream_that_answers_with_errors_only_fails_and_one_good_answer_is_enough() -> None:
    states = UpstreamStates()
    steady(states, said(FIRST, answers=5, errors=7))
    assert steady(states, said(FIRST, answers=5, errors=6 + MOST_ERRORS)) == []
    (change,) = steady(states, said(FIRST, answers=5, errors=7 + MOST_ERRORS))
    assert change == (FIRST, f"its last {MOST_ERRORS} answers were errors")
    told = states.troubles
    steady(states, said(FIRST, answers=5, errors=70 + MOST_ERRORS))
    assert states.troubles == told  # records have it once, not with each count
    assert steady(states, said(FIRST, answers=6, errors=200)) == [(FIRST, None)]
    fresh = UpstreamStates()
    assert len(steady(fresh, said(FIRST, answers=0, errors=MOST_ERRORS))) == 1


def test_an_upstream_that_the_config_no_longer_has_is_forgotten() -> None:
    states = UpstreamStates()
    steady(states, said(FIRST, healthy=False), said(SECOND))
    steady(states, said(SECOND))
    assert (states.failing, states.troubles) == ({}, [])
    assert states.up == {(SECOND,): 1.0}


class Workers:
    """What the supervisor tells."""

    def __init__(self) -> None:
        self.upstreams: list[dict[str, Any]] = []

    async def status(self) -> NodeStatus:
        plain = [{key: value for key, value in each.items() if key != "worker"} for each in self.upstreams]
        upstreams = tuple(UpstreamHealth(**each) for each in plain)
        return NodeStatus((WorkerStatus(0, 1, 1, 1.0, WorkerAlive(0, upstreams, ())),))


async def test_log_and_webhooks_are_told_and_a_flapping_upstream_is_no_flood(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_watch, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(upstream_watch, "_MOST_TOLD_PER_MINUTE", 4)
    workers, log = Workers(), Said()
    hook = {"url": "http://127.0.0.1:9/", "secret": "s", "events": EVENTS, "allow_private": True}
    outbox = Outbox(hooks_of([hook]))
    watch = UpstreamWatch(workers, served.store_access, outbox, log)
    running = asyncio.ensure_future(watch.run())
    for turn in range(10):
        workers.upstreams = [said(FIRST, healthy=turn % 2 == 1)]
        for _ in range(5000):
            if bool(watch.states.failing) is (turn % 2 == 0):
                break
            await asyncio.sleep(0.001)
        else:
            pytest.fail("the state never followed")
    await asyncio.sleep(0.05)
    running.cancel()
    assert [event for event, _ in log.lines] == ["an upstream does not answer", "an upstream answers again"] * 2
    async with served.store.read() as connection:
        waiting = await webhooks.waiting(connection)
    assert waiting[outbox.receivers[0].key].messages == 4


async def test_ready_and_the_overview_name_the_upstream_that_fails(served: Served) -> None:
    told = ["upstream udp://192.0.2.1:53 does not answer: silent"]
    context = replace(served.context, upstream_troubles=lambda: told)
    call = Call(context, "", "", {}, None, {}, {})
    reply = await node.ready(call)
    assert (reply.status, reply.body.model_dump()) == (200, {"status": "degraded", "why": told})
    assert (await node.status(call)).body.upstream_troubles == told
