"""Which servers are up, which are down, and who is tried first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from resolver.errors import UpstreamError
from resolver.upstream.asking import Link, Place
from resolver.upstream.deadlines import Deadlines
from resolver.upstream.server import Server

_FAILURES_UNTIL_DOWN = 2  # in a row
_PROBE_SECONDS = 1.0


class Health:
    """The order in which servers are tried: as given, but those that are down come last.

    A server is down after two failures in a row: silences while it answered nobody else, or refusals. Anything that it
    says makes it up again. To learn whether it would say something, one question a second is put to it in the
    background, beside the healthy server that its client waits for.
    """

    def __init__(
        self, links: Sequence[Link], deadlines: Deadlines, clock: Callable[[], float], *, timeout_seconds: float
    ) -> None:
        self._links = tuple(links)
        self._deadlines = deadlines
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self.order = self._links  # swapped whole: an inquiry keeps the order that it began with
        self.some_are_down = False  # and some are not: there is something to probe beside a healthy server
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
            server.probe_at = self._clock() + _PROBE_SECONDS
            self._reorder()

    def _reorder(self) -> None:
        self.order = tuple(sorted(self._links, key=lambda link: link.server.is_down))  # sorted() keeps the given order
        self.some_are_down = self.order[-1].server.is_down and not self.order[0].server.is_down

    def probe(self, question: bytes, tail: bytes) -> None:
        """Put the question to each server that is down, if its last probe was long enough ago."""
        now = self._clock()
        for link in self.order:
            server = link.server
            if server.is_down and now >= server.probe_at:
                server.probe_at = now + _PROBE_SECONDS
                self.probes += 1
                Probe(self, question, tail).send(link, self._deadlines, now + self._timeout_seconds)


class Probe:
    """A question to a server that is down, whose answer nobody waits for."""

    tick = 0

    def __init__(self, health: Health, question: bytes, tail: bytes) -> None:
        self._health = health
        self.question = question
        self.tail = tail
        self._place: Place | None = None

    def send(self, link: Link, deadlines: Deadlines, until: float) -> None:
        """Ask; what is not heard by `until` is forgotten."""
        try:
            self._place = link.send(self)
        except UpstreamError:
            return  # down as before
        deadlines.add(self, until)

    def heard(self, link: Link, _response: bytes) -> None:
        """Whatever it says, it is there."""
        link.server.heard += 1
        self._health.alive(link.server)

    def lost(self, _link: Link, _error: UpstreamError) -> None:
        """It is down as before."""

    def due(self) -> None:
        """Silent, so down as before."""
        if self._place is not None:
            channel, message_id = self._place
            channel.forget(message_id, self)

    def close(self) -> None:
        """The forwarder closes: nobody is there to be told."""
