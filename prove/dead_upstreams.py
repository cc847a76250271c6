"""Upstreams that are dead or slow: who is asked instead, how long clients wait, and what is not touched by it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.rcode

from prove.figures import Figure, at_most, below, exactly, told
from prove.queries import in_turn, mixed, unique
from prove.service import Service
from prove.steady import Asked, Steady, percentile_ms
from prove.upstream import ADDRESS, Upstream

WHAT = "one of two upstreams dead, all dead, all slow"
_SECOND_ADDRESS = "192.0.2.2"
_BLOCKED = [f"blocked-{number}.example" for number in range(20)]
_CACHED = [f"cached-{number}.example" for number in range(20)]
_WHOLE_ANSWER_SECONDS = 5.0  # the patience of a stub resolver
_WAIT_SECONDS = 7.0
_RECOVERY_SECONDS = 2.0
_SETTLED_SECONDS = 1.0  # by then a dead server is known to be dead
_MOST_MORE_MS = 10.0
_ZERO = "0.0.0.0"
_POLICY = {"lists": [{"name": "house", "block": _BLOCKED}]}


@dataclass(frozen=True, slots=True)
class DeadUpstreamsEffort:
    """Size of a run: the full one, or a short look."""

    seconds: float  # of each load
    missed_per_second: int = 200
    known_per_second: int = 1000  # queries for blocked or cached names


FULL = DeadUpstreamsEffort(seconds=8)
SHORT = DeadUpstreamsEffort(seconds=1.5)


def run(effort: DeadUpstreamsEffort, folder: Path) -> list[Figure]:
    """All three, one after the other."""
    return [
        *one_dead(effort, folder / "one"),
        *one_dead_of_the_fastest(effort, folder / "fastest"),
        *all_dead(effort, folder / "all"),
        *slow(effort, folder / "slow"),
    ]


def one_dead_of_the_fastest(effort: DeadUpstreamsEffort, folder: Path) -> list[Figure]:
    """With the strategy that is the default: the one that was asked first dies, comes back, and then the other dies."""
    with (
        Upstream(folder / "first", address=ADDRESS) as first,
        Upstream(folder / "second", address=_SECOND_ADDRESS) as second,
        Service(folder / "moatdns", _config(first, second, strategy="fastest")) as service,
    ):
        with Steady(service.port, unique("b"), effort.missed_per_second, look=_seen) as before:
            time.sleep(effort.seconds / 4)
        by_first = sum(asked.seen == ADDRESS for asked in before.asked)
        dies, stays = (first, second) if by_first * 2 > len(before.asked) else (second, first)
        with Steady(service.port, unique("m"), effort.missed_per_second, look=_seen, wait_seconds=6) as steady:
            time.sleep(0.5)
            died_at = dies.toggle()
            time.sleep(effort.seconds)
            back_at = dies.toggle()
            time.sleep(_RECOVERY_SECONDS)
            second_death_at = stays.toggle()
            time.sleep(effort.seconds / 2)
        dies.stop()
    settled = died_at + _SETTLED_SECONDS
    asked_again = next((each.at for each in dies.asked if each.at > back_at), None)
    return [
        told("1 of 2 dead, fastest: queries", len(steady.asked)),
        exactly("1 of 2 dead, fastest: SERVFAIL", sum(a.seen == "SERVFAIL" for a in steady.asked), 0),
        exactly("1 of 2 dead, fastest: no answer within 2 s", len(steady.lost), 0),
        below(
            "1 of 2 dead, fastest: p99 from the death on",
            steady.percentile_ms(0.99, only=lambda a: died_at < a.sent_at < back_at),
            1000,
            "ms",
        ),
        below(
            f"1 of 2 dead, fastest: p99 once it is known, after {_SETTLED_SECONDS:g} s",
            steady.percentile_ms(0.99, only=lambda a: settled < a.sent_at < back_at),
            50,
            "ms",
        ),
        at_most("fastest: the dead one is back: asked again after", asked_again and asked_again - back_at, 2, "s"),
        below(
            "fastest: the other dies then: p99 from that moment on",
            steady.percentile_ms(0.99, only=lambda a: a.sent_at > second_death_at),
            1000,
            "ms",
        ),
    ]


def one_dead(effort: DeadUpstreamsEffort, folder: Path) -> list[Figure]:
    """One of two is silent, and comes back."""
    with (
        Upstream(folder / "dead", silent=True, address=ADDRESS) as dead,
        Upstream(folder / "well", address=_SECOND_ADDRESS) as well,
        Service(folder / "moatdns", _config(dead, well)) as service,
    ):
        with Steady(service.port, unique("m"), effort.missed_per_second, look=_seen, wait_seconds=6) as steady:
            time.sleep(effort.seconds)
        begun = steady.asked[0].sent_at
        settled = begun + _SETTLED_SECONDS
        with Steady(service.port, unique("r"), effort.missed_per_second, look=_seen) as recovering:
            time.sleep(0.5)
            back_at = dead.toggle()
            time.sleep(3)
    servfails = sum(a.seen == "SERVFAIL" for a in (*steady.asked, *recovering.asked))
    first_again = next((a.sent_at for a in recovering.asked if a.sent_at > back_at and a.seen == ADDRESS), None)
    return [
        told("1 of 2 dead: queries", len(steady.asked) + len(recovering.asked)),
        exactly("1 of 2 dead: SERVFAIL", servfails, 0),
        exactly("1 of 2 dead: no answer within 2 s", len(steady.lost) + len(recovering.lost), 0),
        below("1 of 2 dead: p99 from the first moment", steady.percentile_ms(0.99), 1000, "ms"),
        below(
            f"1 of 2 dead: p99 once it is known, after {_SETTLED_SECONDS:g} s",
            steady.percentile_ms(0.99, only=lambda a: a.sent_at > settled),
            50,
            "ms",
        ),
        at_most("the dead one is back: asked first again after", first_again and first_again - back_at, 2, "s"),
    ]


def all_dead(effort: DeadUpstreamsEffort, folder: Path) -> list[Figure]:
    """Both are silent."""
    with (
        Upstream(folder / "dead", silent=True) as dead,
        Upstream(folder / "dead-too", silent=True) as dead_too,
        Service(folder / "moatdns", _config(dead, dead_too)) as service,
    ):
        with Steady(service.port, in_turn(_BLOCKED), effort.known_per_second) as calm:
            time.sleep(effort.seconds / 2)
        stream = mixed(unique("m", edns=True), *(in_turn(_BLOCKED) for _ in range(4)))
        rate = effort.missed_per_second + effort.known_per_second
        with Steady(service.port, stream, rate, look=_seen, wait_seconds=_WAIT_SECONDS) as steady:
            time.sleep(effort.seconds)
    missed = [a for a in steady.asked if a.name.startswith("m")]
    blocked = [a for a in steady.asked if not a.name.startswith("m")]
    failed = [a for a in missed if str(a.seen).startswith("SERVFAIL")]
    return [
        told("all dead: queries that need them", len(missed)),
        exactly("all dead: such queries that are not answered with SERVFAIL", len(missed) - len(failed), 0),
        exactly("all dead: SERVFAIL without a reason (EDE)", sum(a.seen == "SERVFAIL" for a in failed), 0),
        at_most("all dead: longest wait for SERVFAIL", _longest(missed), _WHOLE_ANSWER_SECONDS, "s"),
        exactly("all dead: blocked names without the right answer", sum(a.seen != _ZERO for a in blocked), 0),
        *_beside("all dead: blocked names", calm, blocked),
    ]


def slow(effort: DeadUpstreamsEffort, folder: Path) -> list[Figure]:
    """One zone's upstream takes five seconds; names from another are in the cache."""
    with (
        Upstream(folder / "upstream", delay_seconds=0.0) as upstream,
        Upstream(folder / "slow", delay_seconds=5.0) as slow,
    ):
        config = _config(upstream) | {"upstream": {"servers": [upstream.server], "zones": {"slow": [slow.server]}}}
        with Service(folder / "moatdns", config) as service:
            with Steady(service.port, in_turn(_CACHED), effort.known_per_second) as calm:
                time.sleep(effort.seconds / 2)
            stream = mixed(unique("m", "slow"), *(in_turn(_CACHED) for _ in range(4)))
            rate = effort.missed_per_second + effort.known_per_second
            with Steady(service.port, stream, rate, look=_seen, wait_seconds=_WAIT_SECONDS) as steady:
                time.sleep(effort.seconds)
    missed = [a for a in steady.asked if a.name.startswith("m")]
    cached = [a for a in steady.asked if not a.name.startswith("m")]
    return [
        told("slow (5 s): queries that need it", len(missed)),
        at_most("slow: longest wait for an answer, whatever it is", _longest(missed), _WHOLE_ANSWER_SECONDS, "s"),
        exactly("slow: cached names without the right answer", sum(a.seen != ADDRESS for a in cached), 0),
        *_beside("slow: cached names", calm, cached),
    ]


def _beside(what: str, calm: Steady, beside: list[Asked]) -> list[Figure]:
    """How long answers take without and beside queries that wait for an upstream. What slows the machine slows both."""
    alone = calm.percentile_ms(0.99)
    return [
        told(f"{what}, p99 alone", alone, "ms"),
        below(f"{what}, p99 beside such queries", percentile_ms(beside, 0.99), alone + _MOST_MORE_MS, "ms"),
    ]


def _longest(asked: list[Asked]) -> float:
    return percentile_ms(asked, 1) / 1000


def _seen(wire: bytes) -> str:
    """The address in an answer; else its rcode, with the code of the extended error if there is one."""
    answer = dns.message.from_wire(wire)
    if answer.answer:
        return str(answer.answer[0][0])
    codes = [f" {int(option.code)}" for option in answer.options if isinstance(option, dns.edns.EDEOption)]
    return "".join([dns.rcode.to_text(answer.rcode()), *codes])


def _config(*upstreams: Upstream, strategy: str = "ordered") -> dict[str, Any]:
    return {
        "workers": 2,
        "upstream": {"servers": [each.server for each in upstreams], "strategy": strategy},
        "policy": _POLICY,
    }
