"""Health of servers: which are up, which are down, and the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from resolver.errors import UpstreamError
from resolver.upstream.asking import Asker, Link, Place
from resolver.upstream.deadlines import Deadlines
from resolver.upstream.randomness import Randomness
from resolver.upstream.server import Server

_FAILURES_UNTIL_DOWN: Final = 2  # in a row
_PROBE_SECONDS: Final = 1.0
# By how much another server must answer sooner to be asked first instead of the one that is. So chance does not have
# two equal ones take turns.
_SOONER: Final = 0.8
_SOONER_SECONDS: Final = 0.0005

_BY_LATENCY: Final = ("fastest", "parallel")


class Health:
    """The order in which servers are tried: as the strategy says, but those that are down come last.

    A server is down after two failures in a row: silences while it answered nobody else, or refusals. Anything that it
    says makes it up again. To learn whether it would say something, one question a second is put to it in the
    background, beside the healthy server that its client waits for. Where latency decides, those that are not asked
    first are measured in the same way.
    """

    def __init__(
        self,
        links: Sequence[Link],
        deadlines: Deadlines,
        clock: Callable[[], float],
        *,
        timeout_seconds: float,
        strategy: str = "ordered",
        randomness: Randomness,
    ) -> None:
        self._links = tuple(links)
        self._deadlines = deadlines
        self.clock = clock
        self._timeout_seconds = timeout_seconds
        self._asked_anyway = 2 if strategy == "parallel" else 1  # of the order: they need no probe to be measured
        self._by_latency = strategy in _BY_LATENCY and len(self._links) > 1
        self._randomness = randomness
        self._sort_at = 0.0
        self._up = len(self._links)
        self.is_random = strategy == "random" and len(self._links) > 1
        self.order = self._links  # swapped whole: an inquiry keeps the order that it began with
        self.watches = self._by_latency  # there is something to probe beside a healthy server
        self.probes = 0

    def alive(self, server: Server) -> None:
        """It said something."""
        server.failures = 0
        if server.is_down:
            server.is_down = False
            self._reorder()

    def failed(self, server: Server) -> None:
        """It stayed silent or refused."""
        server.failures += 1
        if server.failures >= _FAILURES_UNTIL_DOWN and not server.is_down:
            server.is_down = True
            server.probe_at = self.clock() + _PROBE_SECONDS
            self._reorder()

    def drawn(self) -> tuple[Link, ...]:
        """The servers, beginning with any of those that are up."""
        up = self._up or len(self.order)
        first = self._randomness.octet() % up
        return (*self.order[first:up], *self.order[:first], *self.order[up:])

    def _reorder(self) -> None:
        first = self.order[0]
        order = sorted(self._links, key=lambda link: link.server.is_down)  # sorted() keeps the given order
        self._up = up = sum(not link.server.is_down for link in order)
        if self._by_latency:
            order[:up] = sorted(order[:up], key=_latency)
            if up and not first.server.is_down and not _is_sooner(order[0], first):
                order.remove(first)
                order.insert(0, first)
        self.order = tuple(order)
        self.watches = self._by_latency or 0 < up < len(order)

    def watch(self, question: bytes, tail: bytes) -> None:
        """Put the question to each server that is down or to be measured, if its last probe was long enough ago."""
        now = self.clock()
        if self._by_latency and now >= self._sort_at:
            self._sort_at = now + _PROBE_SECONDS
            self._reorder()
        first = self.order[0]
        if first.server.is_down:
            return  # then all are, and each is asked anyway
        for place, link in enumerate(self.order):
            server = link.server
            is_measured = self._by_latency and place >= self._asked_anyway
            if now >= server.probe_at and (server.is_down or is_measured):
                server.probe_at = now + _PROBE_SECONDS
                self.probes += 1
                Probe(self, question, tail).send(link, self._deadlines, now, now + self._timeout_seconds)


def _latency(link: Link) -> float:
    return link.server.latency or float("inf")


def _is_sooner(link: Link, first: Link) -> bool:
    latency = _latency(link)
    return latency < _latency(first) * _SOONER and _latency(first) - latency > _SOONER_SECONDS


class Probe(Asker):
    """A question to a server that is not the one whose answer is waited for."""

    def __init__(self, health: Health, question: bytes, tail: bytes) -> None:
        self._health = health
        self.question = question
        self.tail = tail
        self._place: Place | None = None
        self._asked_at = 0.0
        self._link: Link | None = None

    def send(self, link: Link, deadlines: Deadlines, now: float, until: float) -> None:
        """Ask; what is not heard by `until` is forgotten."""
        self._asked_at = now
        self._link = link
        try:
            self._place = link.send(self)
        except UpstreamError as error:
            link.server.trouble = str(error)
            return  # down as before
        deadlines.add(self, until)

    def heard(self, link: Link, _response: bytes) -> None:
        """The server is there, whatever it says."""
        server = link.server
        self._place = None
        server.heard += 1
        server.measured(self._health.clock() - self._asked_at)
        self._health.alive(server)

    def lost(self, link: Link, error: UpstreamError) -> None:
        """It is down as before."""
        self._place = None
        link.server.trouble = str(error)

    def doubted(self, link: Link) -> None:
        """Nobody believes what comes here."""

    def due(self) -> None:
        """Silent, so down as before, or slow."""
        if self._place is not None and self._link is not None:
            carrier, message_id = self._place
            self._place = None
            carrier.forget(message_id, self)
            self._link.server.waited_for(self._health.clock() - self._asked_at)

    def close(self) -> None:
        """The forwarder closes: nobody is there to be told."""
