"""Forwarder to the upstreams of one zone: a question in, an answer or an error out."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence

from resolver.config.settings import Limits, UpstreamOptions, UpstreamServer
from resolver.errors import UpstreamError, UpstreamUnreachable
from resolver.upstream.asking import Link
from resolver.upstream.bootstrap import Bootstrap
from resolver.upstream.circumstances import Circumstances
from resolver.upstream.connecting import Dialling
from resolver.upstream.deadlines import Deadlines
from resolver.upstream.health import Health
from resolver.upstream.inquiry import Inquiry
from resolver.upstream.marks import Marks
from resolver.upstream.randomness import Randomness
from resolver.upstream.readiness import Readiness
from resolver.upstream.server import Server
from resolver.upstream.stream import StreamLink
from resolver.upstream.tcp import TcpConnection
from resolver.upstream.udp import UdpPool
from resolver.wire.query import query_tail

MAX_SECONDS = 4.5  # so that a client has its answer within 5 s, the patience of a stub resolver
_SECRET_OCTETS = 16
_MOST_IN_FLIGHT = Limits().queries_in_flight_per_upstream
_ENCRYPTED = ("tls", "https")


class Forwarder:
    """Asks the upstreams in the order that the strategy gives; make one in each process, after the fork.

    How many questions are in flight altogether is bounded by the caller; those to one server are bounded here.
    """

    def __init__(
        self,
        servers: Sequence[UpstreamServer],
        *,
        timeout_seconds: float,
        loop: asyncio.AbstractEventLoop,
        options: UpstreamOptions | None = None,
        bootstrap: Bootstrap | None = None,
        most_in_flight: int = _MOST_IN_FLIGHT,
        dropped: Counter[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
        max_seconds: float = MAX_SECONDS,
    ) -> None:
        """`bootstrap` knows the addresses of servers with names; `dropped` counts what is over a bound."""
        options = options or UpstreamOptions()
        self._counts = dict.fromkeys(
            ("asked", "answered", "timeouts", "tcp_retries", "fail_overs", "doubts", "without_edns"), 0
        )
        self.dropped: Counter[str] = Counter() if dropped is None else dropped
        self._is_closed = False
        self.servers = tuple(Server(each) for each in servers)  # for statistics: plain counts, and who is down
        self._deadlines = Deadlines(loop, clock)
        self._readiness = Readiness(loop)
        randomness = Randomness()
        secret = os.urandom(_SECRET_OCTETS)
        dialling = Dialling(loop, timeout_seconds, bootstrap, options.ca_file)
        streams: dict[Server, Link] = {}
        links: list[Link] = []
        for settings, server in zip(servers, self.servers, strict=True):
            if settings.transport in _ENCRYPTED:
                # Imported for those that use it: a worker that speaks no TLS is smaller.
                from resolver.upstream.encrypted import encrypted_link  # noqa: PLC0415

                streams[server] = encrypted_link(server, dialling, randomness)
                links.append(streams[server])
                continue
            marks = Marks(
                server.name,
                cookies=options.cookies,
                random_case=options.random_case,
                secret=secret,
                clock=clock,
                randomness=randomness,
            )
            is_plain_tcp = settings.transport == "tcp"
            streams[server] = StreamLink(server, dialling, TcpConnection, randomness, None if is_plain_tcp else marks)
            links.append(
                streams[server]
                if is_plain_tcp
                else UdpPool(
                    server, loop=loop, clock=clock, randomness=randomness, readiness=self._readiness, marks=marks
                )
            )
        self._links = [*links, *streams.values()]
        self._health = Health(
            links,
            self._deadlines,
            clock,
            timeout_seconds=timeout_seconds,
            strategy=options.strategy,
            randomness=randomness,
        )
        self._circumstances = Circumstances(
            clock=clock,
            deadlines=self._deadlines,
            health=self._health,
            streams=streams,
            timeout_seconds=timeout_seconds,
            max_seconds=max_seconds,
            counts=self._counts,
            asks_two=options.strategy == "parallel",
            most_in_flight=most_in_flight,
            dropped=self.dropped,
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
        if health.watches:
            health.watch(question, tail)
        order = health.drawn() if health.is_random else health.order
        Inquiry(self._circumstances, question, tail, done, order).begin()

    @property
    def in_flight(self) -> int:
        """Questions, probes included, that still wait."""
        return len(self._deadlines)

    @property
    def counts(self) -> dict[str, int]:
        """Counts of events so far, by name."""
        return {
            **self._counts,
            "wrong_replies": sum(server.wrong_replies for server in self.servers),
            "unreachable": sum(server.unreachable for server in self.servers),
            "insecure": sum(server.insecure for server in self.servers),
            "silent_connections": sum(server.silent_connections for server in self.servers),
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
