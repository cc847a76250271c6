"""The UDP readers: the fast path. A repeated query is one table look-up and an ID; all others go to the pipeline.

A trusted proxy's datagram may begin with a PROXY header; what is behind it is the named client's query.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import ipaddress
import socket
import time
from collections.abc import Callable
from typing import Any, Final

from resolver.answering.client import Client
from resolver.answering.pipeline import Pending, Pipeline, Transport
from resolver.answering.proxies import BY_HEADER
from resolver.config.settings import Limits
from resolver.errors import FormatError
from resolver.listeners.backlog import Backlog, Waiting
from resolver.listeners.batched_calls import BATCH
from resolver.listeners.datagrams import DATAGRAM_BYTES, batches_for, peer_of
from resolver.listeners.packet_info import ANCILLARY_BYTES, Ancillary, source_of
from resolver.telemetry.counters import Counters
from resolver.upstream.rounds import ROUNDS
from resolver.wire.codes import UDP_PAYLOAD
from resolver.wire.proxy_header import SIGNATURE, read_proxy_header

_FIRST: Final = 4  # datagrams that are read one by one; more are a backlog, which is read by the batch
_WORTH_A_BATCH: Final = 16  # datagrams
_BATCHES: Final = 4  # read in one wake-up, a millisecond's worth, so that timers and TCP get their turn
_MOST: Final = _FIRST + _BATCHES * BATCH
_LAST_BATCHES: Final = 250  # read by a reader that stops, about what a receive buffer holds
_ALL: Final = 1 << 30
_TOGETHER: Final = 16  # answers that are held back until the round ends (resolver.upstream.rounds); then they leave
_REFUSALS: Final = 256  # datagrams that wait, when one more of a client that asks too much is dropped

_DENIED: Final = (errno.ENOSYS, errno.EPERM)  # by a sandbox: the system call is not to be had

_UDP: Final = Transport.UDP

_Peer = tuple[Any, ...]


def udp_listener(
    loop: asyncio.AbstractEventLoop,
    one: socket.socket,
    pipeline: Pipeline,
    counters: Counters,
    limits: Limits | None = None,
    *,
    by_batch: bool = True,
) -> UdpListener:
    """The reader that fits a non-blocking, bound UDP socket; it reads on the loop until stopped.

    `by_batch`: a backlog is read by the batch, where that can be done; else datagrams are read one by one.
    """
    host = one.getsockname()[0]
    kind = WildcardUdpListener if ipaddress.ip_address(host.partition("%")[0]).is_unspecified else UdpListener
    return kind(loop, one, pipeline, counters, limits or Limits(), by_batch=by_batch)


class UdpListener:
    """Reads a socket that is bound to one address, which all its answers leave from.

    What is ready is answered at once; what is not, once all that waits has been read.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        one: socket.socket,
        pipeline: Pipeline,
        counters: Counters,
        limits: Limits,
        *,
        by_batch: bool = True,
    ) -> None:
        self._loop = loop
        self._socket = one
        self._pipeline = pipeline
        self._clients = pipeline.clients
        self._counters = counters
        self._backlog = Backlog(self._answer, limits.queries_put_off, counters.dropped)
        self._fresh = self._backlog.fresh
        self._leaving: list[tuple[bytes, bytes]] = []  # answers that are held back, each behind its socket address
        self._turn: asyncio.Handle | None = None
        self._number = one.fileno()
        self._family = one.family
        self._is_ipv6 = one.family == socket.AF_INET6
        self._by_batch = by_batch
        self._is_behind = False  # the last wake-up ended with a batch that was worth it: so will the next begin
        loop.add_reader(one.fileno(), self._wake_up)

    def stop(self) -> None:
        """Read what waits, and then no more. Answers to come are still sent.

        In a rolling restart the successor reads the same socket; at the end of the service nobody else does.
        """
        self._loop.remove_reader(self._socket.fileno())
        if self._turn is not None:
            self._turn.cancel()
        for _ in range(_LAST_BATCHES):
            has_more = self._readable()
            self._backlog.work(most=_ALL)
            if not has_more:
                return

    def _wake_up(self) -> None:
        self._readable()
        if self._fresh and self._turn is None:
            self._work()

    def _work(self) -> None:
        """Answer what was not ready, and come back for what is left: after those who are answered at sight."""
        ROUNDS.begin()
        try:
            has_more = self._backlog.work()
        finally:
            ROUNDS.end()
        self._turn = self._loop.call_soon(self._work) if has_more else None

    def _readable(self) -> bool:
        """Answer what is ready of what waits, and keep the rest of it; True if there may be more."""
        # Every line here runs for every query: locals, and no calls but the two system calls and the look-up.
        receive, send, ready = self._socket.recvfrom, self._socket.sendto, self._pipeline.ready
        now = self._now()
        clients = self._clients.known
        for _ in range(_MOST if not self._by_batch else 0 if self._is_behind else _FIRST):
            try:
                query, peer = receive(DATAGRAM_BYTES)
            except BlockingIOError:
                return False
            except OSError:
                continue  # an ICMP error for an answer sent before; the next datagram waits behind it
            client = clients.get(peer[0])
            if client is not None:
                answer = ready.answer(query, client, _UDP, now)
                if answer is not None:
                    try:
                        send(answer, peer)
                    except OSError:
                        self._counters.dropped["send_failed"] += 1
                    continue
            self._keep(query, peer[0], client, now, functools.partial(self._reply, peer))
        return not self._by_batch or self._has_more()

    def _now(self) -> float:
        """Monotonic seconds, at which no client is known about whom something has changed by time."""
        now = time.monotonic()
        if now >= self._clients.next_change:
            self._clients.expire(now)
        return now

    def _has_more(self) -> bool:
        """Do what `_readable` does, by the batch, for those that wait behind the first."""
        number, ready, is_ipv6 = self._number, self._pipeline.ready, self._is_ipv6
        batches = batches_for(self._family)
        if batches is None:
            self._by_batch = False
            return True
        for _ in range(_BATCHES):
            now = self._now()
            clients = self._clients.by_octets
            try:
                came = batches.receive(number)
            except BlockingIOError:
                self._is_behind = False
                return False
            except OSError as error:
                if error.errno in _DENIED:
                    self._by_batch = False
                    return True
                continue
            answers: list[tuple[bytes, bytes]] = []
            for name, query in came:
                octets = name[8:28] if is_ipv6 else name[4:8]
                client = clients.get(octets)
                if client is None:
                    client = self._clients.met(octets, peer_of(name)[0])
                if client is not None:
                    answer = ready.answer(query, client, _UDP, now)
                    if answer is not None:
                        answers.append((name, answer))
                        continue
                address = client.address if client is not None else peer_of(name)[0]
                self._keep(query, address, client, now, functools.partial(self._reply_to, name))
            if answers and (failed := batches.send(number, answers)):
                self._counters.dropped["send_failed"] += failed
            self._is_behind = len(came) >= _WORTH_A_BATCH
            if len(came) < BATCH:
                return False
        return True

    def _keep(
        self, query: bytes, address: str, client: Client | None, now: float, reply: Callable[[bytes], None]
    ) -> None:
        """Have a query wait for its turn, while its client may ask so many: one takes no places for more.

        It takes one of those that its client has left, and gives it back when the pipeline is asked, which counts.
        What is beyond is refused if there is time for that, else dropped.
        """
        is_paid = False
        network = b""
        if client is not None:
            network = client.network
            is_paid = self._clients.spend(client, now)
            if not is_paid and len(self._backlog) >= _REFUSALS:
                self._counters.dropped[self._clients.budgets.ended] += 1
                return
        elif ":" in address:
            network = self._clients.networks.of_text(address)
        self._fresh.append((query, address, network, is_paid, reply))

    def _answer(self, one: Waiting) -> None:
        """Answer one query that was not ready, or see that it goes on. Never raises."""
        query, address, _, is_paid, reply = one
        try:
            pipeline = self._pipeline
            client = self._clients.at(address)
            if is_paid:
                client.left += 1
            may_be_ready = self._backlog.is_behind  # by another one that waited with it
            if query.startswith(SIGNATURE):  # as DNS, an inverse query with thirteen questions, which nobody asks
                proxied = self._proxied(query, client)
                if proxied is None:
                    return
                query, client = proxied
                may_be_ready = True
            if may_be_ready:
                ready = pipeline.ready.answer(query, client, _UDP, time.monotonic())
                if ready is not None:
                    reply(ready)
                    return
            outcome = pipeline.answer_now(query, client, _UDP)
            if isinstance(outcome, Pending):
                pipeline.resolve(outcome, reply)
            elif outcome is not None:
                reply(outcome)
        except Exception as error:  # it costs one query: the others have their turn, and their bounds; it is reported
            self._loop.call_exception_handler({"message": "a query could not be answered", "exception": error})

    def _proxied(self, datagram: bytes, sender: Client) -> tuple[bytes, Client] | None:
        """The query behind a PROXY header, and whose it is. None: the datagram is dropped, and counted.

        Nobody but a trusted proxy is answered: the answer would go to whomever the sender's address belongs to.
        """
        if not sender.words & BY_HEADER:
            self._counters.dropped["proxy_not_trusted"] += 1
            return None
        try:
            header = read_proxy_header(datagram)
        except FormatError:
            header = None
        if header is None:  # a datagram has no more to come
            self._counters.dropped["proxy_header"] += 1
            return None
        return datagram[header.length :], self._clients.behind(sender, header)

    def _reply(self, peer: _Peer, answer: bytes) -> None:
        try:
            self._socket.sendto(answer, peer)
        except OSError:
            self._counters.dropped["send_failed"] += 1

    def _reply_to(self, name: bytes, answer: bytes) -> None:
        """Answer a query that came by the batch, from a socket address: in a round together with others."""
        if not ROUNDS.is_open or len(answer) > UDP_PAYLOAD:
            self._reply(peer_of(name), answer)
            return
        leaving = self._leaving
        if not leaving:
            ROUNDS.at_end(self._send_together)
        leaving.append((name, answer))
        if len(leaving) >= _TOGETHER:
            self._send_together()

    def _send_together(self) -> None:
        """Send the answers that were held back."""
        leaving, self._leaving = self._leaving, []
        batches = batches_for(self._family)
        if not leaving or batches is None:
            return
        # The socket may be closed meanwhile, and its number be another's.
        if failed := batches.send(self._socket.fileno(), leaving):
            self._counters.dropped["send_failed"] += failed


