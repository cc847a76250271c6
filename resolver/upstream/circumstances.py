"""Circumstances of one forwarder's inquiries: settings, what its servers are known for, and the counts of failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from resolver.errors import UpstreamBadAnswer, UpstreamBusy, UpstreamError, UpstreamInsecure, UpstreamTimeout
from resolver.upstream.asking import Link
from resolver.upstream.deadlines import Deadlines
from resolver.upstream.health import Health
from resolver.upstream.server import Server


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Settings and state that all inquiries of one forwarder share."""

    clock: Callable[[], float]
    deadlines: Deadlines
    health: Health
    streams: dict[Server, Link]  # how each server is asked over TCP
    timeout_seconds: float  # for one try
    max_seconds: float  # for all of them
    counts: dict[str, int]
    asks_two: bool  # at once, and takes the answer that comes first
    most_in_flight: int  # questions that wait for one server
    dropped: Counter[str]

    def note_silence(self, link: Link, seconds: float, heard_before: int) -> None:
        """Count a try that was not answered for so long; `heard_before` is what its server had said by then."""
        server = link.server
        self.counts["timeouts"] += 1
        server.timeouts += 1
        server.waited_for(seconds)
        # Else it is healthy, and only slow with this question; or a connection may be broken, and not the server.
        if server.heard == heard_before and not link.is_on_trial:
            server.trouble = "silent"
            self.health.failed(server)

    def note_failure(self, server: Server, error: UpstreamError) -> None:
        """Count a failure that is not an answer."""
        if isinstance(error, UpstreamBusy):
            return
        server.trouble = str(error)
        if isinstance(error, UpstreamBadAnswer):
            server.bad_answers += 1
            return
        if isinstance(error, UpstreamTimeout):
            self.counts["timeouts"] += 1
            server.timeouts += 1
        elif isinstance(error, UpstreamInsecure):
            server.insecure += 1
        else:
            server.unreachable += 1
        self.health.failed(server)
