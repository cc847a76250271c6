"""A query log of millions of rows and months of roll-ups, read while queries come in: how long each reading takes.

Beside the readings somebody follows the log from its newest row on: at the end, every query was seen once.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from admin_api.store.engine import FILE
from prove import big_log_rows as log
from prove.dnsperf import dnsperf
from prove.figures import Figure, below, exactly, told
from prove.queries import write_for_dnsperf
from prove.service import Service
from prove.upstream import Upstream

WHAT = "10 million rows of the query log, read while it grows"
_DAYS = 5
_MEASURED = ("/api/v1/queries", "/api/v1/stats/", "/queries")
_MOST_MS = 300
_NAMES = [*(f"open-{number}.example" for number in range(4_000)), *(f"n{number}.claude.ai" for number in range(400))]
_POLL_SECONDS = 2.0
_WRITTEN_SECONDS = 3.0  # after its answer, each query is in the log
_WINDOWS = {"1 h": 1, "24 h": 24, "7 d": 168, "30 d": 720}
_WHY = "a measurement"
_TOP = ("service", "vendor", "list", "domain", "group", "client", "exemption")

Query = dict[str, str | int]


@dataclass(frozen=True, slots=True)
class BigLogEffort:
    """Size of a run: the full one, or a short look."""

    rows: int
    rollup_days: int
    minutes_hours: int  # of which there are roll-ups by minutes
    repeats: int
    queries_per_second: int


FULL = BigLogEffort(rows=10_000_000, rollup_days=30, minutes_hours=48, repeats=5, queries_per_second=2_000)
SHORT = BigLogEffort(rows=50_000, rollup_days=2, minutes_hours=1, repeats=1, queries_per_second=300)


@dataclass(slots=True)
class _Times:
    """Of one kind of call, in milliseconds: the first of each path after the start, and the others."""

    first: list[float] = field(default_factory=list)
    later: list[float] = field(default_factory=list)


class _Caller:
    """Calls of one client on one connection, and how long they took."""

    def __init__(self, service: Service) -> None:
        self.times: dict[str, _Times] = {}
        self._cookie = self._csrf = ""
        self._connection = http.client.HTTPConnection("127.0.0.1", service.admin_port, timeout=30)
        self._headers = {"Authorization": f"Bearer {service.api.token}"}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def get(self, kind: str, path: str, query: Query, *, first: bool = False) -> Any:
        """The body of a GET of the API, which must succeed; one that looks at persons says why."""
        if "client" in query or query.get("by") == "client":
            query = {**query, "reason": _WHY}
        return json.loads(self._get(kind, f"/api/v1/{path}", query, self._headers, first=first))

    def log_in(self, token: str) -> None:
        """Have a session, for pages."""
        self._cookie = str(self._post("/login", {"token": token})["Set-Cookie"]).partition(";")[0]
        page = self._get("page: the overview", "/", {}, {"Cookie": self._cookie}, first=True).decode()
        self._csrf = page.partition('name="csrf" value="')[2].partition('"')[0]

    def say_why(self, client: str) -> None:
        """Give the reason for looks at a client's queries, which pages ask for once."""
        form = {"csrf": self._csrf, "operation": "GET /queries", "client": client, "reason": _WHY, "next": "/"}
        self._post("/look", form)

    def _post(self, path: str, form: dict[str, str]) -> http.client.HTTPMessage:
        """The headers of the answer to a form, which must lead on."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        self._connection.request("POST", path, urlencode(form), {**headers, "Cookie": self._cookie})
        response = self._connection.getresponse()
        response.read()
        assert response.status == 303, response.status
        return response.headers

    def look(self, kind: str, path: str, query: Query, *, first: bool = False) -> None:
        """Get a page, as a browser does, which must succeed."""
        self._get(kind, path, query, {"Cookie": self._cookie}, first=first)

    def _get(self, kind: str, path: str, query: Query, headers: dict[str, str], *, first: bool) -> bytes:
        began = time.perf_counter()
        self._connection.request("GET", f"{path}?{urlencode(query)}", headers=headers)
        response = self._connection.getresponse()
        body = response.read()
        took = (time.perf_counter() - began) * 1000
        assert response.status == 200, (path, query, body)
        times = self.times.setdefault(kind, _Times())
        (times.first if first else times.later).append(took)
        return body

    def walk(self, kind: str, **query: str | int) -> tuple[int, list[dict[str, Any]], str | None]:
        """From page to page to the end: how many pages, all rows, and `newest` of the first."""
        page = self.get(kind, "queries", query)
        pages, rows, newest = 1, page["items"], page["newest"]
        while page["next"] is not None:
            page = self.get(kind, "queries", {**query, "cursor": page["next"]})
            pages += 1
            rows += page["items"]
        return pages, rows, newest


def run(effort: BigLogEffort, folder: Path) -> list[Figure]:
    """Fill, start, and read: alone first, then while queries come in."""
    write_for_dnsperf(queries := folder / "queries", _NAMES)
    with Upstream(folder / "upstream") as upstream:
        config = {
            "workers": 2,
            "upstream": {"servers": [upstream.server]},
            "query_log": {"what": "all", "max_mib": 4096},
        }
        service = Service(folder / "moatdns", config, with_api=True)
        with service:
            service.api.get("status")  # there is a store then
        now = time.time()
        store = service.state_dir / FILE
        rollups = log.fill_statistics(store, effort.rollup_days, effort.minutes_hours, now, random.Random(1))
        log.fill_query_log(service.state_dir, effort.rows, _DAYS, now, random.Random(2))
        written = time.time() - now
        size = sum(path.stat().st_size for path in (service.state_dir / "query-log").iterdir()) / 2**20
        os.sync()  # else what is written now waits for all of that
        with service, closing(_Caller(service)) as caller, closing(_Caller(service)) as follower:
            service.api.get("status")  # the control process is up
            cases = list(_cases(now))
            pages_of_site = list(_pages())
            caller.log_in(str(service.api.token))
            for _, _, query in pages_of_site:
                if "client" in query:
                    caller.say_why(str(query["client"]))
            for kind, path, query in pages_of_site:
                caller.look(kind, path, query, first=True)
            for kind, path, query in cases:
                caller.get(kind, path, query, first=True)
            with _following(follower) as followed:
                with dnsperf(service.port, queries, effort.queries_per_second) as load:
                    for kind, path, query in cases * effort.repeats:
                        caller.get(kind, path, query)
                    for kind, path, query in pages_of_site * effort.repeats:
                        caller.look(kind, path, query)
                    pages, rare, _ = caller.walk("log: a rare client, to the end", client=log.RARE_CLIENT)
                assert load.load
            calls = [event for event in service.events_named("call") if _is_measured(event["path"])]
            slowest = max(float(event["ms"]) for event in calls)
            troubles = len(service.troubles)
    return [
        told("rows of the log", effort.rows),
        told("its size", size, "MiB"),
        told("rows of roll-ups", rollups),
        told("time to write both", written, "s"),
        *_of_times({**caller.times, **follower.times}),
        below("longest of all on the server, as its log tells", slowest, _MOST_MS, "ms"),
        told("pages down to the last row of the rare client", pages),
        exactly("– its rows, less those that there are", len(rare) - log.RARE_ROWS, 0),
        told("queries meanwhile", load.load.sent),
        exactly("– lost", load.load.lost, 0),
        exactly("– seen by following the log, less those that were sent", len(followed) - load.load.sent, 0),
        exactly("unexpected errors", troubles, 0),
    ]


def _is_measured(path: str) -> bool:
    return path == "/" or path.startswith(_MEASURED)


@contextmanager
def _following(caller: _Caller) -> Iterator[list[Any]]:
    """Look for new rows all the time, until some while after the block; gives them."""
    seen: list[Any] = []
    over = threading.Event()

    def follow() -> None:
        after = caller.get("log: its newest row", "queries", {"limit": 1})["newest"]
        is_last = False
        while not is_last:
            is_last = over.wait(_POLL_SECONDS)
            if is_last:
                time.sleep(_WRITTEN_SECONDS)
            _, rows, after = caller.walk("log: what came since the last look", limit=1000, after=after)
            seen.extend(rows)

    thread = threading.Thread(target=follow, name="follower")
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _of_times(kinds: dict[str, _Times]) -> Iterator[Figure]:
    for kind, times in kinds.items():
        yield told(f"{kind}: p50", statistics.median(times.later), "ms")
        yield below("– longest", max(times.later), _MOST_MS, "ms")
        if times.first:
            yield below("– longest of the first after the start", max(times.first), _MOST_MS, "ms")


def _pages() -> Iterator[tuple[str, str, Query]]:
    """Pages that are looked at: kind, path and query."""
    for window in ("1h", "24h", "7d", "30d"):
        yield "page: the overview", "/", {"range": window}
    filters: tuple[Query, ...] = (
        {},
        {"verdict": "block"},
        {"client": log.client_of(0), "range": "7d"},
        {"client": log.RARE_CLIENT},
        {"contains": "nowhere"},
    )
    for query in filters:
        yield "page: the query log", "/queries", query


def _cases(now: float) -> Iterator[tuple[str, str, Query]]:
    """The calls to make: kind, path and query."""

    def between(hours: float, until: float) -> Query:
        moments = (datetime.fromtimestamp(now, UTC) - timedelta(hours=back) for back in (hours, until))
        return dict(zip(("from", "to"), (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in moments), strict=True))

    client = log.client_of(0)
    kinds: dict[str, list[Query]] = {
        "first page": [{"limit": 100}, {"limit": 1000}],
        "many match": [{"verdict": "allow"}, {"client": client}, {"group": "group-3", "verdict": "allow"}],
        "some match": [
            {"service": log.SERVICES[4]},
            {"client": client, "verdict": "exempt"},
            {"name": "site-100.example"},
            {"contains": "-12345."},
        ],
        "few or none match": [
            {"client": log.RARE_CLIENT},
            {"name": log.RARE_NAME},
            {"contains": "nowhere"},
            {"client": "192.0.2.1", "verdict": "block", "group": "group-1"},
        ],
        "a time window": [
            between(30, 29),
            {**between(100, 99), "client": client},
            {**between(0.25, 0.2), "client": "192.0.2.1"},
        ],
    }
    for kind, some in kinds.items():
        for query in some:
            yield f"log: {kind}", "queries", query
    for name, hours in _WINDOWS.items():
        window = {"from": between(hours, 0)["from"]}
        yield f"summary, {name}", "stats/summary", window
        for by in _TOP:
            yield f"top, {name}", "stats/top", {**window, "by": by, "limit": 10}
        yield f"series, {name}", "stats/series", {**window, "step_seconds": max(60, hours * 3600 // 120 // 60 * 60)}
