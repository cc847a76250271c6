"""A query log of millions of rows and months of roll-ups, read while queries come in: how long each reading takes."""

from __future__ import annotations

import http.client
import json
import random
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from prove import big_log_rows as log
from prove.dnsperf import dnsperf
from prove.figures import Figure, below, exactly, told
from prove.queries import write_for_dnsperf
from prove.service import Service
from prove.upstream import Upstream

WHAT = "10 million rows of the query log, read while it grows"
_DAYS = 5
_MOST_MS = 300
_OPEN = [f"open-{number}.example" for number in range(4_000)]
_BLOCKED = [f"n{number}.claude.ai" for number in range(400)]
_POLL_SECONDS = 0.5
_WINDOWS = {"1 h": 1, "24 h": 24, "7 d": 168, "30 d": 720}
_TOP = ("service", "vendor", "list", "domain", "group", "client", "exemption")


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of it."""

    rows: int
    months_days: int
    repeats: int
    queries_per_second: int
    polls: int


FULL = Effort(rows=10_000_000, months_days=30, repeats=5, queries_per_second=2_000, polls=20)
SHORT = Effort(rows=50_000, months_days=1, repeats=1, queries_per_second=300, polls=3)


@dataclass(slots=True)
class _Times:
    """Of one kind of call: as clients measure them, and as the log tells them; the first of each path apart."""

    first: list[float] = field(default_factory=list)
    later: list[float] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    @property
    def all(self) -> list[float]:
        return [*self.first, *self.later]


class _Reader:
    """Calls of one client on one connection, and how long they took in milliseconds, by kind."""

    def __init__(self, service: Service) -> None:
        self.times: dict[str, _Times] = {}
        self._connection = http.client.HTTPConnection("127.0.0.1", service.admin_port, timeout=30)
        self._headers = {"Authorization": f"Bearer {service.api.token}"}

    def get(self, kind: str, path: str, *, first: bool = False) -> Any:
        began = time.perf_counter()
        self._connection.request("GET", f"/api/v1/{path}", headers=self._headers)
        response = self._connection.getresponse()
        body = response.read()
        took = (time.perf_counter() - began) * 1000
        assert response.status == 200, (path, body)
        times = self.times.setdefault(kind, _Times())
        (times.first if first else times.later).append(took)
        times.ids.append(response.headers["X-Request-Id"])
        return json.loads(body)

    def walk(self, kind: str, **filters: str) -> tuple[int, list[dict[str, Any]]]:
        """From page to page to the end: how many pages, and all rows."""
        rows: list[dict[str, Any]] = []
        pages = 0
        cursor: dict[str, str] = {}
        while True:
            page = self.get(kind, f"queries?{urlencode({**filters, **cursor}, quote_via=quote)}")
            rows += page["items"]
            pages += 1
            if page["next"] is None:
                return pages, rows
            cursor = {"cursor": page["next"]}


def run(effort: Effort, folder: Path) -> list[Figure]:
    """Fill, start, and read: alone and cold, then while queries come in."""
    write_for_dnsperf(queries := folder / "queries", [*_OPEN, *_BLOCKED])
    with Upstream(folder / "upstream") as upstream:
        config = {
            "workers": 2,
            "upstream": {"servers": [upstream.server]},
            "query_log": {"what": "all", "max_mib": 4096},
        }
        service = Service(folder / "moatdns", config, with_api=True)
        with service:
            service.api.get("status")  # the store is there
        now = time.time()
        rollups = log.fill_statistics(service.state_dir / "moatdns.sqlite", effort.months_days, now, random.Random(1))
        log.fill_query_log(service.state_dir, effort.rows, _DAYS, now, random.Random(2))
        seconds = time.time() - now
        size = sum(path.stat().st_size for path in (service.state_dir / "query-log").iterdir()) / 2**20
        with service:
            reader = _Reader(service)
            cases = list(_cases(now))
            for kind, path in cases:
                reader.get(kind, path, first=True)
            with dnsperf(service.port, queries, effort.queries_per_second) as load:
                time.sleep(1.0)
                for _ in range(effort.repeats):
                    for kind, path in cases:
                        reader.get(kind, path)
                pages, rare = reader.walk("log: rare client, page by page", client=log.RARE_CLIENT)
            assert load.load
            troubles = len(service.troubles)
            calls = {event["request_id"]: float(event["ms"]) for event in service.events_named("call")}
    figures = [
        told("rows of the log", effort.rows),
        told("its size", size, "MiB"),
        told("rows of roll-ups", rollups),
        told("time to write both", seconds, "s"),
    ]
    for kind, times in reader.times.items():
        figures.append(told(f"{kind}: p50", statistics.median(times.later or times.first), "ms"))
        if times.first:
            figures.append(told("– first after the start, longest", max(times.first), "ms"))
        figures.append(below("– longest", max(times.all), _MOST_MS, "ms"))
        figures.append(below("– longest on the server", max(calls[one] for one in times.ids), _MOST_MS, "ms"))
    figures += [
        exactly("rows of the rare client, less those that there are", len(rare) - effort.rows // log.RARE_EVERY, 0),
        told("– pages", pages),
        exactly("queries lost meanwhile", load.load.lost, 0),
        exactly("unexpected errors", troubles, 0),
    ]
    return figures


def _cases(now: float) -> Iterable[tuple[str, str]]:
    def at(hours: float) -> str:
        return (datetime.fromtimestamp(now, UTC) - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")

    client, service = log.client_of(0), log.SERVICES[4]
    yield "log: first page", "queries?limit=100"
    yield "log: first page", "queries?limit=1000"
    yield "log: matches many", "queries?verdict=allow"
    yield "log: matches many", f"queries?client={client}"
    yield "log: matches many", "queries?group=group-3&verdict=allow"
    yield "log: matches some", f"queries?service={service}"
    yield "log: matches some", f"queries?client={client}&verdict=exempt"
    yield "log: matches some", "queries?name=site-100.example"
    yield "log: matches few or none", f"queries?client={log.RARE_CLIENT}"
    yield "log: matches few or none", f"queries?name={log.RARE_NAME}"
    yield "log: matches few or none", "queries?name=nowhere.example"
    yield "log: matches few or none", "queries?client=192.0.2.1&verdict=block&group=group-1"
    yield "log: window", f"queries?from={at(30)}&to={at(29)}"
    yield "log: window", f"queries?from={at(100)}&to={at(99)}&client={client}"
    yield "log: window", f"queries?from={at(0.25)}&to={at(0.2)}&client=192.0.2.1"
    for name, hours in _WINDOWS.items():
        yield f"summary, {name}", f"stats/summary?from={at(hours)}"
        for by in _TOP:
            yield f"top, {name}", f"stats/top?by={by}&from={at(hours)}&limit=10"
        step = max(60, hours * 3600 // 120 // 60 * 60)
        yield f"series, {name}", f"stats/series?step_seconds={step}&from={at(hours)}"
