"""A million rules by URL, while serving: how soon they are in force, what is seen of it, and what it costs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import dns.message

from bench.memory import tree_mib
from prove.figures import Figure, at_most, exactly, told
from prove.memory import Peak
from prove.million_rules import random_names
from prove.queries import in_turn, mixed, query
from prove.service import Service
from prove.steady import Steady
from prove.upstream import Upstream
from tests.support.clients import UdpClient, is_blocked
from tests.support.feed import Feed

WHAT = "a million rules by URL under load, and the same list again with one rule more"
_OPEN = [f"open-{number}.example" for number in range(100)]
_PATIENCE_SECONDS = 120.0
_SOCKETS = 16  # so that both workers are asked


@dataclass(frozen=True, slots=True)
class MillionByUrlEffort:
    """Size of a run: the full one, or a short look."""

    rules: int
    queries_per_second: int


FULL = MillionByUrlEffort(rules=1_000_000, queries_per_second=5000)
SHORT = MillionByUrlEffort(rules=30_000, queries_per_second=500)


def run(effort: MillionByUrlEffort, folder: Path) -> list[Figure]:
    """Subscribe, poll DNS and the API, time it."""
    names = random_names(effort.rules, seed=3)
    content = "".join(f"||{name}^\n" for name in names).encode()
    states: list[str] = []
    beside: list[float] = []
    with Upstream(folder / "upstream") as upstream, Feed(content) as feed:
        config = {"workers": 2, "upstream": {"servers": [upstream.server]}}
        service = Service(folder / "moatdns", config, patience_seconds=_PATIENCE_SECONDS, with_api=True)
        with (
            service,
            Steady(service.port, mixed(in_turn(_OPEN), in_turn(_OPEN)), effort.queries_per_second) as load,
        ):
            api = service.api
            api.post("lists", {"name": "own"})
            before = tree_mib(service.pid)
            with Peak(service.pid) as peak:
                began = time.monotonic()
                api.post("lists", {"name": "large", "url": feed.url, "allow_private": True})
                first = _await(service, names[-1], began, states, beside)
                feed.content = content + b"||one-more.example^\n"
                began = time.monotonic()
                api.post("lists/large:refresh", {}, status=202)
                again = _await(service, "one-more.example", began, states, [])
            listed = api.get("lists/large")["rules"]
            after = tree_mib(service.pid)
            worker_mib = max(service.worker_mib())
        troubles = len(service.troubles)
    return [
        told("rules", effort.rules),
        exactly("of them in the list, by the API (and one more)", listed, effort.rules + 1),
        told("from the POST to every worker", first, "s"),
        told("fetched again with one rule more: from the request to every worker", again, "s"),
        exactly(
            "states that the API showed meanwhile", len(set(states) & {"fetching", "reading", "compiling"}) > 1, True
        ),
        at_most("a rule of another list meanwhile: from the request to its 2xx, longest", max(beside), 1, "s"),
        told("queries meanwhile", len(load.asked)),
        exactly("lost of them", len(load.lost), 0),
        told("p99 meanwhile", load.percentile_ms(0.99), "ms"),
        told("memory of all processes before", before, "MiB"),
        told("meanwhile, most", peak.mib, "MiB"),
        told("afterwards", after, "MiB"),
        told("a worker's own memory in the end", worker_mib, "MiB"),
        exactly("unexpected errors", troubles, 0),
    ]


def _await(service: Service, name: str, began: float, states: list[str], beside: list[float]) -> float:
    """Seconds until the name is blocked in every worker; meanwhile single rules go into another list."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not all(_is_blocked(service, name) for _ in range(_SOCKETS)):
        assert time.monotonic() < deadline, f"{name} is not in force"
        states.append(service.api.get("lists/large")["refresh"]["state"])
        posted = time.monotonic()
        service.api.post("lists/own/rules", {"block": [f"beside-{len(states)}.example"]}, status=200)
        beside.append(time.monotonic() - posted)
        time.sleep(0.2)
    return time.monotonic() - began


def _is_blocked(service: Service, name: str) -> bool:
    with UdpClient(service.port) as client:
        return is_blocked(dns.message.from_wire(client.exchange(query(name, edns=True)[1])))
