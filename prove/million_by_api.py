"""A million rules posted to the admin API in ten parts, then single ones: how soon each is in force, while serving."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dns.message

from prove.figures import Figure, at_most, exactly, told
from prove.million_rules import random_names
from prove.queries import in_turn, mixed, query
from prove.service import Service
from prove.steady import Steady
from prove.upstream import Upstream
from tests.support.clients import UdpClient, is_blocked

WHAT = "a million rules by the admin API in ten parts, then single changes"
_OPEN = [f"open-{number}.example" for number in range(100)]
_PATIENCE_SECONDS = 120.0
_SOCKETS = 16  # so that both workers are asked


@dataclass(frozen=True, slots=True)
class MillionByApiEffort:
    """Size of a run: the full one, or a short look."""

    rules: int
    parts: int
    changes: int  # single ones, afterwards
    queries_per_second: int


FULL = MillionByApiEffort(rules=1_000_000, parts=10, changes=20, queries_per_second=2000)
SHORT = MillionByApiEffort(rules=24_000, parts=2, changes=3, queries_per_second=500)


def run(effort: MillionByApiEffort, folder: Path) -> list[Figure]:
    """Post, poll DNS, time it."""
    names = random_names(effort.rules, seed=2)
    size = effort.rules // effort.parts
    bulk: list[float] = []
    posted: list[float] = []
    added: list[float] = []
    answered: list[float] = []
    removed: list[float] = []
    with Upstream(folder / "upstream") as upstream:
        config = {"workers": 2, "upstream": {"servers": [upstream.server]}}
        service = Service(folder / "moatdns", config, patience_seconds=_PATIENCE_SECONDS, with_api=True)
        with (
            service,
            Steady(service.port, mixed(in_turn(names[:100]), in_turn(_OPEN)), effort.queries_per_second) as load,
        ):
            api = service.api
            api.post("lists", {"name": "large"})
            for part in range(effort.parts):
                rules = names[part * size : (part + 1) * size]
                began = time.monotonic()
                reply = api.call("POST", "lists/large/rules", {"block": rules})
                assert reply.status == 202, reply
                posted.append(time.monotonic() - began)
                _await(service, rules[-1], blocked=True)
                bulk.append(time.monotonic() - began)
            for number in range(effort.changes):
                name = f"fresh-{number}.example"
                answered.append(_seconds(lambda n=name: api.post("lists/large/rules", {"block": [n]}, status=200)))  # type: ignore[misc]
                began = time.monotonic()
                _await(service, name, blocked=True)
                added.append(time.monotonic() - began + answered[-1])
                began = time.monotonic()
                api.post("lists/large/rules:batchDelete", {"block": [name]}, status=200)
                _await(service, name, blocked=False)
                removed.append(time.monotonic() - began)
            listed = api.get("lists/large")["rules"]
            worker_mib = max(service.worker_mib())
        troubles = len(service.troubles)
    return [
        told("rules", effort.rules),
        exactly("of them in the list, by the API", listed, effort.rules),
        told("a part is answered (202) after, longest", max(posted), "s"),
        at_most("and in force in every worker after, longest", max(bulk), 10, "s"),
        at_most("one more rule: from the request to every worker, longest", max(added), 1, "s"),
        told("its 2xx came after, longest", max(answered), "s"),
        at_most("one less: from the request to every worker, longest", max(removed), 1, "s"),
        told("queries meanwhile", len(load.asked)),
        exactly("lost of them", len(load.lost), 0),
        told("p99 meanwhile", load.percentile_ms(0.99), "ms"),
        told("a worker's own memory in the end", worker_mib, "MiB"),
        exactly("unexpected errors", troubles, 0),
    ]


def _seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _await(service: Service, name: str, *, blocked: bool) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not all(_is_blocked(service, name) is blocked for _ in range(_SOCKETS)):
        assert time.monotonic() < deadline, f"{name} is not in force"
        time.sleep(0.01)


def _is_blocked(service: Service, name: str) -> bool:
    with UdpClient(service.port) as client:
        return is_blocked(dns.message.from_wire(client.exchange(query(name, edns=True)[1])))
