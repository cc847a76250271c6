"""One question on its way from server to server, until it is answered or there is nobody left to ask.

A try is one question to one server over one transport. When it stays silent for a while, the next try begins, but the
earlier ones are still listened to: whoever answers first has answered. So a lost datagram or a dead server costs a
client a fraction of the timeout, and a slow server's answer is not thrown away.

A server is asked over UDP once (twice, if there is no other, and once more where it wants another cookie, or does not
know EDNS) and over TCP once: within the three tries that RFC 9520 section 3.1 allows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from resolver.errors import UpstreamBadAnswer, UpstreamBusy, UpstreamError, UpstreamLame, UpstreamUnreachable
from resolver.upstream.asking import Asker, Carrier, Link, Place
from resolver.upstream.circumstances import Circumstances
from resolver.upstream.failures import Failures
from resolver.upstream.remedies import BY_STREAM, KNOWS_NO_EDNS, NO_REMEDY, NONE_TAKEN, PLAINLY, remedy_for
from resolver.upstream.server import Server
from resolver.upstream.stages import ASKING, ENDED, LISTENING
from resolver.upstream.udp import MAX_DATAGRAM
from resolver.wire.codes import rcode_name
from resolver.wire.query import ANSWERS, extended_rcode_of, is_referral, is_truncated, wants_dnssec
from resolver.wire.remarks import ede_in

# How much of a try's time may pass in silence before the next one begins beside it.
_PATIENCE: Final = 1 / 4
_PATIENCE_WITH_ONE_SERVER: Final = 1 / 2
EDNS_AGAIN_SECONDS: Final = 900.0  # after which a server that knew no EDNS is asked with it again
_BUSY: Final = "queries_in_flight_per_upstream"


class Inquiry(Asker):
    """One question and what has become of it."""

    # What is not set in __init__ is for the few that are not answered at once.
    stage = ASKING
    place: Place | None = None  # of the latest try
    earlier: tuple[Place, ...] = ()
    awaited: Link | None = None  # that of the latest try, while nothing is known of it
    asked_at = 0.0
    heard_before = 0  # what its server had said when it was asked
    beside: tuple[Link, int] | None = None  # the same of one asked at the same time, while nothing is known of it
    in_flight = 0
    next_server = 0  # place in `order`
    ends_at = 0.0
    listen_until = 0.0  # no longer than this altogether, and after the latest try
    has_asked_again = False
    remedies = NONE_TAKEN  # by server (resolver.upstream.remedies)
    failures: Failures | None = None

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
                self.beside = None if first is None else (first, heard_before)
        if not is_sent:
            self._go_on(now)

    # What comes of it

    def heard(self, link: Link, response: bytes) -> None:
        """A server has said something that belongs to the question."""
        server = link.server
        circumstances = self.circumstances
        server.heard += 1
        if link is self.awaited or (self.beside is not None and link is self.beside[0]):
            server.replied(circumstances.clock() - self.asked_at)
        if server.failures:
            circumstances.health.alive(server)
        self.in_flight -= 1
        rcode = extended_rcode_of(response)
        if rcode and rcode not in ANSWERS:
            self._go_on_from(link, response, rcode)
        elif is_truncated(response) or (len(response) >= MAX_DATAGRAM and not link.is_stream):
            self._ask_for_the_whole(link)
        elif response[6:8] == b"\x00\x00" and is_referral(self.question, response):
            server.bad_answers += 1
            server.trouble = "returns a referral instead of an answer"
            self._failed(link, UpstreamLame(f"{server.name} {server.trouble}")).is_lame = True
            self._go_on_unless_listening()
        else:
            if self.remedies and self._taken_by(server) & KNOWS_NO_EDNS:
                server.lacks_edns_until = circumstances.clock() + EDNS_AGAIN_SECONDS
            circumstances.counts["answered"] += 1
            self._finish(response)

    def doubted(self, link: Link) -> None:
        """Somebody may be forging answers over UDP. TCP is not forged from afar (RFC 5452 section 9.3)."""
        now = self.circumstances.clock()
        if self.stage is not ENDED and now < self.ends_at and not self._taken_by(link.server) & BY_STREAM:
            self.circumstances.counts["doubts"] += 1
            self._take(BY_STREAM, link, now)

    def lost(self, link: Link, error: UpstreamError) -> None:
        """The network, or the other end of a connection, has refused."""
        if self.stage is not ENDED:
            self.in_flight -= 1
            self.circumstances.note_failure(link.server, error)
            self._failed(link, error)
            self._go_on_unless_listening()

    def due(self) -> None:
        """The latest try has been silent for as long as the next one waits for it."""
        if self.stage is ENDED:
            return
        now = self.circumstances.clock()
        link = self.awaited
        if link is not None:
            self.awaited = None
            self._was_silent(link, now, self.heard_before)
        if self.beside is not None:
            self._was_silent(self.beside[0], now, self.beside[1])
            self.beside = None
        if link is not None and self._ask_again(link, now):
            return
        self._go_on(now)

    def close(self) -> None:
        """The forwarder closes."""
        if self.stage is not ENDED:
            self._finish(UpstreamUnreachable("the resolver is shutting down"))

    # The same server once more

    def _go_on_from(self, link: Link, response: bytes, rcode: int) -> None:
        """Go on from an rcode that is no answer: at the same server, if that may help, else at the next one."""
        server = link.server
        now = self.circumstances.clock()
        taken, is_plain = self._taken_by(server), self._goes_without_edns(server, now)
        remedy = remedy_for(rcode, response, self.tail, taken, is_stream=link.is_stream, goes_without_edns=is_plain)
        if remedy != NO_REMEDY and self._take(remedy, link, now):
            return
        server.bad_answers += 1
        server.trouble = f"answered with {rcode_name(rcode)}"
        failures = self._failed(link, UpstreamBadAnswer(f"{server.name} {server.trouble}", rcode))
        failures.rcode = rcode
        failures.told = ede_in(response) or failures.told
        self._go_on_unless_listening()

    def _ask_for_the_whole(self, link: Link) -> None:
        """The answer is incomplete: ask again over TCP and never use it (RFC 2181 section 9)."""
        server = link.server
        if link.is_stream or self._taken_by(server) & BY_STREAM:
            server.bad_answers += 1
            self._failed(link, UpstreamBadAnswer(f"{server.name} truncates its answer over TCP too"))
            self._go_on_unless_listening()
            return
        self._is_not_silent(link)
        now = self.circumstances.clock()
        if not self._take(BY_STREAM, link, now) and not self.in_flight:
            self._go_on(now)

    def _ask_again(self, link: Link, now: float) -> bool:
        """After silence, put the question once more to the same server, if that is what helps best."""
        if link.is_stream or self.place is None or now >= self.ends_at:
            return False
        carrier = self.place[0]
        if carrier.wrong_replies and not self._taken_by(link.server) & BY_STREAM:
            # Somebody guesses at the answer, or something mangles it. TCP is not forged from afar (RFC 5452, 9.3)
            return self._take(BY_STREAM, link, now)
        if len(self.order) == 1 and not self.has_asked_again:
            self.has_asked_again = True
            return self._try(link, now, besides=carrier)
        return False

    def _take(self, remedy: int, link: Link, now: float) -> bool:
        """Ask the server of a link once more in another way; False if the question could not be sent."""
        server = link.server
        self.remedies = {**self.remedies, server: self._taken_by(server) | remedy}
        if remedy & BY_STREAM:
            self.circumstances.counts["tcp_retries"] += 1
            link = self.circumstances.streams[server]
        elif remedy & PLAINLY:
            self.circumstances.counts["without_edns"] += 1
        return self._try(link, now)

    def _taken_by(self, server: Server) -> int:
        """The remedies that the question was given at a server."""
        return self.remedies.get(server, NO_REMEDY)

    def _goes_without_edns(self, server: Server, now: float) -> bool:
        """Whether a server is asked without EDNS, as before; never for a client that validates."""
        return server.lacks_edns_until > now and not wants_dnssec(self.tail)

    # The next one, and the end

    def _go_on_unless_listening(self) -> None:
        """A try has failed. Go on at once, unless another one is still listened to; then its deadline stands."""
        if not self.in_flight:
            self._go_on(self.circumstances.clock())

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
            self.stage = LISTENING
            self.circumstances.deadlines.add(self, self.listen_until)
        else:
            asked = ", ".join(link.server.name for link in self.order[: self.next_server])
            self._finish(self._failures_so_far().verdict(asked))

    def _try(self, link: Link, now: float, besides: Carrier | None = None) -> bool:
        """Ask; False if the question could not be sent."""
        circumstances = self.circumstances
        server = link.server
        if server.lacks_edns_until or self.remedies or not self.has_edns:
            self.has_edns = not (self._taken_by(server) & PLAINLY or self._goes_without_edns(server, now))
        if server.in_flight >= circumstances.most_in_flight:
            circumstances.dropped[_BUSY] += 1
            self._failures_so_far().note(UpstreamBusy(f"{server.name}: too many queries wait for it"))
            return False
        try:
            place = link.send(self, besides)
        except UpstreamError as error:
            self._failures_so_far().note(error)
            circumstances.note_failure(server, error)
            return False
        if self.stage is ENDED:  # an earlier question was refused while this one was sent, and it was the last
            place[0].forget(place[1], self)
            return True
        if self.place is not None:
            self.earlier += (self.place,)
        self.stage = ASKING
        self.place = place
        self.in_flight += 1
        self.awaited = link
        self.asked_at = now
        self.heard_before = server.heard
        self.listen_until = until = min(now + circumstances.timeout_seconds, self.ends_at)
        servers = len(self.order)
        if servers_left := servers - self.next_server:
            share = (self.ends_at - now) / (servers_left + 1)
            until = now + min(circumstances.timeout_seconds * _PATIENCE, share)
        elif servers == 1 and not link.is_stream and not self.has_asked_again:
            until = now + (until - now) * _PATIENCE_WITH_ONE_SERVER
        circumstances.deadlines.add(self, until)
        return True

    def _finish(self, result: bytes | UpstreamError) -> None:
        self.stage = ENDED
        self.circumstances.deadlines.discard(self)
        if self.in_flight and self.place is not None:
            for carrier, message_id in (*self.earlier, self.place):
                carrier.forget(message_id, self)
        # A place on a connection leads back here, as may the frames of an error: no cycle is to wait for the collector.
        self.place, self.failures = None, None
        if self.earlier:
            self.earlier = ()
        self.done(result)

    def _failures_so_far(self) -> Failures:
        if self.failures is None:
            self.failures = Failures()
        return self.failures

    def _failed(self, link: Link, error: UpstreamError) -> Failures:
        """Note that a try has failed; gives all failures."""
        self._is_not_silent(link)
        return self._failures_so_far().note(error)

    def _was_silent(self, link: Link, now: float, heard_before: int) -> None:
        self._failures_so_far().was_silent = True
        self.circumstances.note_silence(link, now - self.asked_at, heard_before)

    def _is_not_silent(self, link: Link) -> None:
        """Note that the question over this link is answered or refused."""
        if self.awaited is link:
            self.awaited = None
        if self.beside is not None and self.beside[0] is link:
            self.beside = None
