"""One connection to a server: many questions in flight on it, answers in any order (RFC 7766 sections 6.2.1 and 7)."""

from __future__ import annotations

import asyncio
import ssl
from abc import abstractmethod
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Final, cast

from resolver.errors import UpstreamError, UpstreamUnreachable
from resolver.upstream.asking import Asker, Link
from resolver.upstream.connecting import Dialling
from resolver.upstream.marks import Marks
from resolver.upstream.randomness import Randomness

if TYPE_CHECKING:
    from resolver.upstream.client_context import ClientContext

IDLE_SECONDS = 10.0
ENCRYPTED_IDLE_SECONDS = 30.0  # a handshake is dear
MAX_IN_FLIGHT = 4096  # questions on one connection, so that free IDs stay easy to find; then there is another one
_MAX_UNREAD_BYTES = 1 << 20
_SILENCES_UNTIL_STALE = 2


class Course(Enum):
    """Course of a connection: OPENING, OPEN, ENDED, in this order; it may end before it was open."""

    OPENING = 0
    OPEN = 1
    ENDED = 2


# Fetched once: an enumeration's member costs as much to fetch as all the rest of a test.
_OPENING: Final = Course.OPENING
_OPEN: Final = Course.OPEN
_ENDED: Final = Course.ENDED


class ConnectionOwner(Link):
    """Link that keeps connections to a server, and is told how each of them fares."""

    is_stream = True
    dialling: Dialling
    randomness: Randomness
    marks: Marks | None  # of a server that is asked over UDP first
    context: Callable[[], ClientContext] | None  # with TLS

    @abstractmethod
    def patience(self, *, is_open: bool) -> float:
        """For how many seconds nothing may come before a connection counts as silent; the most unless it is open."""

    @abstractmethod
    def is_alive(self) -> None:
        """The server has sent something, over whichever connection."""

    @abstractmethod
    def spoke(self, connection: Connection) -> None:
        """The server has said its first word over a connection."""

    @abstractmethod
    def fell_silent(self, connection: Connection) -> None:
        """Nothing has come over a connection for as long as there is patience."""

    @abstractmethod
    def move(self, exchange: Exchange) -> None:
        """Ask once more, over another connection."""

    @abstractmethod
    def ended(self, connection: Connection, exchanges: list[Exchange], error: UpstreamError, may_move: bool) -> None:
        """A connection is gone; what was in flight on it is asked once more on a fresh one, if that may help."""


class Exchange:
    """One question on a connection; on two, where the first has fallen silent: then it has a twin."""

    __slots__ = ("asked_at", "asker", "connection", "has_cookie", "has_moved", "key", "question", "twin")

    wrong_replies = 0  # a stream cannot be forged from afar

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.question = asker.question  # as it was sent
        self.connection: Connection | None = None
        self.key = b""  # by which its answer is known on the connection
        self.has_cookie = False
        self.has_moved = False  # from a connection that ended to a fresh one
        self.asked_at = 0.0  # by the loop's clock
        self.twin: Exchange | None = None  # the same question on another connection: the first answer counts

    @property
    def is_in_flight(self) -> bool:
        """Whether an answer may still come."""
        return self.connection is not None and self.connection.in_flight.get(self.key) is self

    def forget(self, _message_id: bytes, _asker: Asker) -> None:
        """The asker does not care any more; the ID may have changed since it was told one."""
        twin = self._parted()
        for each in (self, twin):
            if each is not None and each.connection is not None:
                each.connection.forget(each)

    def heard(self, link: ConnectionOwner, message: bytes) -> None:
        """Its answer has come, and it is not in flight any more."""
        twin = self._parted()
        if twin is not None and twin.connection is not None:
            twin.connection.forget(twin, is_answered=True)
        self.asker.heard(link, message)

    def lost(self, link: ConnectionOwner, error: UpstreamError) -> None:
        """No answer will come for it; the asker is told, unless one may come for its twin."""
        twin = self.twin
        if twin is None or not twin.is_in_flight:
            self._parted()
            self.asker.lost(link, error)

    def _parted(self) -> Exchange | None:
        """The twin, if there was one: two that know each other would wait for the collector."""
        twin = self.twin
        if twin is not None:
            self.twin = twin.twin = None
        return twin


