"""A list's server fails in every way: the last good copy stays whole and in force, and three places say so.

It answers 404 and 500, hangs, drips, breaks off in the middle, sends a web page, and a list of less than half the
rules. Each time the list is due by itself, under load: an answer by anything but all the rules of the last good copy
would show at once.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dns.message

from admin_api.store.engine import FILE
from admin_api.store.lists import PRIVATE_ERROR
from prove.figures import Figure, at_most, exactly, told
from prove.queries import in_turn
from prove.service import Service
from prove.steady import Steady
from prove.upstream import Upstream
from tests.support import feed as served
from tests.support.api import Api
from tests.support.feed import Behave, Feed
from tests.support.programs import wait_until

WHAT = "the server of a list fails in every way that servers do"
_FETCH_SECONDS = 3
_ENOUGH_SECONDS = 60.0
_ALERT_SECONDS = 15.0  # a look each five seconds, and a message
_ZERO = "0.0.0.0"
_METRIC = 'moatdns_list_failing{list="feed"}'
_SECRET = "what both know"


@dataclass(frozen=True, slots=True)
class ListSourcesEffort:
    """Size of a run: the full one, or a short look."""

    faults: int  # of those in _FAULTS, from the first on
    rules: int
    queries_per_second: int


@dataclass(frozen=True, slots=True)
class _Fault:
    how: str
    behave: Behave
    said: str  # by `last_error`
    keeps: float = 1.0  # of the list's rules


_FAULTS = (  # none is said in the words of the one before it: what goes on is told once
    _Fault("shrinks to 40 %", served.serve, "loses more than half", keeps=0.4),
    _Fault("breaks off", served.half, "is truncated"),
    _Fault("HTML", served.page, "a web page"),
    _Fault("hangs", served.hang, "it took longer than"),
    _Fault("404", served.status(404), "the server answered 404"),
    _Fault("500", served.status(500), "the server answered 500"),
    _Fault("drips", served.drip, "it took longer than"),
    _Fault("empty", served.serve, "it contains no rules", keeps=0.0),
)
FULL = ListSourcesEffort(len(_FAULTS), rules=10_000, queries_per_second=2000)
SHORT = ListSourcesEffort(3, rules=200, queries_per_second=300)


def run(effort: ListSourcesEffort, folder: Path) -> list[Figure]:
    """Fetch it once, let its server fail in each way, and mend it."""
    names = [f"n{number}.feed.example" for number in range(effort.rules)]
    whole = _content(names)
    alerts: list[float] = []
    kept = metrics = 0
    with (
        Upstream(folder / "upstream") as upstream,
        Feed(whole) as feed,
        _receiver() as (hook, came),
        Service(folder / "moatdns", _config(upstream, hook), with_api=True) as service,
    ):
        api = service.api
        api.post("lists", {"name": "feed", "url": feed.url, "allow_private": True})
        _has(api, len(names))
        stream = in_turn([names[0], names[len(names) // 2], names[-1]])
        with Steady(service.port, stream, effort.queries_per_second, look=_seen) as steady:
            for number, fault in enumerate(_FAULTS[: effort.faults]):
                feed.behave, feed.content = fault.behave, _content(names[: int(len(names) * fault.keeps)])
                known, began = len(came), time.monotonic()
                _make_due(service.state_dir, api, number)
                item = _failed(api, fault)
                kept += item["rules"] == len(names)
                metrics += f"{_METRIC} 1.0" in api.get("/metrics")
                _wait_for_message(came, known, fault)
                alerts.append(time.monotonic() - began)
        feed.behave, feed.content = served.serve, _content([*names, "new.feed.example"])
        api.post("lists/feed:refresh", {}, status=202)
        _has(api, len(names) + 1)
        is_well = wait_until(lambda: f"{_METRIC} 0.0" in api.get("/metrics"), "the metric")
        troubles = len(service.troubles)
    tried = effort.faults
    return [
        told(f"a list of {len(names):,} rules whose server fails in {tried} ways; queries", len(steady.asked)),
        exactly("lost", len(steady.lost), 0),
        exactly("not blocked by the last good copy", sum(a.seen != _ZERO for a in steady.asked), 0),
        exactly("failures after which the copy was not whole, with last_error", tried - kept, 0),
        exactly("failures that moatdns_list_failing does not tell", tried - metrics, 0),
        at_most("a webhook's message about it came after, longest", max(alerts), _ALERT_SECONDS + _FETCH_SECONDS, "s"),
        exactly("mended: moatdns_list_failing stays", int(not is_well), 0),
        exactly("unexpected errors", troubles, 0),
    ]


def _has(api: Api, rules: int) -> None:
    """Wait until the list has so many rules, and they are in force."""

    def has() -> bool:
        item = api.get("lists/feed")
        return item["rules"] == rules and item["last_error"] is None and item["refresh"]["state"] == "idle"

    wait_until(has, f"a list of {rules} rules", seconds=_ENOUGH_SECONDS)


def _failed(api: Api, fault: _Fault) -> dict[str, Any]:
    """The list, once it says how its server failed."""

    def found() -> dict[str, Any] | None:
        item: dict[str, Any] = api.get("lists/feed")
        return item if fault.said in (item["last_error"] or "") else None

    item = wait_until(found, f"{fault.how}: last_error", seconds=_ENOUGH_SECONDS)
    assert item is not None
    return item


def _wait_for_message(came: list[dict[str, Any]], known: int, fault: _Fault) -> None:
    def has_come() -> bool:  # the feed is at a private address, of which hooks do not hear what is there
        return any(m["type"] == "list.refused" and m["data"]["why"] == PRIVATE_ERROR for m in came[known:])

    wait_until(has_come, f"{fault.how}: a message", seconds=_ENOUGH_SECONDS)


def _make_due(state_dir: Path, api: Api, number: int) -> None:
    """Its time has come, though nobody asked for it: what is asked for is believed, however short."""
    with closing(sqlite3.connect(state_dir / FILE, timeout=10)) as store, store:
        day = 200_000 * 1_000_000  # microseconds
        store.execute(
            "UPDATE lists SET last_success_at = last_success_at - ?, last_attempt_at = last_attempt_at - ? "
            "WHERE name = 'feed'",
            (day, day),
        )
    reply = api.call("PATCH", "lists/feed", {"refresh_seconds": 80_000 + number})  # and it is reckoned anew
    assert reply.status == 200, reply


@contextmanager
def _receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Takes messages while the context lasts; gives its URL, and what came."""
    came: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="webhook receiver")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _content(names: list[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


def _seen(wire: bytes) -> str:
    answer = dns.message.from_wire(wire)
    return str(answer.answer[0][0]) if answer.answer else ""


def _config(upstream: Upstream, hook: str) -> dict[str, Any]:
    return {
        "workers": 2,
        "upstream": {"servers": [upstream.server]},
        "subscriptions": {"timeout_seconds": _FETCH_SECONDS},
        "webhooks": [{"url": hook, "secret": _SECRET, "events": ["list.refused"], "allow_private": True}],
    }
