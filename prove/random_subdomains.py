"""Random subdomains of one zone, from many clients: names of other zones, cached or not, are answered as ever.

The flood comes by turns with upstreams that say at once that the names do not exist, that take their time for it, and
that say nothing, as where the servers of the attacked zone are down. The upstream is the same for all zones.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prove.figures import Figure, at_most, below, exactly, told
from prove.flood import Flood
from prove.queries import Query, query
from prove.service import Service
from prove.steady import Asked, Steady, percentile_ms
from prove.upstream import Upstream

WHAT = "200,000 random subdomains of one zone beside normal queries"
_WORKERS = 2
_ATTACKED = "attacked.example"
_ADDRESSES = [f"127.0.2.{number}" for number in range(1, 65)]
_CACHED = [f"open-{number}.example" for number in range(50)]
_BLOCKED = [f"blocked-{number}.example" for number in range(50)]
_TRUTH = bytes((192, 0, 2, 1))
_SINKHOLE = bytes(4)
_MOST_P99_MS = 10
_MOST_MIB = 64  # that a worker grows by; the cache, which may fill up, included
_CACHE_MIB = 32
_SLOW_SECONDS = 1.0
_BOUNDS = ("queries_in_flight", "queries_in_flight_per_client", "queries_in_flight_per_domain",
           "queries_in_flight_per_upstream", "queries_per_second", "queries_put_off")  # fmt: skip


@dataclass(frozen=True, slots=True)
class RandomSubdomainsEffort:
    """Size of a run: the full one, or a short look."""

    flood: int  # queries
    flood_per_second: int
    calm_seconds: float
    queries_per_second: int = 1000


FULL = RandomSubdomainsEffort(flood=200_000, flood_per_second=20_000, calm_seconds=5.0)
SHORT = RandomSubdomainsEffort(flood=4_000, flood_per_second=2_000, calm_seconds=0.5, queries_per_second=200)


def run(effort: RandomSubdomainsEffort, folder: Path) -> list[Figure]:
    """A flood with each kind of upstream."""
    return [
        *_flooded(effort, folder / "answered", "answered at once"),
        *_flooded(effort, folder / "slow", f"answered after {_SLOW_SECONDS:g} s", delay_seconds=_SLOW_SECONDS),
        *_flooded(effort, folder / "silent", "never answered", silent=True),
    ]


def _flooded(
    effort: RandomSubdomainsEffort, folder: Path, how: str, *, delay_seconds: float = 0.0, silent: bool = False
) -> list[Figure]:
    with Upstream(
        folder / "upstream",
        keeps_record=False,
        attacked_zone=_ATTACKED,
        attacked_delay_seconds=delay_seconds,
        attacked_is_silent=silent,
    ) as upstream:
        config = {
            "workers": _WORKERS,
            "clients": {"queries_per_second": 1000},
            "rate_limits": {"exempt": ["127.0.0.1/32"]},  # one address that stands for many clients
            "cache": {"max_mib": _CACHE_MIB},
            "upstream": {"servers": [upstream.server]},
        }
        with Service(folder / "moatdns", config, block=_BLOCKED) as service:
            with Steady(service.port, _normal("warm"), effort.queries_per_second, look=_seen) as calm:
                time.sleep(effort.calm_seconds)
            before = max(service.worker_mib())
            with (
                Steady(service.port, _normal("miss"), effort.queries_per_second, look=_seen) as busy,
                Flood(
                    service.port,
                    _ATTACKED,
                    per_second=effort.flood_per_second,
                    count=effort.flood,
                    addresses=_ADDRESSES,
                ) as flood,
            ):
                began, cpu_before = time.monotonic(), service.workers_cpu_seconds()
                flood.wait()
                seconds = time.monotonic() - began
                cpu_seconds = service.workers_cpu_seconds() - cpu_before
                after = max(service.worker_mib())
            counts = service.counts()
            troubles = len(service.troubles)
    kinds = {kind: [a for a in busy.asked if a.name.startswith(kind)] for kind in ("open", "blocked", "miss")}
    return [
        told(f"{how}: random names", flood.sent),
        told("– a second", flood.sent / seconds),
        told("– CPU of the workers for each, normal queries included", 1e6 * cpu_seconds / flood.sent, "µs"),
        told("normal queries meanwhile", len(busy.asked)),
        exactly("– lost of them", len(busy.lost), 0),
        told("– p99 of cached names without the flood", _p99(calm.asked, "open"), "ms"),
        below("– p99 of cached names", percentile_ms(kinds["open"], 0.99), _MOST_P99_MS, "ms"),
        below("– p99 of blocked names", percentile_ms(kinds["blocked"], 0.99), _MOST_P99_MS, "ms"),
        told("– p99 of names that are not in the cache", percentile_ms(kinds["miss"], 0.99), "ms"),
        exactly(
            "– cached or blocked ones without the right answer", _wrong(kinds["open"]) + _wrong(kinds["blocked"]), 0
        ),
        exactly("– of other zones and not in the cache, without the right answer", _wrong(kinds["miss"]), 0),
        *(told(f"– limits.{name} has dropped", counts[name]) for name in _BOUNDS if counts.get(name)),
        at_most("– a worker's memory grows by", after - before, _MOST_MIB, "MiB"),
        exactly("unexpected errors", troubles, 0),
    ]


def _normal(prefix: str) -> Iterator[Query]:
    """Cached, blocked, cached, and one that nobody has asked for, of a zone of its own."""
    cached = itertools.cycle([query(name) for name in _CACHED])
    blocked = itertools.cycle([query(name) for name in _BLOCKED])
    for number in itertools.count():
        yield next(cached)
        yield next(blocked)
        yield next(cached)
        yield query(f"{prefix}.other-{number}.example")


def _seen(answer: bytes) -> bytes:
    return answer[-4:] if answer[6:8] == b"\0\1" else answer[3:4]


def _wrong(asked: list[Asked]) -> int:
    return sum(each.seen != (_SINKHOLE if each.name.startswith("blocked") else _TRUTH) for each in asked)


def _p99(asked: list[Asked], kind: str) -> float:
    return percentile_ms([each for each in asked if each.name.startswith(kind)], 0.99)
