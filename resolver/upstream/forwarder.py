"""The door to the upstreams: a question in, an answer or an error out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from resolver.config.settings import UpstreamServer
from resolver.errors import UpstreamError, UpstreamUnreachable
from resolver.upstream.asking import Link
from resolver.upstream.deadlines import Deadlines
from resolver.upstream.health import Health
from resolver.upstream.inquiry import Circumstances, Inquiry
from resolver.upstream.randomness import Randomness
from resolver.upstream.server import Server
from resolver.upstream.stream import StreamLink
from resolver.upstream.udp import Readiness, UdpPool
from resolver.wire.query import query_tail

MAX_SECONDS = 4.5  # so that a client has its answer within 5 s, the patience of a stub resolver


class Forwarder:
    """Asks the upstreams in the given order; make one in each process, after the fork.

    How many questions are in flight is bounded by the caller.
    """

    def __init__(
        self,
        servers: Sequence[UpstreamServer],
        *,
        timeout_seconds: float,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float] = time.monotonic,
        max_seconds: float = MAX_SECONDS,
    ) -> None:
        self._counts = dict.fromkeys(("asked", "answered", "timeouts", "tcp_retries", "fail_overs"), 0)
        self._is_closed = False
        self.servers = tuple(Server(each) for each in servers)  # for statistics: plain counts, and who is down
        self._deadlines = Deadlines(loop, clock)
        self._readiness = Readiness(loop)
        randomness = Randomness()
        streams: dict[Server, Link] = {
            server: StreamLink(server, loop=loop, randomness=randomness, connect_seconds=timeout_seconds)
            for server in self.servers
        }
        links: list[Link] = []
        for settings, server in zip(servers, self.servers, strict=True):
            if settings.transport == "tcp":
                links.append(streams[server])
            else:
                links.append(UdpPool(server, loop=loop, clock=clock, randomness=randomness, readiness=self._readiness))
        self._links = [*links, *streams.values()]
        self._health = Health(links, self._deadlines, clock, timeout_seconds=timeout_seconds)
        self._circumstances = Circumstances(
            clock=clock,
            deadlines=self._deadlines,
            health=self._health,
            streams=streams,
            timeout_seconds=timeout_seconds,
            max_seconds=max_seconds,
            counts=self._counts,
        )

    def ask(
        self,
        question: bytes,
        *,
        dnssec_ok: bool,
        checking_disabled: bool,
        done: Callable[[bytes | UpstreamError], None],
    ) -> None:
        """Put `question` (a wire question section of one entry) to the upstreams.

        `done` is called exactly once, perhaps before this returns: with a whole response message, checked to come from
        the server that was asked, with the right ID and question, and neither truncated nor one of the rcodes by
        which a server says that it will not answer; or with an UpstreamError, at most `max_seconds` later.
        """
        self._counts["asked"] += 1
        health = self._health
        if not health.order or self._is_closed:
            why = "the resolver is shutting down" if self._is_closed else "no upstream is configured"
            done(UpstreamUnreachable(why))
            return
        tail = query_tail(question, dnssec_ok=dnssec_ok, checking_disabled=checking_disabled)
        if health.some_are_down:
            health.probe(question, tail)
        Inquiry(self._circumstances, question, tail, done, health.order).begin()

    @property
    def in_flight(self) -> int:
        """Questions, probes included, that still wait."""
        return len(self._deadlines)

    @property
    def counts(self) -> dict[str, int]:
        """What has happened so far, by name."""
        return {
            **self._counts,
            "wrong_replies": sum(server.wrong_replies for server in self.servers),
            "unreachable": sum(server.unreachable for server in self.servers),
            "probes": self._health.probes,
        }

    def close(self) -> None:
        """Give up all that is in flight, each with UpstreamUnreachable, and close all sockets."""
        self._is_closed = True
        for waiting in self._deadlines.take_all():
            waiting.close()
        for link in self._links:
            link.close()
        self._readiness.close()
