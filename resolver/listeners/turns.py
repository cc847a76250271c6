"""Queries over TCP and TLS: after so many, all else that a worker has to do comes first, and clients take turns.

However many connections a client has, while others wait it gets no more answers in a row than they do; and of a network
of IPv6 clients, no more than `clients.ipv6_prefix_factor` of them are in turn at once.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Final, Protocol

from resolver.answering.client_networks import Networks, take_off
from resolver.config.settings import ClientNetworks

TURN: Final = 64  # queries of all connections that are answered in a row; then datagrams, upstreams and timers come
IN_A_ROW: Final = 16  # of one client, while others wait


class Stream(Protocol):
    """Stream of queries that takes turns with others."""

    def take_turn(self, most: int) -> bool:
        """Answer up to `most` queries, telling of each (`Turns.took`). True: there are more that can be answered."""

    def abort(self) -> None:
        """End it at once."""


class Turns:
    """Turns of streams, over all connections of a worker."""

    def __init__(self, loop: asyncio.AbstractEventLoop, networks: Networks | None = None) -> None:
        self._loop = loop
        self._networks = networks or Networks(ClientNetworks())
        self._left = TURN  # queries that may still be answered before the loop comes round
        self._next: asyncio.Handle | None = None  # when it does, once there are none left
        self._waiting: OrderedDict[str, deque[Stream]] = OrderedDict()  # by client; whose turn it is first
        self._in_turn: dict[bytes, int] = {}  # how many clients of a network are among them
        self._behind: dict[bytes, OrderedDict[str, deque[Stream]]] = {}  # those of its clients that are too many for it

    def ask(self, stream: Stream, client: str) -> bool:
        """Have queries of a client's connection answered, as many as may be now; True if it waits for its turn then.

        It must not wait already.
        """
        waits = self._next is not None or self._has_more(stream, self._left)
        if waits:
            self._wait(stream, client)
        return waits

    def took(self) -> None:
        """One query is being answered."""
        self._left -= 1
        if self._left <= 0 and self._next is None:
            self._next = self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Answer as many again, of those who wait first."""
        self._next = None
        self._left = TURN
        waiting = self._waiting
        while waiting and self._left > 0:
            client, streams = waiting.popitem(last=False)
            network = self._networks.of_text(client)
            if network:
                self._next_of(network)
            stream = streams.popleft()
            if streams:
                self._queue(client, network, streams)  # and is last now
            if self._has_more(stream, min(self._left, IN_A_ROW)):
                self._wait(stream, client)

    def _wait(self, stream: Stream, client: str) -> None:
        """Have a connection wait for its client's turn."""
        known = self._waiting.get(client)
        network = self._networks.of_text(client) if known is None else b""
        if network and network in self._behind:
            known = self._behind[network].get(client)
        if known is not None:
            known.append(stream)
        else:
            self._queue(client, network, deque((stream,)))

    def _queue(self, client: str, network: bytes, streams: deque[Stream]) -> None:
        """Let a client be the last to have its turn; of a network that has many in turn, the last of those behind."""
        if network:
            count = self._in_turn.get(network, 0)
            if count >= self._networks.factor:
                self._behind.setdefault(network, OrderedDict())[client] = streams
                return
            self._in_turn[network] = count + 1
        self._waiting[client] = streams

    def _next_of(self, network: bytes) -> None:
        """One client of a network has its turn now: another one takes its place."""
        behind = self._behind.get(network)
        if behind is not None:
            client, streams = behind.popitem(last=False)
            self._waiting[client] = streams
            if not behind:
                del self._behind[network]
            return
        take_off(self._in_turn, network)

    def _has_more(self, stream: Stream, most: int) -> bool:
        try:
            return stream.take_turn(most)
        except Exception as error:  # it costs one connection: the others have their turn; it is reported
            self._loop.call_exception_handler({"message": "a query could not be answered", "exception": error})
            stream.abort()
            return False
