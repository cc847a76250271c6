"""Twenty million queries: memory stays flat, nothing is lost, and every bound holds.

Of each thousand, 620 are for a few names again and again, 150 for 9,000 names that the cache holds, 80 for names of
the catalogue, 100 for unique names below those, and 50 for unique names that an upstream is asked for. Beside them goes
a share over TCP, on connections that stay.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.servers import running_stub
from bench.workloads import workloads
from prove.dnsperf import dnsperf, fed
from prove.figures import Figure, at_least, at_most, exactly, told
from prove.growth import Watch, grown_mib, more_descriptors, warm
from prove.queries import write_for_dnsperf
from prove.service import Service
from tests.support.api import Api

WHAT = "twenty million queries, old and new, blocked and not, over UDP and TCP; memory stays flat"
_WORKERS = 2
_CACHE_MIB = 64  # the default
_MOST_GROWN_MIB = 8
_MOST_MORE_DESCRIPTORS = 32
_MOST_LOST_PERCENT = 0.001
_REPEATED, _CACHED, _BLOCKED, _BLOCKED_UNIQUE, _UNIQUE = 620, 150, 80, 100, 50
_A_BLOCK = _REPEATED + _CACHED + _BLOCKED + _BLOCKED_UNIQUE + _UNIQUE
_CACHED_NAMES = 9_000
_PACE_SECONDS = 1.0
_SLOWER = 0.9
_STEADY_PERCENT = 10  # below the most: neither more nor fewer
_OPEN = tuple(f"open-{number}.example" for number in range(_REPEATED // 10))
_METRIC = re.compile(r"^(moatdns_\w+)(?:\{(.*)\})? ([\d.e+]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SoakEffort:
    """Size of a run: the full one, or a short look."""

    queries: int
    queries_per_second: int  # at most
    rising_seconds: float  # until they come at that rate, from a tenth of it: the caches are empty at first
    most_busy_percent: float  # of the machine, client and upstream included: beyond it fewer are sent
    tcp_queries_per_second: int
    look_every_seconds: float
    most_grown_mib: float = _MOST_GROWN_MIB


FULL = SoakEffort(
    queries=20_000_000,
    queries_per_second=50_000,
    rising_seconds=30.0,
    most_busy_percent=80.0,
    tcp_queries_per_second=1000,
    look_every_seconds=2.0,
)
# Caches and tables are not full after so few: what they take on is no leak.
SHORT = SoakEffort(
    queries=20_000,
    queries_per_second=2000,
    rising_seconds=1.0,
    most_busy_percent=200.0,
    tcp_queries_per_second=100,
    look_every_seconds=0.25,
    most_grown_mib=3 * _MOST_GROWN_MIB,
)


def run(effort: SoakEffort, folder: Path) -> list[Figure]:
    """Ask, watch, count."""
    folder.mkdir(parents=True, exist_ok=True)
    catalogue = workloads()["blocked"].blocked
    write_for_dnsperf(names := folder / "queries", [*_OPEN, *catalogue])
    stub_folder = folder / "stub"
    stub_folder.mkdir()
    with running_stub(stub_folder) as stub:
        config: dict[str, Any] = {
            "workers": _WORKERS,
            "upstream": {"servers": [f"udp://127.0.0.1:{stub.ports.do53}"]},
            "cache": {"max_mib": _CACHE_MIB},
        }
        with Service(folder / "moatdns", config, with_api=True) as service:
            api = service.api
            control = service.control()
            assert control is not None
            workers = service.worker_pids()
            pids = {f"worker {number}": pid for number, pid in enumerate(workers, 1)} | {"control process": control.pid}
            began = time.monotonic()
            with (
                Watch(pids, effort.look_every_seconds, lambda: _cache_octets(api)) as watch,
                dnsperf(service.port, names, effort.tcp_queries_per_second, tcp=True) as over_tcp,
                fed(
                    service.port, _paced(effort, _blocks(effort.queries, catalogue)), 2 * effort.queries_per_second
                ) as over_udp,
            ):
                over_udp.wait()
            seconds = time.monotonic() - began
            metrics = _metrics(api)
            is_same = workers == service.worker_pids() and control.is_running()
            troubles = len(service.troubles)
    assert over_udp.load
    assert over_tcp.load
    sent, lost = over_udp.load.sent, over_udp.load.lost
    return [
        told("queries over UDP", sent),
        at_least("of them, of those that were to be sent", sent, effort.queries // _A_BLOCK * _A_BLOCK),
        told("a second, on average", sent / over_udp.load.seconds),
        told("lost of them", lost),
        at_most("lost of them", lost / sent * 100, _MOST_LOST_PERCENT, "%"),
        told("queries over TCP", over_tcp.load.sent),
        exactly("lost of them", over_tcp.load.lost, 0),
        exactly("answered with an rcode that is none of ours", over_udp.load.failed + over_tcp.load.failed, 0),
        *itertools.chain.from_iterable(
            (
                told(f"memory of {name}, at the end of the warm-up", warm(samples)[0].mib, "MiB"),
                told("– at the end", samples[-1].mib, "MiB"),
                at_most("– grows by, from 25 % of the run to 100 %", grown_mib(samples), effort.most_grown_mib, "MiB"),
                at_most("– descriptors more at the end", more_descriptors(samples), _MOST_MORE_DESCRIPTORS),
            )
            for name, samples in watch.samples.items()
        ),
        at_most("octets in the caches, most", max(watch.others) / 2**20, _CACHE_MIB, "MiB"),
        told("– looks at them that the API did not answer in time, of all", watch.others.count(0.0)),
        *(told(f"dropped: {what}", count) for what, count in sorted(_dropped(metrics).items())),
        exactly("processes ended, unexpected errors", troubles + (not is_same), 0),
        told("whole run", seconds, "s"),
    ]


def _paced(effort: SoakEffort, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The blocks, each when it is time.

    What a machine cannot bear it loses, and that tells nothing of leaks: so the rate is looked at each second.
    """
    most = effort.queries_per_second
    rate = 0.1 * most
    psutil.cpu_percent()  # since the last call
    due = looked = time.monotonic()
    for block in blocks:
        time.sleep(max(due - time.monotonic(), 0))
        yield block
        due += _A_BLOCK / rate
        now = time.monotonic()
        if now - looked < _PACE_SECONDS:
            continue
        busy = psutil.cpu_percent()
        if busy > effort.most_busy_percent:
            rate *= _SLOWER
        elif busy < effort.most_busy_percent - _STEADY_PERCENT:
            rate += 0.9 * most * (now - looked) / effort.rising_seconds
        rate = min(max(rate, 0.1 * most), most)
        looked = now


