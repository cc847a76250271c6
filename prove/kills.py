"""A hundred times SIGKILL under load, while the API changes the policy: what is lost, and whether the state is valid.

Half of the load is for blocked names, which a worker answers at once; half for names that each wait for the upstream
for a while. What a killed worker held is what it had asked the upstream and had no answer to, and the one datagram that
it may have had in hand. The upstream's record tells the first; all else that is lost should not have been.

With each so many-th worker goes the control process, in the middle of its changes. After each kill the snapshots, the
store, the audit trail and the journal are read as the product reads them. In the end every rule that was acknowledged
is in force.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prove.figures import Figure, at_least, at_most, exactly, told
from prove.killed_workers import DELAY_SECONDS, STEADY_SECONDS, config, load, successors
from prove.service import Service
from prove.state import faults_of
from prove.steady import LOST_SECONDS, Steady, back_seconds
from prove.upstream import Upstream
from tests.support.api import Api
from tests.support.clients import ask, is_blocked
from tests.support.programs import wait_until

WHAT = (
    "workers and the control process are killed with SIGKILL while the policy changes; the state is checked each time"
)
_HELD_SLACK_SECONDS = 0.05  # the machine is busy: an upstream's answer may wait to be read
_LATE_SECONDS = 0.5  # likewise: the upstream may note a query some time after it was sent
_BACK_SECONDS = 1.0
_ENOUGH_SECONDS = 60.0
_WRITES_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class KillsEffort:
    """Size of a run: the full one, or a short look."""

    kills: int
    workers: int
    seconds_between: float
    control_with_each: int  # so many-th worker
    queries_per_second: int = 2000


_WORKERS = 8
FULL = KillsEffort(100, _WORKERS, seconds_between=STEADY_SECONDS / (_WORKERS - 1), control_with_each=5)
SHORT = KillsEffort(2, 2, seconds_between=1.0, control_with_each=2, queries_per_second=1000)


def run(effort: KillsEffort, folder: Path) -> list[Figure]:
    """Kill a worker in turn, and look."""
    kills: list[float] = []
    faults: list[str] = []
    invalid = 0
    with Upstream(folder / "upstream", delay_seconds=DELAY_SECONDS) as upstream:
        configured = config(upstream) | {"workers": effort.workers}
        with Service(folder / "moatdns", configured, with_api=True) as service:
            api = service.api
            api.post("lists", {"name": "staff"})
            with Steady(service.port, load(), effort.queries_per_second) as steady, _writing(api) as added:
                victims = service.worker_pids()
                for number in range(1, effort.kills + 1):
                    time.sleep(effort.seconds_between)
                    victim = victims.pop(0)
                    kills.append(time.monotonic())
                    os.kill(victim, signal.SIGKILL)
                    if number % effort.control_with_each == 0 and (control := service.control()) is not None:
                        control.kill()
                    found = faults_of(service.state_dir)
                    faults += found
                    invalid += bool(found)
                    victims += successors(service, victims, victim)
                time.sleep(1)
            rules = wait_until(lambda: _rules(api), "the API", seconds=_ENOUGH_SECONDS)
            open_ones = [name for name in added if not is_blocked(ask(service.port, name))]
            troubles = len(service.troubles)
        upstream.stop()
    began = {each.name: each.at for each in upstream.asked}
    held = sum(any(_waited(at, kill, 0.0) for kill in kills) for at in began.values())
    most_held = sum(any(_waited(at, kill, _HELD_SLACK_SECONDS) for kill in kills) for at in began.values())
    lost = [a for a in steady.lost if a.answered_at is None]
    slack = _HELD_SLACK_SECONDS, _LATE_SECONDS
    at_once = [a for a in lost if not any(_waited(began.get(a.name, 0.0), kill, *slack) for kill in kills)]
    backs = [back_seconds(steady.asked, kill) for kill in kills]
    return [
        told(f"workers killed at {effort.queries_per_second:,} queries/s", len(kills)),
        told("the control process with them", effort.kills // effort.control_with_each),
        told("queries", len(steady.asked)),
        told("of them waiting for the upstream at a kill, at any worker", held),
        at_most("lost: what waited, however late, and one a kill", len(lost), most_held + len(kills)),
        at_most("lost without having waited: in hand, one a kill", len(at_once), len(kills)),
        at_most("slowest answer", max(a.seconds for a in steady.asked if a.seconds is not None), LOST_SECONDS, "s"),
        told("back, median", sorted(backs)[len(backs) // 2], "s"),
        at_most("back, longest: every port has an answer to a new query", max(backs), _BACK_SECONDS, "s"),
        exactly(f"kills after which the state was not valid{_first(faults)}", invalid, 0),
        at_least("rules that the API acknowledged meanwhile", len(added), 1),
        exactly("of them not in the list", max(len(added) - (rules or 0), 0), 0),
        exactly("of them not in force", len(open_ones), 0),
        exactly("unexpected errors", troubles, 0),
    ]


def _first(faults: list[str]) -> str:
    return f" ({faults[0][:200]})" if faults else ""


def _rules(api: Api) -> int | None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        reply = api.call("GET", "lists/staff")
        return int(reply.body["rules"]) if reply.status == 200 else None
    return None


@contextlib.contextmanager
def _writing(api: Api) -> Iterator[list[str]]:
    """A client that adds rules while the context lasts; gives those that were acknowledged."""
    added: list[str] = []
    over = threading.Event()

    def write() -> None:
        for number in itertools.count():
            if over.wait(_WRITES_PAUSE_SECONDS):
                return
            name = f"added-{number}.example"
            with contextlib.suppress(OSError, http.client.HTTPException):  # the control process was killed meanwhile
                if api.call("POST", "lists/staff/rules", {"block": [name]}).status == 200:
                    added.append(name)

    writer = threading.Thread(target=write, name="writer")
    writer.start()
    try:
        yield added
    finally:
        over.set()
        writer.join()


def _waited(asked_at: float, kill: float, slack_seconds: float, late_seconds: float = 0.0) -> bool:
    return asked_at - late_seconds <= kill <= asked_at + DELAY_SECONDS + slack_seconds
