"""Queries over TCP and TLS: after so many, all else that a worker has to do comes first, and clients take turns.

However many connections a client has, while others wait it gets no more answers in a row than they do.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Final, Protocol

TURN: Final = 64  # queries of all connections that are answered in a row; then datagrams, upstreams and timers come
IN_A_ROW: Final = 16  # of one client, while others wait


class Stream(Protocol):
    """What is needed of a connection."""

    def take_turn(self, most: int) -> bool:
        """Answer up to `most` queries, telling of each (`Turns.took`). True: there are more that can be answered."""

    def abort(self) -> None:
        """End it at once."""


class Turns:
    """Whose turn it is, over all connections of a worker."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._left = TURN  # queries that may still be answered before the loop comes round
        self._next: asyncio.Handle | None = None  # when it does, once there are none left
        self._waiting: OrderedDict[str, deque[Stream]] = OrderedDict()  # by client; whose turn it is first

    def ask(self, stream: Stream, client: str) -> bool:
        """Have queries of a client's connection answered, as many as may be now; True if it waits for its turn then.

        It must not wait already.
        """
        waits = self._next is not None or self._has_more(stream, self._left)
        if waits:
            self._waiting.setdefault(client, deque()).append(stream)
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
            stream = streams.popleft()
            if streams:
                waiting[client] = streams  # and is last now
            if self._has_more(stream, min(self._left, IN_A_ROW)):
                waiting.setdefault(client, deque()).append(stream)

    def _has_more(self, stream: Stream, most: int) -> bool:
        try:
            return stream.take_turn(most)
        except Exception as error:  # it costs one connection: the others have their turn; it is reported
            self._loop.call_exception_handler({"message": "a query could not be answered", "exception": error})
            stream.abort()
            return False
