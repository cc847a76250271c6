"""Swaps of the policy under load: no query is lost, and none is answered by half a policy.

Policy number n blocks with a list, for a group, with an address and with a TTL that are all its own: `list-n`,
`group-n`, 192.0.2.n, n seconds. They come from different parts of a compiled policy (the rules, the groups, the
sinkholes that a worker builds from them), and all four stand in every sinkhole answer. So one answer shows whether it
was made of one policy; and one socket's answers, whose worker is always the same, show that no older policy comes after
a newer one.

Besides, `alias-k` leads to `target-k`: even policies block the target, odd ones the alias. Either way a query for the
alias is blocked; the old rules for the one beside the new rules for the other would let it through. The upstream's
answers are never cached (TTL 0), so there is always one awaited while the policy changes.
"""

from __future__ import annotations

import itertools
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.rdatatype

from prove.dnsperf import dnsperf
from prove.figures import Figure, at_least, at_most, exactly, told
from prove.queries import in_turn, write_for_dnsperf
from prove.service import Service
from prove.steady import Asked, Steady
from prove.upstream import Upstream

WHAT = "the policy is swapped by SIGHUP under load, again and again"
_BLOCKED = [f"blocked-{number}.example" for number in range(20)]
_ALIASES = {f"alias-{number}.example": f"target-{number}.example" for number in range(20)}
_OPEN = [f"open-{number}.example" for number in range(100)]
_EDE_TEXT = re.compile(r"list-(\d+) is blocked for group group-(\d+)\Z")
_MIB_GROWTH = 8
_HALF = "half a policy"
_OF_INVALID = 250  # the policy that invalid configs speak of
_REFUSED = "the config is not used; the old one stays in force"


@dataclass(frozen=True, slots=True)
class SwapsEffort:
    """Size of a run: the full one, or a short look."""

    swaps: int
    dnsperf_queries_per_second: int
    checked_queries_per_second: int
    settled_after: int = 10  # swaps; from then on memory may not grow
    invalid_with_each: int = 5  # of so many swaps comes a config that cannot be used


FULL = SwapsEffort(swaps=100, dnsperf_queries_per_second=5000, checked_queries_per_second=1000)
SHORT = SwapsEffort(
    swaps=5, dnsperf_queries_per_second=2000, checked_queries_per_second=500, settled_after=2, invalid_with_each=2
)


def run(effort: SwapsEffort, folder: Path) -> list[Figure]:
    """Swap, look at the answers, count."""
    write_for_dnsperf(queries := folder / "queries", [*_BLOCKED, *_OPEN, *_ALIASES])
    checked = in_turn([*_BLOCKED, *_ALIASES], edns=True)
    invalid = refused = 0
    in_force: list[tuple[int, float, float]] = []  # policy, asked for at, told to be in force at
    with (
        Upstream(folder / "upstream", ttl_seconds=0, delay_seconds=0.02, aliases=_ALIASES) as upstream,
        Service(folder / "moatdns", _config(1, upstream)) as service,
        dnsperf(service.port, queries, effort.dnsperf_queries_per_second) as load,
        Steady(service.port, checked, effort.checked_queries_per_second, look=policy_of) as steady,
    ):
        workers = service.worker_pids()
        for number in range(2, effort.swaps + 2):
            asked_at = time.monotonic()
            known = len(service.events)
            service.write_config(_config(number, upstream))
            service.signal(signal.SIGHUP)
            service.wait_for_another("reloaded", known)
            in_force.append((number, asked_at, time.monotonic()))
            if number % effort.invalid_with_each == 0:
                service.write_config(_invalid(number, upstream))
                refused += service.hang_up()["event"] == _REFUSED
                invalid += 1
            if number == effort.settled_after + 1:
                settled_mib = max(service.worker_mib())
        grown_mib = max(service.worker_mib()) - settled_mib
        is_same = workers == service.worker_pids()
        troubles = len(service.troubles)
    assert load.load
    return [
        told("swaps", effort.swaps),
        told(
            "a swap takes, from the signal to all workers, longest", max(end - begin for _, begin, end in in_force), "s"
        ),
        at_least("invalid configs in between", invalid, 1),
        exactly("not refused, with a word in the log", invalid - refused, 0),
        told("queries by dnsperf", load.load.sent),
        exactly("lost of them", load.load.lost, 0),
        at_least("queries whose answers were looked at", len(steady.asked), effort.swaps),
        exactly("lost of them", len(steady.lost), 0),
        exactly("answers made of two policies, or of none", sum(a.seen == _HALF for a in steady.asked), 0),
        exactly("answers by an older policy after a newer one, on one socket", _backward(steady.asked), 0),
        exactly("answers by the policy of an invalid config", sum(a.seen == _OF_INVALID for a in steady.asked), 0),
        exactly("answers by an old policy after the new one was told to be in force", _late(steady.asked, in_force), 0),
        told("slowest answer of those looked at", steady.percentile_ms(1), "ms"),
        exactly("workers ended, unexpected errors", troubles + (not is_same), 0),
        at_most(f"a worker's memory grows, from swap {effort.settled_after} on, by", grown_mib, _MIB_GROWTH, "MiB"),
    ]


