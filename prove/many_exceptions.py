"""Twenty thousand leases and two thousand exemptions: what they cost a query, and how soon a change is in force."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.arithmetic import microseconds_a_query, paired_ratios, spread, turns
from bench.cpu import read_tree
from prove.dnsperf import dnsperf
from prove.figures import Figure, at_least, at_most, exactly, told
from prove.queries import write_for_dnsperf
from prove.service import Service
from prove.upstream import Upstream
from tests.support.clients import ask, is_blocked

WHAT = "20,000 leases and 2,000 exemptions, and 5,000 changes a minute"
_OPEN = [f"open-{number}.example" for number in range(400)]
_BLOCKED = [f"n{number}.claude.ai" for number in range(100)]
_PACED = 5_000  # queries a second
_CALLERS = 4
_A_DEVICE = 16  # addresses that one call may lease
_TRIED = "127.0.0.9"  # the client whose lease comes and goes


@dataclass(frozen=True, slots=True)
class ManyExceptionsEffort:
    """Size of a run: the full one, or a short look."""

    leases: int
    exemptions: int
    rounds: int
    seconds: float
    changes_per_minute: int
    most_ratio: float


FULL = ManyExceptionsEffort(
    leases=20_000, exemptions=2_000, rounds=7, seconds=3.0, changes_per_minute=5_000, most_ratio=1.10
)
SHORT = ManyExceptionsEffort(leases=320, exemptions=50, rounds=3, seconds=0.5, changes_per_minute=1_200, most_ratio=2.0)


class _Calls:
    """Calls of one client on one connection."""

    def __init__(self, service: Service) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", service.admin_port, timeout=30)
        self._headers = {"Authorization": f"Bearer {service.api.token}", "Content-Type": "application/json"}

    def send(self, method: str, path: str, body: object = None) -> int:
        """One call; gives its status."""
        data = None if body is None else json.dumps(body).encode()
        self._connection.request(method, f"/api/v1/{path}", data, self._headers)
        response = self._connection.getresponse()
        response.read()
        return response.status

    def lease(self, address: str, *more: str, group: str | None = None) -> None:
        """Lease addresses, which must succeed."""
        body = {"identity": f"of {address}", "group": group, "ttl_seconds": 86_400, "addresses": more}
        status = self.send("PUT", f"leases/{address}", body)
        assert status in (200, 201), status


def run(effort: ManyExceptionsEffort, folder: Path) -> list[Figure]:
    """Fill one of two servers, measure both by turns, then change leases while it answers."""
    write_for_dnsperf(queries := folder / "queries", [*_OPEN, *_BLOCKED])
    with ExitStack() as running:
        upstream = running.enter_context(Upstream(folder / "upstream"))
        config = {"workers": 1, "upstream": {"servers": [upstream.server]}}
        services = [running.enter_context(Service(folder / name, config, with_api=True)) for name in ("none", "many")]
        many = services[1]
        calls = _Calls(many)
        many.api.post("groups", {"name": "vpn", "exempt": True})
        _fill(calls, effort)
        for service in services:
            load.one_pass(service.port, queries)
        costs = _costs(services, queries, effort)
        ratio = spread(paired_ratios(costs[1], costs[0]))
        in_force = _times_in_force(many, _Calls(many), 20)  # the first connection was silent for long
        quiet, _ = _paced(many, queries, effort)
        with _changing(many, effort.changes_per_minute) as changed:
            began = time.monotonic()
            busy, lost = _paced(many, queries, effort)
            rate = len(changed) / (time.monotonic() - began) * 60
        status = many.api.get("status")["subjects"]
        troubles = sum(len(service.troubles) for service in services)
    return [
        told("leases", status["leases"]),
        told("exemptions", status["exemptions"]),
        at_most("CPU a query, ratio to a server with none", ratio.median, effort.most_ratio),
        at_most("a lease is in force after its call began, longest", max(in_force), 1.0, "s"),
        at_least("lease changes a minute", rate, effort.changes_per_minute * 0.95),
        at_most("CPU a query of the worker meanwhile, ratio to before, at the same rate", busy / quiet, 1.25),
        exactly("queries lost meanwhile", lost, 0),
        exactly("unexpected errors", troubles, 0),
    ]


def _fill(calls: _Calls, effort: ManyExceptionsEffort) -> None:
    for device in range(effort.leases // _A_DEVICE):
        addresses = [f"10.{device >> 8}.{device & 255}.{number}" for number in range(_A_DEVICE)]
        calls.lease(*addresses, group="vpn" if device % 2 else None)
    for number in range(effort.exemptions):
        body = {
            "subject": {"client": f"10.{number >> 12}.{number >> 4 & 255}.{number & 15}"},
            "scope": ["anthropic"],
            "owner": "Ana",
            "reason": "load",
            "duration_seconds": 86_400,
        }
        status = calls.send("POST", "exemptions", body)
        assert status == 201, status


def _costs(services: list[Service], queries: Path, effort: ManyExceptionsEffort) -> list[list[float]]:
    """Microseconds a query of each server's worker, by round."""
    costs: list[list[float]] = [[] for _ in services]
    for number in range(effort.rounds):
        for turn in turns(len(services), number):
            pid = services[turn].worker_pids()[0]
            before = read_tree(pid)
            answered = load.for_seconds(services[turn].port, queries, effort.seconds, repeat=True).answered
            costs[turn].append(microseconds_a_query(read_tree(pid).since(before).ran_nanoseconds, answered))
    return costs


def _paced(service: Service, queries: Path, effort: ManyExceptionsEffort) -> tuple[float, int]:
    """Microseconds a query of the worker at a steady rate, and how many queries were lost."""
    pid = service.worker_pids()[0]
    before = read_tree(pid)
    with dnsperf(service.port, queries, _PACED) as asking:
        time.sleep(effort.seconds * 4)
    assert asking.load
    used = read_tree(pid).since(before).ran_nanoseconds
    return microseconds_a_query(used, asking.load.answered), asking.load.lost


def _times_in_force(service: Service, calls: _Calls, times: int) -> list[float]:
    """How long after a call's begin the client is answered by its lease."""
    found = []
    for _ in range(times):
        assert is_blocked(ask(service.port, "claude.ai", client=_TRIED))
        began = time.monotonic()
        calls.lease(_TRIED, group="vpn")
        while is_blocked(ask(service.port, "claude.ai", client=_TRIED)):
            pass
        found.append(time.monotonic() - began)
        assert calls.send("DELETE", f"leases/{_TRIED}") == 204
    return found


@contextmanager
def _changing(service: Service, per_minute: int) -> Iterator[list[int]]:
    """Change leases at a rate, by several callers, until the block ends; gives what was changed so far."""
    done: list[int] = []
    stop = threading.Event()

    def change(caller: int) -> None:
        calls = _Calls(service)
        began = time.monotonic()
        mine = 0
        while not stop.is_set():
            calls.lease(f"10.200.{caller}.{mine & 255}", group="vpn" if mine % 3 else None)
            mine += 1
            done.append(caller)
            stop.wait(max(0.0, began + mine * _CALLERS * 60 / per_minute - time.monotonic()))

    threads = [threading.Thread(target=change, args=(caller,)) for caller in range(_CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield done
    finally:
        stop.set()
        for thread in threads:
            thread.join()
