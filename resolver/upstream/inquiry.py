"""One question on its way from server to server, until it is answered or there is nobody left to ask.

A try is one question to one server over one transport. When it stays silent for a while, the next try begins, but the
earlier ones are still listened to: whoever answers first has answered. So a lost datagram or a dead server costs a
client a fraction of the timeout, and a slow server's answer is not thrown away.

A server is asked over UDP once (twice, if there is no other) and over TCP once: within the three tries that
RFC 9520 section 3.1 allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from resolver.errors import UpstreamBadAnswer, UpstreamError, UpstreamTimeout, UpstreamUnreachable
from resolver.upstream.asking import Link, Place
from resolver.upstream.deadlines import Deadlines
from resolver.upstream.health import Health
from resolver.upstream.server import Server
from resolver.upstream.udp import MAX_DATAGRAM
from resolver.wire.query import FAILURES, is_truncated, rcode_of

# How much of a try's time may pass in silence before the next one begins beside it.
_PATIENCE = 1 / 4
_PATIENCE_WITH_ONE_SERVER = 1 / 2


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What all inquiries of one forwarder share."""

    clock: Callable[[], float]
    deadlines: Deadlines
    health: Health
    streams: dict[Server, Link]  # how each server is asked over TCP
    timeout_seconds: float  # for one try
    max_seconds: float  # for all of them
    counts: dict[str, int]


class Inquiry:
    """One question and what has become of it."""

    # What is not set in __init__ is for the few that are not answered at once.
    tick = 0
    is_open = True
    place: Place | None = None  # of the latest try
    earlier: tuple[Place, ...] = ()
    in_flight = 0
    next_server = 0  # place in `order`
    has_asked_again = False
    asked_by_stream: tuple[Server, ...] = ()
    rcode: int | None = None  # the last error rcode heard
    was_silent = False  # some server was
    error: UpstreamError | None = None  # the last one

    def __init__(
        self,
        circumstances: Circumstances,
        question: bytes,
        tail: bytes,
        done: Callable[[bytes | UpstreamError], None],
        order: tuple[Link, ...],
    ) -> None:
        self.circumstances = circumstances
        self.question = question
        self.tail = tail
        self.done = done
        self.order = order
        self.ends_at = circumstances.clock() + circumstances.max_seconds