class WildcardUdpListener(UdpListener):
    """Reads a socket that is bound to all addresses: an answer leaves from the address that its query came to.

    Packet information tells that address, and takes it back. It costs a query a quarter more CPU (5.1 µs for 4.1) than
    a socket that is bound to one address; the supervisor opens those for the addresses that it finds,
    so that this reader serves what has come up since.
    """

    def _readable(self) -> bool:
        receive, send, ready = self._socket.recvmsg, self._socket.sendmsg, self._pipeline.ready
        now = self._now()
        clients = self._clients.known
        for _ in range(_MOST):
            try:
                query, ancillary, _, peer = receive(DATAGRAM_BYTES, ANCILLARY_BYTES)
            except BlockingIOError:
                return False
            except OSError:
                continue
            source = source_of(ancillary[0]) if ancillary else []
            client = clients.get(peer[0])
            if client is not None:
                answer = ready.answer(query, client, _UDP, now)
                if answer is not None:
                    try:
                        send((answer,), source, 0, peer)
                    except OSError:
                        self._counters.dropped["send_failed"] += 1
                    continue
            self._keep(query, peer[0], client, now, functools.partial(self._reply_from, source, peer))
        return True

    def _reply_from(self, source: Ancillary, peer: _Peer, answer: bytes) -> None:
        try:
            self._socket.sendmsg((answer,), source, 0, peer)
        except OSError:
            self._counters.dropped["send_failed"] += 1
