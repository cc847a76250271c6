"""Another program holds the store locked: DNS goes on, callers hear of it soon, nothing piles up, no count is lost."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from admin_api.store.engine import FILE
from prove.figures import Figure, at_least, at_most, exactly, told
from prove.queries import in_turn, mixed, unique
from prove.service import Service
from prove.state import faults_of
from prove.steady import Steady
from prove.upstream import Upstream
from tests.support.api import Api
from tests.support.programs import wait_until

WHAT = "another program holds the store locked"
_BLOCKED = [f"blocked-{number}.example" for number in range(20)]
_REFUSAL_SECONDS = 5.0
_GROWTH_MIB = 16
_NO_ANSWER = 599
_WRITES = (
    ("POST", "lists/staff/rules", {"block": ["more.example"]}),
    ("PUT", "leases/192.0.2.7", {"identity": "a", "ttl_seconds": 60}),
    ("POST", "pauses", {"reason": "lunch", "duration_seconds": 60}),
)
_READS = ("lists", "status", "stats/summary", "queries?limit=10", "/ready")


@dataclass(frozen=True, slots=True)
class LockedStoreEffort:
    """Size of a run: the full one, or a short look."""

    seconds: float  # of the lock
    clients: int  # that write and read all the time
    queries_per_second: int


FULL = LockedStoreEffort(seconds=60.0, clients=20, queries_per_second=2000)
SHORT = LockedStoreEffort(seconds=4.0, clients=4, queries_per_second=500)


@dataclass(frozen=True, slots=True)
class _Called:
    is_write: bool
    status: int
    seconds: float


def run(effort: LockedStoreEffort, folder: Path) -> list[Figure]:
    """Lock it under load, call, let go."""
    queries = mixed(in_turn(_BLOCKED), in_turn(["cached.example"]), unique("m"))
    with Upstream(folder / "upstream") as upstream:
        config = {
            "workers": 2,
            "upstream": {"servers": [upstream.server]},
            "policy": {"lists": [{"name": "house", "block": _BLOCKED}]},
        }
        with Service(folder / "moatdns", config, with_api=True) as service:
            api = service.api
            api.post("lists", {"name": "staff", "block": ["first.example"]})
            before = api.get("stats/summary")["queries"]
            control = service.control()
            assert control is not None
            with Steady(service.port, queries, effort.queries_per_second) as steady:
                with locked(service.state_dir):
                    mib = control.memory_info().rss / 2**20
                    calls = _calls(api, effort)
                    grown_mib = control.memory_info().rss / 2**20 - mib
                    metrics = api.get("/metrics")
                free_at = time.monotonic()
                wait_until(lambda: api.call(*_WRITES[0]).status == 200, "a write")
                back = time.monotonic() - free_at
                gap = wait_until(lambda: api.get("audit?action=gap")["items"], "the gap in the audit trail")[0]["after"]
                time.sleep(0.5)
            counted = api.get("stats/summary")["queries"] - before
            by_name = sum(item["blocked"] for item in api.get("stats/top?by=domain")["items"])
            blocked = sum(asked.name in _BLOCKED for asked in steady.asked)
            faults = faults_of(service.state_dir)
            is_same = service.control() == control
        troubles = len(service.troubles)
    writes = [call for call in calls if call.is_write]
    reads = [call for call in calls if not call.is_write]
    return [
        told(
            f"store locked for {effort.seconds:g} s at {effort.queries_per_second:,} queries/s: queries",
            len(steady.asked),
        ),
        exactly("lost", len(steady.lost), 0),
        told("p99", steady.percentile_ms(0.99), "ms"),
        at_least("admin writes that were tried", len(writes), 1),
        exactly("not answered with 503", sum(call.status != 503 for call in writes), 0),
        at_most("longest wait for the 503", max(call.seconds for call in writes), _REFUSAL_SECONDS, "s"),
        at_least("reads", len(reads), 1),
        exactly("reads answered neither 200 nor 503", sum(call.status not in (200, 503) for call in reads), 0),
        at_most("longest read", max(call.seconds for call in reads), _REFUSAL_SECONDS, "s"),
        exactly("metrics do not say moatdns_store_up 0", "moatdns_store_up 0.0" not in metrics, False),
        at_most("memory of the control process grows by", grown_mib, _GROWTH_MIB, "MiB"),
        at_most("free again: a write goes well after", back, 5, "s"),
        exactly(
            "free again: refused writes that the audit trail does not tell", max(len(writes) - gap["refused"], 0), 0
        ),
        exactly("free again: queries counted, less those that were sent", counted - len(steady.asked), 0),
        exactly("free again: blocked by name, less those that were sent", by_name - blocked, 0),
        exactly("faults on disk", len(faults), 0),
        exactly("processes ended, unexpected errors", troubles + (not is_same), 0),
    ]


@contextlib.contextmanager
def locked(state_dir: Path) -> Iterator[None]:
    """Within, this process holds the store locked."""
    connection = sqlite3.connect(state_dir / FILE, isolation_level=None, timeout=10)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        connection.close()


def _calls(api: Api, effort: LockedStoreEffort) -> list[_Called]:
    """Replies to clients that write and read by turns for so long."""
    found: list[_Called] = []
    deadline = time.monotonic() + effort.seconds

    def client(number: int) -> None:
        for turn in itertools.count(number):
            if (began := time.monotonic()) > deadline:
                return
            is_write = turn % 2 == 0
            method, path, body = (
                _WRITES[turn // 2 % len(_WRITES)] if is_write else ("GET", _READS[turn // 2 % len(_READS)], None)
            )
            try:
                status = api.call(method, path, body).status
            except OSError:
                status = _NO_ANSWER
            found.append(_Called(is_write, status, time.monotonic() - began))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(effort.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
