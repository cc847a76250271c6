"""Readiness of many short-lived sockets, watched by the loop as one file descriptor."""

from __future__ import annotations

import asyncio
import select
import time
from abc import ABC, abstractmethod
from typing import Final

from resolver.system.scheduling import CALLBACK_SECONDS
from resolver.upstream.rounds import ROUNDS

_SOCKETS_AT_ONCE: Final = 16  # that are read before the clock is looked at


class Readable(ABC):
    """A socket that is read when there is something to read."""

    fileno: int

    @abstractmethod
    def read(self) -> None:
        """Take in what has come; called again if there is more."""


class Readiness:
    """Tells which of many sockets can be read: an epoll of our own, watched by the loop as one file descriptor.

    A reader of the loop's own for each socket costs six system calls in its short life, and a callback a datagram.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._sockets: dict[int, Readable] = {}
        loop.add_reader(self._epoll.fileno(), self._read_all)

    def add(self, one: Readable) -> None:
        """Call `one.read()` when it can be read."""
        self._sockets[one.fileno] = one
        self._epoll.register(one.fileno, select.EPOLLIN)

    def discard(self, one: Readable) -> None:
        """It is about to be closed, which also takes it out of the epoll."""
        del self._sockets[one.fileno]

    def close(self) -> None:
        """Watch nothing any more."""
        if not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    def _read_all(self) -> None:
        sockets = self._sockets
        ends_at = time.monotonic() + CALLBACK_SECONDS
        ROUNDS.begin()
        try:
            while True:
                readable = self._epoll.poll(0, _SOCKETS_AT_ONCE)
                for fileno, _ in readable:
                    one = sockets.get(fileno)
                    if one is not None:  # else one that was read before has closed it
                        one.read()
                if len(readable) < _SOCKETS_AT_ONCE or time.monotonic() >= ends_at:
                    return  # the loop calls again if there are more
        finally:
            ROUNDS.end()
