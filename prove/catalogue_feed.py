"""A feed of signed catalogues under load: new versions in force without a restart; bad ones change nothing.

Versions are published one after the other on a real HTTP server; then what nobody may take: tampered with, older, of
another content, expired, by a wrong key, unsigned, cut off, too large, a web page, with an innocent name; a change that
is too large; at last another key takes the place of the first. Whatever happens, no query is lost, and the names that
all good versions have are blocked in each answer.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dns.message

from blocklists.feed.minisign import SecretKey
from prove.figures import Figure, at_least, at_most, exactly, told
from prove.queries import in_turn
from prove.service import Service
from prove.steady import Steady
from prove.upstream import Upstream
from tests.support.clients import ask, is_blocked
from tests.support.programs import wait_until
from tests.support.publisher import REFUSED, Publisher, catalogue

WHAT = "a feed brings signed catalogues under load, good ones and bad ones"
_BLOCKED = ("good.example", "www.good.example", "claude.ai")
_OPEN = "open.example"
_ZERO = "0.0.0.0"
_ENOUGH_SECONDS = 60.0
_IN_FORCE_SECONDS = 10.0
_REFUSED_EVENT = "catalogue from the feed refused"


@dataclass(frozen=True, slots=True)
class CatalogueFeedEffort:
    """Size of a run: the full one, or a short look."""

    versions: int
    wrong: int  # of the ways to publish wrongly, from the first on
    queries_per_second: int


FULL = CatalogueFeedEffort(versions=10, wrong=len(REFUSED), queries_per_second=2000)
SHORT = CatalogueFeedEffort(versions=2, wrong=3, queries_per_second=300)


def run(effort: CatalogueFeedEffort, folder: Path) -> list[Figure]:
    """Publish, look at the answers, count."""
    took: list[float] = []
    with (
        Upstream(folder / "upstream") as upstream,
        Publisher() as publisher,
        Service(folder / "moatdns", _config(upstream, publisher, publisher.key), with_api=True) as service,
    ):
        publisher.publish(catalogue(1, "good.example"))
        _look(service)
        _has(service, 1)
        workers, control = service.worker_pids(), service.control()
        stream = in_turn([*_BLOCKED, _OPEN])
        with Steady(service.port, stream, effort.queries_per_second, look=_seen) as steady:
            for number in range(2, effort.versions + 2):
                publisher.publish(catalogue(number, "good.example", f"new-{number}.example"))
                began = time.monotonic()
                _look(service)
                name = f"new-{number}.example"
                wait_until(partial(_is_blocked, service, name), name, seconds=_ENOUGH_SECONDS)
                took.append(time.monotonic() - began)
                _has(service, number)
            newest = effort.versions + 1
            reasons = [_refused(service, publisher, case, newest) for case in list(REFUSED)[: effort.wrong]]
            is_held = _is_held(service, publisher, newest + 5)  # numbers between were seen
            is_same = workers == service.worker_pids() and control == service.control()
            rotated = _rotated(service, publisher, upstream, newest + 6)
            refused_key = _refused(service, publisher, "older", newest + 7, key=publisher.key)
        troubles = len(service.troubles)
    wrong = sum(reason != expected for reason, expected in zip(reasons, REFUSED.values(), strict=False))
    blocked = [asked for asked in steady.asked if asked.name in _BLOCKED]
    return [
        told(f"{effort.versions} versions and {effort.wrong} that are bad; queries", len(steady.asked)),
        exactly("lost", len(steady.lost), 0),
        at_least("looked at, of names that are blocked throughout", len(blocked), len(steady.asked) // 2),
        exactly("not blocked", sum(asked.seen != _ZERO for asked in blocked), 0),
        at_most("a new version is in force after, longest", max(took), _IN_FORCE_SECONDS, "s"),
        exactly("bad ones that were taken, or told for another reason", wrong, 0),
        exactly("a change of more than a tenth that was not held", int(not is_held), 0),
        exactly("a key that was rotated in, not taken; rotated out, taken", int(not rotated) + (refused_key == ""), 0),
        exactly("processes that were started anew by the feed", int(not is_same), 0),
        told("slowest answer", steady.percentile_ms(1), "ms"),
        exactly("unexpected errors", troubles, 0),
    ]


def _config(upstream: Upstream, publisher: Publisher, *keys: SecretKey) -> dict[str, Any]:
    trusted = [key.public.line for key in keys]
    feed = {"feed": publisher.url, "keys": trusted, "allow_private": True, "max_mib": 1}
    return {"workers": 2, "upstream": {"servers": [upstream.server]}, "policy": {"catalogue": feed}}


def _is_blocked(service: Service, name: str) -> bool:
    return is_blocked(ask(service.port, name))


def _look(service: Service) -> None:
    service.api.post("catalogue:refresh", None, status=202)


def _feed(service: Service) -> dict[str, Any]:
    feed: dict[str, Any] = service.api.get("catalogue")["feed"]
    return feed


def _has(service: Service, number: int) -> bool:
    def has() -> bool:
        feed = _feed(service)
        return bool(feed["in_force"]) and feed["in_force"]["version"] == number and not feed["last_error"]

    return wait_until(has, f"version {number} in force", seconds=_ENOUGH_SECONDS)


def _refused(service: Service, publisher: Publisher, case: str, number: int, key: SecretKey | None = None) -> str:
    """The reason for which it was refused, with version `number` still in force; "" where another is."""
    known = len(service.events_named(_REFUSED_EVENT))
    publisher.publish_wrongly(case, number)
    if key is not None:
        publisher.publish(catalogue(number + 1, "good.example", "evil.example"), key=key)
    _look(service)
    wait_until(lambda: len(service.events_named(_REFUSED_EVENT)) > known, f"{case}: refused", seconds=_ENOUGH_SECONDS)
    is_kept = _feed(service)["in_force"]["version"] == number and not is_blocked(ask(service.port, "evil.example"))
    return str(service.events_named(_REFUSED_EVENT)[-1]["reason"]) if is_kept else ""


def _is_held(service: Service, publisher: Publisher, number: int) -> bool:
    publisher.publish(catalogue(number, "good.example", *(f"many-{one}.example" for one in range(300))))
    _look(service)
    wait_until(lambda: _feed(service)["waiting"], "a large change is held", seconds=_ENOUGH_SECONDS)
    return not is_blocked(ask(service.port, "many-7.example"))


def _rotated(service: Service, publisher: Publisher, upstream: Upstream, number: int) -> bool:
    """Whether another key's catalogue is taken while both are trusted, and stays when the first is no more."""
    new = SecretKey.generate()
    _reload(service, _config(upstream, publisher, publisher.key, new))
    publisher.publish(catalogue(number, "good.example"), key=new)
    _look(service)
    _has(service, number)
    publisher.publish(catalogue(number + 1, "good.example"), key=new)
    _reload(service, _config(upstream, publisher, new))
    _look(service)
    return _has(service, number + 1)


def _reload(service: Service, config: dict[str, Any]) -> None:
    known = len(service.events)
    service.write_config(config)
    service.signal(signal.SIGHUP)
    service.wait_for_another("reloaded", known)


def _seen(wire: bytes) -> str:
    answer = dns.message.from_wire(wire)
    return str(answer.answer[0][0]) if answer.answer else ""
