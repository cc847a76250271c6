"""One server's pool of short-lived UDP sockets.

A forged answer must hit the port and the ID of a question in flight (RFC 5452 sections 4.3 and 4.5). So a socket is
bound to a port that nobody can guess, serves a few questions and goes; each question takes one of many sockets at
random, and a random ID. The sockets are connected: the kernel drops what comes from any other address (RFC 5452
section 9.1) and tells of refusals.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from resolver.errors import UpstreamUnreachable
from resolver.upstream.asking import Asker, Carrier, Link, Place
from resolver.upstream.marks import Marks
from resolver.upstream.ports import SourcePorts
from resolver.upstream.randomness import Randomness
from resolver.upstream.readiness import Readable, Readiness
from resolver.upstream.server import Server
from resolver.wire.codes import HEADER, Rcode
from resolver.wire.query import is_bare_error, question_matches, rcode_of, with_question, without_edns

MAX_DATAGRAM: Final = 4096  # what is received of a reply; three times what we say we take, and no mmap a datagram
MAX_QUERIES: Final = 8  # that a socket serves
MAX_AGE_SECONDS: Final = 5.0
SLOTS: Final = 64  # sockets to choose from; a power of two, so that a random octet's bits choose
# Retired sockets that still wait for an answer. When a dead server has this many, those in the slots serve on beyond
# their 8 queries and 5 s: running out of file descriptors would take down more than one server.
MAX_RETIRED: Final = 448
SWEEP_SECONDS: Final = 1.0
WRONG_REPLIES_UNTIL_DOUBT: Final = 10  # on one socket; then its questions go on over TCP beside it
_MOST_FORGOTTEN: Final = 64
# Rcodes, as the header has them, after which open sockets are of no use: their cookie is old, or cannot be read.
_RENEWING: Final = frozenset({Rcode.BADCOOKIE & 0xF, int(Rcode.FORMERR)})
_WRONG_REPLIES_A_WAKE_UP: Final = 64


class UdpSocket(Readable):
    """A connected socket and the questions in flight on it."""

    __slots__ = (
        "_recv",
        "born",
        "cased",
        "close",
        "expected",
        "fileno",
        "forgotten",
        "in_flight",
        "options",
        "plain",
        "pool",
        "send",
        "sent",
        "slot",
        "wrong_replies",
    )

    def __init__(self, pool: UdpPool, sock: socket.SocketType, slot: int, born: float) -> None:
        self.pool = pool
        self.close = sock.close
        self._recv = sock.recv
        self.send = sock.send
        self.fileno = sock.fileno()
        self.slot = slot
        self.born = born
        self.sent = 0
        self.in_flight: dict[bytes, Asker] = {}
        self.wrong_replies = 0
        self.options = pool.marks.options
        self.expected = pool.marks.expected
        self.cased: dict[bytes, bytes] = {}  # questions in random case, by ID
        self.plain: set[bytes] = set()  # IDs of questions without EDNS, which have no cookie
        self.forgotten: set[bytes] = set()  # IDs whose replies are late, and not wrong

    def read(self) -> None:
        """Take in what has come, up to the first reply that counts; the epoll tells again if there is more."""
        for _ in range(_WRONG_REPLIES_A_WAKE_UP):
            try:
                response = self._recv(MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError as error:
                self.pool.lose(self, error)
                return
            message_id = response[:2]
            asker = self.in_flight.get(message_id)
            if (
                asker is not None
                and (question_matches(asker.question, response) or is_bare_error(response))
                and (
                    (self.expected in response and not self.cased and not self.plain)
                    or self._is_proven(asker, message_id, response)
                )
            ):
                del self.in_flight[message_id]
                pool = self.pool
                pool.server.in_flight -= 1
                if not self.in_flight and self.sent >= MAX_QUERIES:
                    pool.drop(self)
                asker.heard(pool, response)
                return
            # A malformed or forged reply must not end a query (TuDoor): the true one may come yet.
            self.pool.server.wrong_replies += 1
            if asker is None and message_id in self.forgotten:
                self.forgotten.discard(message_id)
                continue
            self.wrong_replies += 1
            if self.wrong_replies == WRONG_REPLIES_UNTIL_DOUBT:
                self.pool.doubt(self)
                return

    def _is_proven(self, asker: Asker, message_id: bytes, response: bytes) -> bool:
        """Whether a reply has the marks of its query, or need not have them."""
        pool = self.pool
        marks = pool.marks
        if self.expected not in response and message_id not in self.plain:
            if not marks.cookie_is_good(response, self.expected):
                asker.doubted(pool)
                return False
            if rcode_of(response) in _RENEWING:
                pool.renew(self)
        cased = self.cased.get(message_id)
        if cased is not None:
            if response[HEADER : HEADER + len(cased)] != cased and not is_bare_error(response):
                asker.doubted(pool)
                return False
            del self.cased[message_id]
        self.plain.discard(message_id)
        return True

    def forget(self, message_id: bytes, asker: Asker) -> None:
        """The asker does not care any more."""
        if self.in_flight.get(message_id) is asker:  # else answered, and the ID perhaps in use again
            del self.in_flight[message_id]
            self.cased.pop(message_id, None)
            self.plain.discard(message_id)
            if len(self.forgotten) < _MOST_FORGOTTEN:
                self.forgotten.add(message_id)
            self.pool.server.in_flight -= 1
            if not self.in_flight and self.sent >= MAX_QUERIES:
                self.pool.drop(self)


class UdpPool(Link):
    """A link to one server over UDP."""

    def __init__(
        self,
        server: Server,
        *,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        randomness: Randomness,
        readiness: Readiness,
        marks: Marks,
    ) -> None:
        self.server = server
        self.marks = marks
        self._may_randomise = marks.wants_case
        self._loop = loop
        self._clock = clock
        self._randomness = randomness
        self._readiness = readiness
        self._slots: list[UdpSocket | None] = [None] * SLOTS
        self._retired: set[UdpSocket] = set()
        self._ports = SourcePorts(randomness)
        self._timer: asyncio.TimerHandle | None = None

    def send(self, asker: Asker, besides: Carrier | None = None) -> Place:
        """Ask over a socket chosen at random, but not `besides`. Raises UpstreamUnreachable when refused at once."""
        slot = self._randomness.octet() % SLOTS
        udp_socket = self._slots[slot]
        if udp_socket is None or udp_socket.sent >= MAX_QUERIES:
            udp_socket = self._fresh_socket(slot)
        elif udp_socket is besides:
            udp_socket = self._fresh_socket((slot + 1) % SLOTS)
        try:
            return self._put(asker, udp_socket)
        except OSError as error:
            was_used = udp_socket.sent
            self.lose(udp_socket, error)
            if not was_used:
                raise self._unreachable(error) from error
        # The refusal was of an earlier question on this socket; ours has not been sent yet.
        udp_socket = self._fresh_socket(slot)
        try:
            return self._put(asker, udp_socket)
        except OSError as error:
            self.lose(udp_socket, error)
            raise self._unreachable(error) from error

    def _put(self, asker: Asker, udp_socket: UdpSocket) -> Place:
        in_flight = udp_socket.in_flight
        message_id = self._randomness.message_id()
        while message_id in in_flight:
            message_id = self._randomness.message_id()
        tail = asker.tail
        if self._may_randomise and self.marks.randomises_case:
            cased = udp_socket.cased[message_id] = self.marks.in_random_case(asker.question)
            tail = with_question(tail, cased)
        if asker.has_edns:
            message = message_id + tail + udp_socket.options
        else:
            message = message_id + without_edns(tail)
            udp_socket.plain.add(message_id)
        try:  # noqa: SIM105 contextlib.suppress costs half as much again as the rest of this function
            udp_socket.send(message)
        except BlockingIOError:  # no room to send: lost, as a datagram may be
            pass
        udp_socket.sent += 1
        in_flight[message_id] = asker
        self.server.in_flight += 1
        return udp_socket, message_id

    def _fresh_socket(self, slot: int) -> UdpSocket:
        """A new socket in the slot; the one that was there only finishes what is in flight on it."""
        old = self._slots[slot]
        if old is not None:
            if len(self._retired) >= MAX_RETIRED:
                return old
            self._retire(old)
        try:
            sock = self._ports.connected(self.server)
        except OSError as error:
            raise self._unreachable(error) from error
        self.marks.settle(sock.getsockname()[0])
        udp_socket = self._slots[slot] = UdpSocket(self, sock, slot, self._clock())
        self._readiness.add(udp_socket)
        if self._timer is None:
            self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep)
        return udp_socket

    def _retire(self, udp_socket: UdpSocket) -> None:
        self._slots[udp_socket.slot] = None
        self._retired.add(udp_socket)
        udp_socket.sent = MAX_QUERIES  # spent, even if it was too old rather than much used
        if not udp_socket.in_flight:
            self.drop(udp_socket)

    def renew(self, old: UdpSocket) -> None:
        """Ask over fresh sockets from now on, unless `old` is none of those that are asked over any more.

        Those that are there only finish what is in flight on them.
        """
        if self._slots[old.slot] is old:
            for udp_socket in self._slots:
                if udp_socket is not None:
                    self._retire(udp_socket)

    def doubt(self, udp_socket: UdpSocket) -> None:
        """Somebody guesses at what is in flight on a socket: nothing more is asked over it, and all go on over TCP."""
        if self._slots[udp_socket.slot] is udp_socket:
            self._retire(udp_socket)
        for asker in list(udp_socket.in_flight.values()):
            asker.doubted(self)

    def drop(self, udp_socket: UdpSocket) -> None:
        """Close a socket on which nothing is in flight."""
        if self._slots[udp_socket.slot] is udp_socket:
            self._slots[udp_socket.slot] = None
        else:
            self._retired.discard(udp_socket)
        self._readiness.discard(udp_socket)
        udp_socket.close()

    def lose(self, udp_socket: UdpSocket, error: OSError) -> None:
        """The network refused something on this socket: all in flight on it have failed."""
        askers = list(udp_socket.in_flight.values())
        udp_socket.in_flight.clear()
        self.server.in_flight -= len(askers)
        self.drop(udp_socket)
        for asker in askers:
            asker.lost(self, self._unreachable(error))

    def _unreachable(self, error: OSError) -> UpstreamUnreachable:
        return UpstreamUnreachable(f"{self.server.name}: {error.strerror or error}")

    def _sweep(self) -> None:
        """Retire the sockets that would be too old before the next sweep."""
        self._timer = None
        born_before = self._clock() + SWEEP_SECONDS - MAX_AGE_SECONDS
        for udp_socket in self._slots:
            if udp_socket is not None and udp_socket.born <= born_before:
                self._retire(udp_socket)
        if any(self._slots):
            self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep)

    def close(self) -> None:
        """Close all sockets; nobody who still waits is told."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for udp_socket in [*filter(None, self._slots), *self._retired]:
            self.server.in_flight -= len(udp_socket.in_flight)
            udp_socket.in_flight.clear()
            self.drop(udp_socket)
