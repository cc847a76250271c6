"""Turns: how many calls are worked on at once; others wait for theirs.

Whoever has shown no token yet has no turn while a body is awaited: slow strangers would take those of all others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType

from aiohttp import web

from admin_api.api.http.connections import HttpConnections


class Turn:
    """One call's turn, as a context manager."""

    def __init__(self, free: asyncio.Semaphore, connections: HttpConnections, request: web.BaseRequest) -> None:
        self._free = free
        self._connections = connections
        self._request = request
        self._is_held = False

    async def __aenter__(self) -> Turn:
        await self._take()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[None]:
        """Be without it for a while. Where the block raises, the call goes on to its end without one.

        Meanwhile the connection may be closed like one that says nothing.
        """
        self._give_back()
        self._connections.call_ended(self._request)
        yield
        await self._take()
        self._connections.call_began(self._request)

    async def _take(self) -> None:
        await self._free.acquire()
        self._is_held = True

    def _give_back(self) -> None:
        if self._is_held:
            self._is_held = False
            self._free.release()


TURN = web.RequestKey("turn", Turn)
