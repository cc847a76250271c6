"""Upstreams that fail with what is in the cache, in truncation, and in slowness: old answers, tries, bounds."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.rcode

from prove.figures import Figure, at_least, at_most, below, exactly, told
from prove.queries import in_turn, mixed, unique
from prove.service import Service
from prove.steady import Asked, Steady, percentile_ms
from prove.upstream import Upstream, UpstreamQuery

WHAT = "old answers when all upstreams are dead; truncation without TCP; a bound on what waits for a slow one"
_NAMES = [f"name-{number}.example" for number in range(20)]
_STALE_SECONDS = 2.0  # 1.8, and what the machine takes
_STALE_TTL = 30
_RETRY_SECONDS = 30
_WHOLE_ANSWER_SECONDS = 5.0
_WAIT_SECONDS = 7.0
_MOST_TRIES = 3  # of one question, by server and transport (RFC 9520 section 3.1)
_MOST_MORE_MS = 10.0
_WORKERS = 2
_SLOW_SECONDS = 5.0
_PAUSE_SECONDS = 10.0  # between two rounds of asking


@dataclass(frozen=True, slots=True)
class FailingUpstreamsEffort:
    """Size of a run: the full one, or a short look."""

    stale_seconds: float
    seconds: float  # of each other load
    known_per_second: int
    truncated_per_second: int
    slow_per_second: int
    most_in_flight: int  # for one upstream, a worker


FULL = FailingUpstreamsEffort(
    65.0, 8.0, known_per_second=1000, truncated_per_second=50, slow_per_second=400, most_in_flight=100
)
SHORT = FailingUpstreamsEffort(
    5.0, 1.5, known_per_second=200, truncated_per_second=20, slow_per_second=200, most_in_flight=20
)


def run(effort: FailingUpstreamsEffort, folder: Path) -> list[Figure]:
    """All of it, one after the other."""
    return [
        *stale(effort, folder / "stale"),
        *truncated(effort, folder / "refused", silent_tcp=False),
        *truncated(effort, folder / "silent", silent_tcp=True),
        *bounded(effort, folder / "bounded"),
    ]


def stale(effort: FailingUpstreamsEffort, folder: Path) -> list[Figure]:
    """All upstreams die when what is in the cache is over (RFC 8767)."""
    with (
        Upstream(folder / "one", ttl_seconds=1) as one,
        Upstream(folder / "other", ttl_seconds=1) as other,
        Service(folder / "moatdns", _config(one, other)) as service,
    ):
        with Steady(service.port, in_turn(_NAMES, edns=True), 1000, most=10 * len(_NAMES)) as filling:
            filling.wait_until_sent()  # every worker knows every name
        died_at = one.toggle()
        other.toggle()
        time.sleep(1.5)
        with Steady(service.port, in_turn(_NAMES, edns=True), effort.known_per_second, look=_seen) as steady:
            time.sleep(effort.stale_seconds)
        one.stop()
        other.stop()
    wrong = Counter(str(a.seen) for a in steady.asked if a.seen != f"A TTL {_STALE_TTL} EDE 3")
    first_seconds = min(a.sent_at for a in steady.asked) + _RETRY_SECONDS / 2
    later = [a for a in steady.asked if a.sent_at > first_seconds]
    rounds = _rounds([each for each in (*one.asked, *other.asked) if each.at > died_at])
    may_be = int((effort.stale_seconds + 1) / _RETRY_SECONDS) + 1
    kinds = ", ".join(sorted(wrong)[:3])
    return [
        told(f"all dead for {effort.stale_seconds:g} s, answers in the cache: queries", len(steady.asked)),
        exactly(f"stale: not TTL {_STALE_TTL} with EDE 3{f' ({kinds})' if kinds else ''}", wrong.total(), 0),
        at_most("stale: longest wait", percentile_ms(steady.asked, 1) / 1000, _STALE_SECONDS, "s"),
        told("stale: p99 after the first 15 s", percentile_ms(later, 0.99) if later else None, "ms"),
        at_most(
            f"stale: times that the upstreams are asked for a name again, one in {_RETRY_SECONDS} s", rounds, may_be
        ),
    ]


def _rounds(asked: Iterable[UpstreamQuery]) -> int:
    """How often a name was asked for, at most; what comes within seconds, of either worker, is one round."""
    last: dict[str, float] = {}
    found: Counter[str] = Counter()
    for each in sorted(asked, key=lambda one: one.at):
        found[each.name] += each.at - last.get(each.name, 0.0) > _PAUSE_SECONDS
        last[each.name] = each.at
    return max(found.values(), default=0)


def truncated(effort: FailingUpstreamsEffort, folder: Path, *, silent_tcp: bool) -> list[Figure]:
    """Every answer over UDP is truncated, and TCP leads nowhere."""
    how = "silent" if silent_tcp else "refused"
    with (
        Upstream(folder / "one", truncates=True, silent_tcp=silent_tcp) as one,
        Upstream(folder / "other", truncates=True, silent_tcp=silent_tcp) as other,
        Service(folder / "moatdns", _config(one, other)) as service,
    ):
        load = unique("t", edns=True)
        with Steady(service.port, load, effort.truncated_per_second, look=_seen, wait_seconds=_WAIT_SECONDS) as steady:
            time.sleep(effort.seconds)
        one.stop()
        other.stop()
    tries = Counter((each.name, each.transport, which) for which, up in ((0, one), (1, other)) for each in up.asked)
    failed = [a for a in steady.asked if re.match(r"SERVFAIL EDE \d+", str(a.seen))]
    return [
        told(f"always truncated, TCP {how}: queries", len(steady.asked)),
        exactly(f"TCP {how}: not answered with SERVFAIL and a reason (EDE)", len(steady.asked) - len(failed), 0),
        at_most(f"TCP {how}: longest wait", percentile_ms(steady.asked, 1) / 1000, _WHOLE_ANSWER_SECONDS, "s"),
        at_most(f"TCP {how}: tries of a name by server and transport, most", max(tries.values()), _MOST_TRIES),
    ]


def bounded(effort: FailingUpstreamsEffort, folder: Path) -> list[Figure]:
    """More wait for a slow upstream than may."""
    with (
        Upstream(folder / "upstream") as upstream,
        Upstream(folder / "slow", delay_seconds=_SLOW_SECONDS) as slow,
    ):
        config = _config(upstream) | {
            "upstream": {"servers": [upstream.server], "zones": {"slow": [slow.server]}},
            "limits": {"queries_in_flight_per_upstream": effort.most_in_flight},
        }
        with Service(folder / "moatdns", config, with_api=True) as service:
            with Steady(service.port, in_turn(_NAMES), effort.known_per_second) as calm:
                time.sleep(effort.seconds / 2)
            stream = mixed(unique("m", "slow", edns=True), *(in_turn(_NAMES) for _ in range(4)))
            rate = effort.slow_per_second + effort.known_per_second
            with Steady(service.port, stream, rate, look=_seen, wait_seconds=_WAIT_SECONDS) as steady:
                time.sleep(effort.seconds)
            time.sleep(1.5)  # drops are brought into metrics each second
            metrics = service.api.get("/metrics")
        slow.stop()
    missed = [a for a in steady.asked if a.name.endswith(".slow")]
    known = [a for a in steady.asked if not a.name.endswith(".slow")]
    alone = calm.percentile_ms(0.99)
    dropped = re.search(r'moatdns_dropped_total\{what="queries_in_flight_per_upstream"\} (\S+)', metrics)
    return [
        told(f"slow ({_SLOW_SECONDS:g} s), {effort.most_in_flight} may wait for it in a worker: queries", len(missed)),
        at_most(
            f"slow: waited for it at once, {_WORKERS} workers",
            _most_at_once(missed, slow.asked),
            _WORKERS * effort.most_in_flight,
        ),
        at_least(
            "slow: told by moatdns_dropped_total, queries_in_flight_per_upstream",
            float(dropped[1]) if dropped else 0,
            1,
        ),
        at_most(
            "slow: longest wait for an answer, whatever it is",
            percentile_ms(missed, 1) / 1000,
            _WHOLE_ANSWER_SECONDS,
            "s",
        ),
        exactly("slow: cached names lost", sum(a.lost for a in known), 0),
        told("slow: cached names, p99 alone", alone, "ms"),
        below("slow: cached names, p99 beside such queries", percentile_ms(known, 0.99), alone + _MOST_MORE_MS, "ms"),
    ]


def _most_at_once(missed: list[Asked], asked: list[UpstreamQuery]) -> int:
    """How many queries that the upstream got were without an answer at one moment, most."""
    got = {each.name for each in asked}
    steps = sorted(
        step
        for a in missed
        if a.name in got and a.answered_at is not None
        for step in ((a.sent_at, 1), (a.answered_at, -1))
    )
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def _seen(wire: bytes) -> str:
    """Summary of an answer in few words: "A TTL 30 EDE 3", "SERVFAIL EDE 22"."""
    answer = dns.message.from_wire(wire)
    said = f"A TTL {answer.answer[0].ttl}" if answer.answer else dns.rcode.to_text(answer.rcode())
    codes = [f" EDE {int(option.code)}" for option in answer.options if isinstance(option, dns.edns.EDEOption)]
    return "".join([said, *codes])


def _config(*upstreams: Upstream) -> dict[str, Any]:
    return {"workers": _WORKERS, "upstream": {"servers": [each.server for each in upstreams]}}