class Connection(asyncio.Protocol):
    """A connection and the questions in flight on it, from the moment it is wanted. What is spoken, subclasses say."""

    most_in_flight = MAX_IN_FLIGHT

    def __init__(self, link: ConnectionOwner) -> None:
        self.link = link
        self.in_flight: dict[bytes, Exchange] = {}
        self.transport: asyncio.Transport | None = None  # None until it is open
        self.course = _OPENING
        self.has_spoken = False  # the server has answered something
        self._is_clogged = False  # the server does not read what we write
        self._silences = 0  # questions given up since the server last sent anything
        self.is_silent = False  # for so long that its questions were asked again on another
        self.heard_at = 0.0  # when the server last sent anything, by the loop's clock
        self._look_timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._opening = link.dialling.loop.create_task(self._open(), name=f"connect to {link.server.name}")

    @property
    def has_ended(self) -> bool:
        """Whether nothing goes over it any more."""
        return self.course is _ENDED

    @property
    def is_usable(self) -> bool:
        """Whether another question may go over it. One that fell silent (a NAT forgot it) is not waited for."""
        return not (
            self.course is _ENDED
            or self._is_clogged
            or self.is_silent
            or self._silences >= _SILENCES_UNTIL_STALE
            or len(self.in_flight) >= self.most_in_flight
        )

    def put(self, exchange: Exchange) -> None:
        """Ask now, or as soon as the connection is open. Raises UpstreamError, and nothing is in flight then."""
        exchange.key = self.launch(exchange)
        exchange.connection = self
        self.in_flight[exchange.key] = exchange
        self.link.server.in_flight += 1
        loop = self.link.dialling.loop
        exchange.asked_at = loop.time()
        if self._look_timer is None:
            self._look_timer = loop.call_later(self._patience, self._look)
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def launch(self, exchange: Exchange) -> bytes:
        """Write the question, or keep it until `opened`; gives the key that nothing else in flight has.

        Raises UpstreamError where the connection turns out to take no more.
        """
        raise NotImplementedError

    def opened(self, transport: asyncio.Transport) -> None:
        """Write what was kept. Raises UpstreamError where the server cannot be talked to."""
        raise NotImplementedError

    def forget(self, exchange: Exchange, *, is_answered: bool = False) -> None:
        """Its asker does not care any more; with `is_answered`, since an answer came another way."""
        if self.in_flight.get(exchange.key) is exchange:
            self.take(exchange.key)
            if not is_answered:
                self._silences += 1
            self.rest()

    @property
    def _patience(self) -> float:
        return self.link.patience(is_open=self.course is _OPEN)

    def _look(self) -> None:
        """See whether nothing has come for longer than the server takes. One timer looks after all in flight."""
        self._look_timer = None
        if self.course is _ENDED or not self.in_flight:
            return
        loop = self.link.dialling.loop
        patience, until = self._patience, 0.0
        for exchange in self.in_flight.values():
            if exchange.asked_at >= self.heard_at:  # the clock of the loop goes by milliseconds
                until = exchange.asked_at + patience
                break
        else:  # the server has spoken since, and may just be slow with these
            until = self.heard_at + self.link.patience(is_open=False)
        left = until - loop.time()
        if left > 0:
            self._look_timer = loop.call_later(min(left, patience), self._look)
        else:
            self.link.fell_silent(self)

    def take(self, key: bytes) -> Exchange | None:
        """The exchange, which is in flight no more."""
        exchange = self.in_flight.pop(key, None)
        if exchange is not None:
            self.link.server.in_flight -= 1
        return exchange

    async def _open(self) -> None:
        link = self.link
        try:
            await link.dialling.open(link.server, lambda: self, link.context)
        except UpstreamError as error:
            self.end(error, may_move=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open: send what has waited for it."""
        opened = cast(asyncio.Transport, transport)  # uvloop's is one in all but its ancestry
        if self.course is _ENDED:
            opened.abort()
            return
        self.course = _OPEN
        self.transport = opened
        opened.set_write_buffer_limits(high=_MAX_UNREAD_BYTES)
        try:
            self.opened(opened)
        except UpstreamError as error:
            self.end(error, may_move=False)
            return
        self._look_anew()
        self.rest()

    def _look_anew(self) -> None:
        """Count silence from now on, when what was kept is sent."""
        loop = self.link.dialling.loop
        now = loop.time()
        for exchange in self.in_flight.values():
            exchange.asked_at = now
        if self._look_timer is not None:
            self._look_timer.cancel()
            self._look_timer = loop.call_later(self._patience, self._look)

    def note_life(self) -> None:
        """The server has sent something."""
        self._silences = 0
        self.is_silent = False
        self.heard_at = self.link.dialling.loop.time()
        self.link.is_alive()
        if not self.has_spoken:
            self.has_spoken = True
            self.link.spoke(self)

    def pause_writing(self) -> None:
        """The server does not read: further questions go over another connection."""
        self._is_clogged = True

    def resume_writing(self) -> None:
        """The server reads again."""
        self._is_clogged = False

    def connection_lost(self, exc: Exception | None) -> None:
        """The server closed, or the network did."""
        why = f"{self.link.server.name}: the connection ended: {exc or 'closed by the server'}"
        self.end(UpstreamUnreachable(why), may_move=True)

    @property
    def channel(self) -> ssl.SSLObject | None:
        """The TLS of an open connection."""
        return None if self.transport is None else self.transport.get_extra_info("ssl_object")

    def rest(self) -> None:
        """With nothing in flight, close: soon if it may serve again, else now (RFC 7766 section 6.2.3)."""
        if self.in_flight or self.course is _ENDED:
            return
        if not self.is_usable:
            self._rest_is_over()
        elif self._idle_timer is None and self.course is _OPEN:
            seconds = IDLE_SECONDS if self.link.context is None else ENCRYPTED_IDLE_SECONDS
            self._idle_timer = self.link.dialling.loop.call_later(seconds, self._rest_is_over)

    def _rest_is_over(self) -> None:
        self.end(UpstreamUnreachable(""), may_move=False)  # nobody is in flight to read why

    def end(self, why: UpstreamError, *, may_move: bool) -> None:
        """Close; what is in flight is asked elsewhere if it may be, or fails."""
        if self.course is _ENDED:
            return
        exchanges = list(self.in_flight.values())
        self.close()
        self.link.ended(self, exchanges, why, may_move)

    def close(self) -> None:
        """Close it; nobody who still waits is told."""
        self.course = _ENDED
        self.link.server.in_flight -= len(self.in_flight)
        self.in_flight.clear()
        self._opening.cancel()  # without effect if it is done, or if it is the one that calls
        for timer in (self._idle_timer, self._look_timer):
            if timer is not None:
                timer.cancel()
        self._idle_timer = self._look_timer = None
        if self.transport is not None:
            self.transport.abort()
