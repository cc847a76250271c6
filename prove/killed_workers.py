"""Workers that hang, are restarted or told to end, under load: what is lost, and how soon all is well.

Half of the load is for blocked names, which a worker answers at once; half for names that each wait for the upstream
for a while. Those that are killed are the business of `kills`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prove.figures import Figure, at_most, exactly, told
from prove.queries import Query, in_turn, mixed, unique
from prove.service import Service
from prove.steady import Asked, Steady, back_seconds
from prove.tcp_load import TcpLoad
from prove.upstream import Upstream
from tests.support.programs import wait_until

WHAT = "workers hang, are restarted, end; the whole service ends"
_WORKERS = 2
DELAY_SECONDS = 0.02  # of the upstream
_HELD_SLACK_SECONDS = 0.05  # the machine is busy: an upstream's answer may wait to be read
BLOCKED = [f"blocked-{number}.example" for number in range(20)]
_FOUND_SECONDS = 7.0  # five of silence, a second between two looks, and a second to be back
STEADY_SECONDS = 10.5  # a worker that ended sooner after its start is started again with a pause
_ENOUGH_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class KilledWorkersEffort:
    """Size of a run: the full one, or a short look."""

    seconds_between: float
    hangs: int
    rolling_restarts: int
    terms: int  # of single workers
    ends: int  # of the whole service
    queries_per_second: int = 2000


FULL = KilledWorkersEffort(seconds_between=STEADY_SECONDS / _WORKERS, hangs=1, rolling_restarts=10, terms=4, ends=10)
SHORT = KilledWorkersEffort(seconds_between=1.0, hangs=0, rolling_restarts=1, terms=1, ends=2, queries_per_second=1000)


def run(effort: KilledWorkersEffort, folder: Path) -> list[Figure]:
    """One after the other, each under load."""
    return [
        *(hung(effort, folder / "hung") if effort.hangs else []),
        *restarted(effort, folder / "restarted"),
        *ended(effort, folder / "ended"),
    ]


def successors(service: Service, others: list[int], gone: int) -> list[int]:
    """The workers that came for one that is gone."""
    return wait_until(lambda: sorted({*service.worker_pids()} - {*others, gone}), "a new worker")


def hung(effort: KilledWorkersEffort, folder: Path) -> list[Figure]:
    """SIGSTOP: the worker holds its sockets and says nothing."""
    with (
        Upstream(folder / "upstream", delay_seconds=DELAY_SECONDS) as upstream,
        Service(folder / "moatdns", config(upstream)) as service,
        Steady(service.port, load(), effort.queries_per_second, wait_seconds=_FOUND_SECONDS) as steady,
    ):
        time.sleep(1)
        victim = service.worker_pids()[0]
        stopped_at = time.monotonic()
        os.kill(victim, signal.SIGSTOP)
        wait_until(lambda: victim not in (pids := service.worker_pids()) and len(pids) == _WORKERS, "a new worker")
        time.sleep(2)
        told_so = [event for event in service.events if "hangs" in event["event"]]
    back = back_seconds(steady.asked, stopped_at)
    during = [a for a in steady.asked if stopped_at < a.sent_at < stopped_at + back]
    return [
        at_most("a worker hangs: all ports are answered again after", back, _FOUND_SECONDS, "s"),
        exactly("a worker hangs: the log says so", len(told_so), 1),
        told("a worker hangs: queries meanwhile", len(during)),
        told("a worker hangs: answered after more than 2 s", sum(a.lost and a.answered_at is not None for a in during)),
        at_most(
            "a worker hangs: never answered, of those that it did not hold",
            max(0, sum(a.answered_at is None for a in steady.asked) - _held_by_hung(steady.asked, stopped_at)),
            0,
        ),
    ]


def _held_by_hung(asked: list[Asked], stopped_at: float) -> int:
    """An upper bound of what waited for the upstream, or was in hand, when the worker stopped."""
    since = stopped_at - DELAY_SECONDS - _HELD_SLACK_SECONDS
    return sum(since <= a.sent_at <= stopped_at + _HELD_SLACK_SECONDS and a.answered_at is None for a in asked)


def restarted(effort: KilledWorkersEffort, folder: Path) -> list[Figure]:
    """SIGUSR2 to the supervisor, SIGTERM to a worker: nothing may be lost, over UDP or on TCP connections."""
    with (
        Upstream(folder / "upstream", delay_seconds=DELAY_SECONDS) as upstream,
        Service(folder / "moatdns", config(upstream)) as service,
        Steady(service.port, load(), effort.queries_per_second) as steady,
        TcpLoad(service.port, mixed(in_turn(BLOCKED), unique("t"))) as tcp,
    ):
        time.sleep(0.3)
        for _ in range(effort.rolling_restarts):
            known = len(service.events)
            service.signal(signal.SIGUSR2)
            service.wait_for_another("workers restarted", known)
            time.sleep(0.2)
        victims = service.worker_pids()
        for _ in range(effort.terms):
            time.sleep(effort.seconds_between)
            victim = victims.pop(0)
            os.kill(victim, signal.SIGTERM)
            victims += successors(service, victims, victim)
        time.sleep(0.5)
        wait_until(lambda: len(service.worker_pids()) == _WORKERS, "all workers")
        troubles = len(service.troubles)
    return [
        told("rolling restarts (SIGUSR2)", effort.rolling_restarts),
        told("workers told to end (SIGTERM)", effort.terms),
        told("queries over UDP meanwhile", len(steady.asked)),
        exactly("lost over UDP", len(steady.lost), 0),
        told("slowest answer over UDP", steady.percentile_ms(1), "ms"),
        told("TCP connections of one query meanwhile", tcp.asked),
        exactly("lost on those", len(tcp.lost), 0),
        exactly("unexpected errors meanwhile", troubles, 0),
    ]


def ended(effort: KilledWorkersEffort, folder: Path) -> list[Figure]:
    """SIGTERM to the whole service: what was sent before the signal is answered."""
    sent = unanswered = 0
    slowest = 0.0
    with Upstream(folder / "upstream", delay_seconds=DELAY_SECONDS) as upstream:
        for number in range(effort.ends):
            service = Service(folder / f"moatdns-{number}", config(upstream))
            with service:
                with Steady(service.port, load(), effort.queries_per_second, wait_seconds=2) as steady:
                    time.sleep(0.5)
                    asked_at = steady.stop_sending()
                    service.signal(signal.SIGTERM)
                    assert service.process
                    service.process.wait(_ENOUGH_SECONDS)
                    slowest = max(slowest, time.monotonic() - asked_at)
                sent += len(steady.asked)
                unanswered += sum(a.answered_at is None for a in steady.asked)
    return [
        told("the service is told to end (SIGTERM), times", effort.ends),
        told("queries sent before that", sent),
        exactly("not answered", unanswered, 0),
        *_ended_in_a_burst(effort, folder / "burst"),
        at_most("longest time to the end", slowest, 5, "s"),
    ]


def _ended_in_a_burst(effort: KilledWorkersEffort, folder: Path) -> list[Figure]:
    """The same, with a burst that still waits in the sockets when the order to end comes: the workers were busy."""
    burst, unanswered = 500, 0
    with Upstream(folder / "upstream", delay_seconds=DELAY_SECONDS) as upstream:
        for number in range(effort.ends):
            with Service(folder / f"moatdns-{number}", config(upstream)) as service:
                workers = service.worker_pids()
                for pid in workers:
                    os.kill(pid, signal.SIGSTOP)
                with Steady(service.port, in_turn(BLOCKED), 1e6, most=burst) as steady:
                    steady.wait_until_sent()
                    service.signal(signal.SIGTERM)
                    service.wait_for("stopping")
                    for pid in workers:
                        os.kill(pid, signal.SIGCONT)
                    assert service.process
                    service.process.wait(_ENOUGH_SECONDS)
                unanswered += sum(a.answered_at is None for a in steady.asked)
    return [
        told(f"with {burst} in the sockets of busy workers: queries", burst * effort.ends),
        exactly("not answered of those", unanswered, 0),
    ]


def load() -> Iterator[Query]:
    return mixed(in_turn(BLOCKED), unique("m"))


def config(upstream: Upstream) -> dict[str, Any]:
    return {
        "workers": _WORKERS,
        "upstream": {"servers": [upstream.server]},
        "policy": {"lists": [{"name": "house", "block": BLOCKED}]},
    }
