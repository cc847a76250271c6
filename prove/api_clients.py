"""Many clients of the admin API at once, beside a DNS load: no error of the server's, and DNS does not feel it."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from prove.figures import Figure, at_most, exactly, told
from prove.queries import in_turn, mixed
from prove.service import Service
from prove.steady import Steady
from prove.upstream import Upstream
from tests.support.api import Api

WHAT = "many clients of the admin API beside a DNS load"
_OPEN = [f"open-{number}.example" for number in range(100)]
_BLOCKED = ["claude.ai", "api.openai.com"]
_READS = (
    "stats/summary",
    "lists",
    "groups",
    "explain?name=claude.ai&client=127.0.0.1",
    "status",
    "queries?limit=20",
    "catalogue",
    "stats/top?by=domain",
    "/metrics",
    "/ready",
)
_WRITES_SHARE = 10  # each so many-th call writes
_MOST_P99_MS = 20


@dataclass(frozen=True, slots=True)
class ApiClientsEffort:
    """Size of a run: the full one, or a short look."""

    clients: int
    seconds: float
    queries_per_second: int


FULL = ApiClientsEffort(clients=200, seconds=30.0, queries_per_second=5000)
SHORT = ApiClientsEffort(clients=20, seconds=3.0, queries_per_second=500)


def run(effort: ApiClientsEffort, folder: Path) -> list[Figure]:
    """Ask DNS alone, then with API clients beside it."""
    queries = mixed(in_turn(_BLOCKED), in_turn(_OPEN))
    with Upstream(folder / "upstream") as upstream:
        config = {"workers": 2, "upstream": {"servers": [upstream.server]}}
        with Service(folder / "moatdns", config, with_api=True) as service:
            api = service.api
            api.post("lists", {"name": "busy"})
            with Steady(service.port, queries, effort.queries_per_second) as calm:
                time.sleep(effort.seconds / 3)
            with Steady(service.port, queries, effort.queries_per_second) as busy:
                statuses = _clients(api, effort)
            after = api.get("lists/busy")["rules"]
        troubles = len(service.troubles)
    calls = sum(number for status, number in statuses.items() if status != _ADDED)
    return [
        told("API clients", effort.clients),
        told("calls", calls),
        told("calls a second", calls / effort.seconds),
        exactly("answered 5xx, or not at all", sum(n for status, n in statuses.items() if status >= 500), 0),
        exactly("rules added, less those in the list", statuses[_ADDED] - after, 0),
        told("DNS queries meanwhile", len(busy.asked)),
        exactly("lost of them", len(busy.lost), 0),
        told("DNS p99 without API clients", calm.percentile_ms(0.99), "ms"),
        at_most("DNS p99 meanwhile", busy.percentile_ms(0.99), _MOST_P99_MS, "ms"),
        exactly("unexpected errors", troubles, 0),
    ]


_ADDED = -1  # counts the rules whose addition was acknowledged
_NO_ANSWER = 599


def _clients(api: Api, effort: ApiClientsEffort) -> Counter[int]:
    """How often each status came; under _ADDED, how many rules were added."""
    found: list[Counter[int]] = []
    deadline = time.monotonic() + effort.seconds

    def client(number: int) -> None:
        seen: Counter[int] = Counter()
        found.append(seen)
        for turn in itertools.count(number):
            if time.monotonic() > deadline:
                return
            try:
                if turn % _WRITES_SHARE == 0:
                    rule = f"client-{number}-{turn}.example"
                    status = api.call("POST", "lists/busy/rules", {"block": [rule]}).status
                    seen[_ADDED] += status == 200
                else:
                    status = api.call("GET", _READS[turn % len(_READS)]).status
            except OSError:
                status = _NO_ANSWER
            seen[status] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(effort.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total: Counter[int] = Counter()
    for seen in found:
        total.update(seen)
    return total