def _config(number: int, upstream: Upstream) -> dict[str, Any]:
    pair = list(_ALIASES) if number % 2 else list(_ALIASES.values())
    response = {"mode": "address", "ipv4": f"192.0.2.{number}", "ttl_seconds": number}
    return {
        "workers": 2,
        "upstream": {"servers": [upstream.server]},
        "policy": {
            "lists": [{"name": f"list-{number}", "block": [*_BLOCKED, *pair]}],
            "groups": [{"name": f"group-{number}", "networks": ["127.0.0.0/8"], "response": response}],
        },
    }


def _invalid(number: int, upstream: Upstream) -> dict[str, Any]:
    """A config of another policy with a mistake; each time another."""
    config = _config(_OF_INVALID, upstream)
    mistakes: list[dict[str, Any]] = [
        {"workers": "many"},
        {"upstream": {"servers": ["no.address.example:x"]}},
        {"unheard_of": True},
        {"policy": {**config["policy"], "lists": [{"name": "a b c", "block": ["*"]}]}},
    ]
    return config | mistakes[number // 2 % len(mistakes)]


def policy_of(wire: bytes) -> int | str:
    """The number of the policy that an answer was made of, or _HALF."""
    answer = dns.message.from_wire(wire)
    addresses = [rrset for rrset in answer.answer if rrset.rdtype == dns.rdatatype.A]
    texts = [option.text or "" for option in answer.options if isinstance(option, dns.edns.EDEOption)]
    if len(addresses) != 1 or len(answer.answer) != 1 or len(texts) != 1:
        return _HALF  # an open alias, for one
    match = _EDE_TEXT.match(texts[0])
    address = addresses[0][0].to_text()
    numbers = {*(match.groups() if match else ("", " ")), address.rpartition(".")[2], str(addresses[0].ttl)}
    return int(numbers.pop()) if len(numbers) == 1 and address.startswith("192.0.2.") else _HALF


def _answered(asked: list[Asked]) -> list[Asked]:
    return [a for a in asked if isinstance(a.seen, int) and a.answered_at is not None]


def _backward(asked: list[Asked]) -> int:
    """How often a socket's answers went back to an older policy. Answers that waited for the upstream are sent later
    than others, but judged when they are sent."""
    by_socket = sorted(_answered(asked), key=lambda a: (a.socket, a.answered_at))
    return sum(
        int(str(after.seen)) < int(str(before.seen))
        for before, after in itertools.pairwise(by_socket)
        if before.socket == after.socket
    )


def _late(asked: list[Asked], in_force: list[tuple[int, float, float]]) -> int:
    """How many were asked when a policy was in force by the server's word, and answered by an older one."""
    late = 0
    moments = iter([*in_force, (0, 0.0, float("inf"))])
    oldest, (following, _, told_at) = 1, next(moments)
    for each in sorted(_answered(asked), key=lambda a: a.sent_at):
        while each.sent_at > told_at:
            oldest, (following, _, told_at) = following, next(moments)
        late += int(str(each.seen)) < oldest
    return late