def _blocks(queries: int, catalogue: tuple[str, ...]) -> Iterator[bytes]:
    """Lines for dnsperf, a thousand at a time."""
    again = "".join(f"{name} A\n" for name in (*_OPEN * 10, *catalogue[:_BLOCKED]))
    cached = [
        "".join(f"cached-{number}.example A\n" for number in range(begin, begin + _CACHED))
        for begin in range(0, _CACHED_NAMES, _CACHED)
    ]
    for block in range(queries // _A_BLOCK):
        new = "".join(f"new-{block}-{number}.example A\n" for number in range(_UNIQUE))
        below = "".join(
            f"new-{block}-{number}.{catalogue[number % len(catalogue)]} A\n" for number in range(_BLOCKED_UNIQUE)
        )
        yield (again + cached[block % len(cached)] + new + below).encode()


def _cache_octets(api: Api) -> float:
    """Octets in the caches; 0 where the API is too busy to tell, which is no matter of this run."""
    try:
        return _metrics(api)["moatdns_cache_bytes"]
    except TimeoutError:
        return 0.0


def _metrics(api: Api) -> dict[str, float]:
    """The metrics, by name and labels."""
    text = api.call("GET", "/metrics").body
    return {f"{name} {labels}".strip(): float(value) for name, labels, value in _METRIC.findall(text)}


def _dropped(metrics: dict[str, float]) -> dict[str, int]:
    """Counts of what was dropped, by kind."""
    begin = 'moatdns_dropped_total what="'
    return {name.removeprefix(begin).rstrip('"'): int(n) for name, n in metrics.items() if name.startswith(begin) and n}
