"""One question on its way from server to server, until it is answered or there is nobody left to ask.

A try is one question to one server over one transport. When it stays silent for a while, the next try begins, but the
earlier ones are still listened to: whoever answers first has answered. So a lost datagram or a dead server costs a
client a fraction of the timeout, and a slow server's answer is not thrown away.

A server is asked over UDP once (twice, if there is no other, and once more where it wants another cookie, or does not
know EDNS) and over TCP once: within the three tries that RFC 9520 section 3.1 allows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from resolver.errors import (
    UpstreamBadAnswer,
    UpstreamBusy,
    UpstreamError,
    UpstreamInsecure,
    UpstreamLame,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from resolver.upstream.asking import Asker, Carrier, Link, Place
from resolver.upstream.deadlines import Deadlines
from resolver.upstream.health import Health
from resolver.upstream.server import Server
from resolver.upstream.udp import MAX_DATAGRAM
from resolver.wire.codes import Rcode, rcode_name
from resolver.wire.query import ANSWERS, extended_rcode_of, has_edns, is_referral, is_truncated, wants_dnssec
from resolver.wire.remarks import ede_in

# How much of a try's time may pass in silence before the next one begins beside it.
_PATIENCE: Final = 1 / 4
_PATIENCE_WITH_ONE_SERVER: Final = 1 / 2
# Answers to EDNS by servers that do not know it, or another version alone (RFC 6891 sections 6.1.3 and 7).
_NOT_WITH_EDNS: Final = frozenset({int(Rcode.FORMERR), int(Rcode.NOTIMP), int(Rcode.BADVERS)})
EDNS_AGAIN_SECONDS: Final = 900.0  # after which a server that knew no EDNS is asked with it again
_BUSY: Final = "queries_in_flight_per_upstream"


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


class Inquiry(Asker):
    """One question and what has become of it."""

    # What is not set in __init__ is for the few that are not answered at once.
    is_open = True
    place: Place | None = None  # of the latest try
    earlier: tuple[Place, ...] = ()
    awaited: Link | None = None  # that of the latest try, while nothing is known of it
    asked_at = 0.0
    heard_before = 0  # what its server had said when it was asked
    beside: Link | None = None  # asked at the same time as the first try, while nothing is known of it
    beside_heard_before = 0
    has_new_cookie: tuple[Server, ...] = ()  # asked again with the one that they wanted
    asked_without_options: tuple[Server, ...] = ()
    asked_plainly: tuple[Server, ...] = ()  # without EDNS
    knows_no_edns: tuple[Server, ...] = ()  # of these, those that seem to know none, whatever the question
    in_flight = 0
    next_server = 0  # place in `order`
    ends_at = 0.0
    listen_until = 0.0  # no longer than this altogether, and after the latest try
    has_asked_again = False
    asked_by_stream: tuple[Server, ...] = ()
    rcode: int | None = None  # the last error rcode heard
    is_lame = False  # some server was
    told: tuple[int, str] | None = None  # the extended error that came with an rcode
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

    def begin(self) -> None:
        """Ask the first server, or two at once. `done` is called once, perhaps before this returns."""
        circumstances = self.circumstances
        now = circumstances.clock()
        self.ends_at = self.listen_until = now + circumstances.max_seconds
        self.next_server = 1
        is_sent = self._try(self.order[0], now)
        if circumstances.asks_two and len(self.order) > 1:
            first, heard_before = self.awaited, self.heard_before
            self.next_server = 2
            if self._try(self.order[1], now):
                is_sent = True
                self.beside, self.beside_heard_before = first, heard_before
        if not is_sent:
            self._go_on(now)

    def heard(self, link: Link, response: bytes) -> None:
        """A server has said something that belongs to the question."""
        server = link.server
        circumstances = self.circumstances
        server.heard += 1
        if link is self.awaited or link is self.beside:
            server.replied(circumstances.clock() - self.asked_at)
        if server.failures:
            circumstances.health.alive(server)
        self.in_flight -= 1
        rcode = extended_rcode_of(response)
        if rcode and rcode not in ANSWERS:
            self._go_on_from(link, response, rcode)
        elif is_truncated(response) or (len(response) >= MAX_DATAGRAM and not link.is_stream):
            # The answer is incomplete: ask again over TCP and never use it (RFC 2181 section 9).
            if link.is_stream or server in self.asked_by_stream:
                server.bad_answers += 1
                self._failed(link, UpstreamBadAnswer(f"{server.name} truncates its answer over TCP too"))
            else:
                self._is_not_silent(link)
                now = circumstances.clock()
                if not self._ask_by_stream(server, now) and not self.in_flight:
                    self._go_on(now)
        elif is_referral(self.question, response):
            self.is_lame = True
            server.bad_answers += 1
            server.trouble = "returns a referral instead of an answer"
            self._failed(link, UpstreamLame(f"{server.name} {server.trouble}"))
        else:
            if server in self.knows_no_edns:
                server.lacks_edns_until = circumstances.clock() + EDNS_AGAIN_SECONDS
            circumstances.counts["answered"] += 1
            self._finish(response)

    def _go_on_from(self, link: Link, response: bytes, rcode: int) -> None:
        """Go on from an rcode that is no answer: at the same server, if that may help, else at the next one."""
        server = link.server
        if rcode == Rcode.BADCOOKIE:
            is_asked_again = self._ask_with_new_cookie(link)
        else:
            is_asked_again = rcode in _NOT_WITH_EDNS and self._ask_with_less(link, response, rcode)
        if is_asked_again:
            return
        self.rcode = rcode
        self.told = ede_in(response) or self.told
        server.bad_answers += 1
        server.trouble = f"answered with {rcode_name(rcode)}"
        self._failed(link, UpstreamBadAnswer(f"{server.name} {server.trouble}", rcode))

    def _ask_with_new_cookie(self, link: Link) -> bool:
        """Once more with the cookie that came along, then over TCP (RFC 7873 section 5.3)."""
        server = link.server
        now = self.circumstances.clock()
        if link.is_stream:
            return False
        if server not in self.has_new_cookie:
            self.has_new_cookie += (server,)
            return self._try(link, now)
        return server not in self.asked_by_stream and self._ask_by_stream(server, now)

    def _ask_with_less(self, link: Link, response: bytes, rcode: int) -> bool:
        """Ask a server without EDNS that may not know it (RFC 6891 section 7); before that perhaps without a cookie.

        For the cookie, the pool has found out that it is not known. A client that validates needs EDNS (RFC 4035
        section 3.2.1), and a server that sends an OPT record knows it.
        """
        server = link.server
        now = self.circumstances.clock()
        if server in self.asked_plainly or self._goes_without_edns(server, now):
            return False
        knows_edns = has_edns(response)
        if (
            rcode == Rcode.FORMERR
            and not link.is_stream
            and server not in self.asked_without_options
            and (knows_edns or wants_dnssec(self.tail))
        ):
            self.asked_without_options += (server,)
            return self._try(link, now)
        self.asked_plainly += (server,)
        if not knows_edns or rcode == Rcode.BADVERS:
            self.knows_no_edns += (server,)
        self.circumstances.counts["without_edns"] += 1
        return self._try(link, now)

    def _goes_without_edns(self, server: Server, now: float) -> bool:
        """Whether a server is asked without EDNS, as before; never for a client that validates."""
        return server.lacks_edns_until > now and not wants_dnssec(self.tail)

    def doubted(self, link: Link) -> None:
        """Somebody may be forging answers over UDP. TCP is not forged from afar (RFC 5452 section 9.3)."""
        now = self.circumstances.clock()
        if self.is_open and now < self.ends_at and link.server not in self.asked_by_stream:
            self.circumstances.counts["doubts"] += 1
            self._ask_by_stream(link.server, now)

    def lost(self, link: Link, error: UpstreamError) -> None:
        """The network, or the other end of a connection, has refused."""
        if self.is_open:
            self.in_flight -= 1
            self._note(link.server, error)
            self._failed(link, error)

    def due(self) -> None:
        """The latest try has been silent for as long as the next one waits for it."""
        if not self.is_open:
            return
        circumstances = self.circumstances
        now = circumstances.clock()
        link = self.awaited
        if link is not None:
            self.awaited = None
            self._note_silence(link, now, self.heard_before)
        if self.beside is not None:
            self._note_silence(self.beside, now, self.beside_heard_before)
            self.beside = None
        if link is not None and self._ask_again(link, now):
            return
        self._go_on(now)

    def close(self) -> None:
        """The forwarder closes."""
        if self.is_open:
            self._finish(UpstreamUnreachable("the resolver is shutting down"))

    def _note_silence(self, link: Link, now: float, heard_before: int) -> None:
        server = link.server
        self.was_silent = True
        self.circumstances.counts["timeouts"] += 1
        server.timeouts += 1
        server.waited_for(now - self.asked_at)
        # Else it is healthy, and only slow with this question; or a connection may be broken, and not the server.
        if server.heard == heard_before and not link.is_on_trial:
            server.trouble = "silent"
            self.circumstances.health.failed(server)

    def _ask_again(self, link: Link, now: float) -> bool:
        """After silence, put the question once more to the same server, if that is what helps best."""
        if link.is_stream or self.place is None or now >= self.ends_at:
            return False
        carrier = self.place[0]
        if carrier.wrong_replies and link.server not in self.asked_by_stream:
            # Somebody guesses at the answer, or something mangles it. TCP is not forged from afar (RFC 5452, 9.3)
            return self._ask_by_stream(link.server, now)
        if len(self.order) == 1 and not self.has_asked_again:
            self.has_asked_again = True
            return self._try(link, now, besides=carrier)
        return False

    def _ask_by_stream(self, server: Server, now: float) -> bool:
        self.asked_by_stream += (server,)
        self.circumstances.counts["tcp_retries"] += 1
        return self._try(self.circumstances.streams[server], now)

    def _failed(self, link: Link, error: UpstreamError) -> None:
        """A try has failed. Go on at once, unless another one is still listened to; then its deadline stands."""
        self.error = error
        self._is_not_silent(link)
        if not self.in_flight:
            self._go_on(self.circumstances.clock())

    def _is_not_silent(self, link: Link) -> None:
        """Note that the question over this link is answered or refused."""
        if self.awaited is link:
            self.awaited = None
        if self.beside is link:
            self.beside = None

    def _go_on(self, now: float) -> None:
        """Try the next server that can be asked; without one, listen on; with nothing to listen to, give up."""
        if now < self.ends_at:
            while self.next_server < len(self.order):
                link = self.order[self.next_server]
                self.next_server += 1
                self.circumstances.counts["fail_overs"] += 1
                if self._try(link, now):
                    return
        if self.in_flight and now < self.listen_until:
            self.circumstances.deadlines.add(self, self.listen_until)
        else:
            self._finish(self._verdict())

    def _try(self, link: Link, now: float, besides: Carrier | None = None) -> bool:
        """Ask; False if the question could not be sent."""
        circumstances = self.circumstances
        server = link.server
        self.has_edns = not (
            server in self.asked_plainly or (server.lacks_edns_until and self._goes_without_edns(server, now))
        )
        if server.in_flight >= circumstances.most_in_flight:
            circumstances.dropped[_BUSY] += 1
            self.error = UpstreamBusy(f"{server.name}: too many queries wait for it")
            return False
        try:
            place = link.send(self, besides)
        except UpstreamError as error:
            self.error = error
            self._note(server, error)
            return False
        if self.place is not None:
            self.earlier += (self.place,)
        self.place = place
        self.in_flight += 1
        self.awaited = link
        self.asked_at = now
        self.heard_before = server.heard
        timeout_seconds = circumstances.timeout_seconds
        time_left = self.ends_at - now
        listen_until = self.listen_until = now + timeout_seconds if timeout_seconds < time_left else self.ends_at
        servers = len(self.order)
        if servers_left := servers - self.next_server:
            patience = timeout_seconds * _PATIENCE
            share = time_left / (servers_left + 1)
            wake_at = now + (patience if patience < share else share)
        elif servers == 1 and not link.is_stream and not self.has_asked_again:
            wake_at = now + (listen_until - now) * _PATIENCE_WITH_ONE_SERVER
        else:
            wake_at = listen_until
        circumstances.deadlines.add(self, wake_at)
        return True

    def _note(self, server: Server, error: UpstreamError) -> None:
        """Count a failure that is not an answer."""
        if isinstance(error, UpstreamBusy):
            return
        server.trouble = str(error)
        if isinstance(error, UpstreamBadAnswer):
            server.bad_answers += 1
            return
        if isinstance(error, UpstreamTimeout):
            self.was_silent = True
            self.circumstances.counts["timeouts"] += 1
            server.timeouts += 1
        elif isinstance(error, UpstreamInsecure):
            server.insecure += 1
        else:
            server.unreachable += 1
        self.circumstances.health.failed(server)

    def _verdict(self) -> UpstreamError:
        """The error to tell when all have failed: an rcode says most, then a referral, silence, and last a refusal."""
        if self.rcode is not None:
            return UpstreamBadAnswer(
                f"no upstream gave an answer; the last response had rcode {self.rcode}", self.rcode, self.told
            )
        if self.is_lame:
            return UpstreamLame("the upstreams return referrals instead of answers")
        if self.was_silent:
            asked = ", ".join(link.server.name for link in self.order[: self.next_server])
            return UpstreamTimeout(f"no answer from {asked}")
        return self.error or UpstreamUnreachable("no upstream could be asked")

    def _finish(self, result: bytes | UpstreamError) -> None:
        self.is_open = False
        self.circumstances.deadlines.discard(self)
        if self.in_flight and self.place is not None:
            for carrier, message_id in (*self.earlier, self.place):
                carrier.forget(message_id, self)
        # A place on a connection leads back here, as may the frames of an error: no cycle is to wait for the collector.
        self.place, self.earlier, self.error = None, (), None
        self.done(result)
