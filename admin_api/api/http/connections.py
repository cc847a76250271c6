"""A bound on open HTTP connections, and on how long one may stay without a call.

aiohttp bounds the silence between two calls, but neither the time until a connection's first nor the number of
connections: someone who opens many and says nothing would use up this process's file descriptors.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from resolver.telemetry.log import Log

MOST_CONNECTIONS = 500  # above this, those silent for longest are closed
SILENT_SECONDS = 20.0  # without a whole head of a request
_LOOK_SECONDS = 1.0


class HttpConnections:
    """Closes what is too silent or too many."""

    def __init__(
        self,
        log: Log,
        *,
        most: int | None = None,
        silent_seconds: float | None = None,
        told: str = "too many connections to the admin API: the most silent are closed",
    ) -> None:
        """`most` and `silent_seconds` are the module's unless given; `told` is for the log."""
        self._log = log
        self._most = most
        self._silent_seconds = silent_seconds
        self._told = told
        self._busy: set[RequestHandler] = set()
        self._silent_since: dict[RequestHandler, float] = {}
        self.open = 0

    def call_began(self, request: web.BaseRequest) -> None:
        """A whole head of a request was read."""
        self._busy.add(request.protocol)

    def call_ended(self, request: web.BaseRequest) -> None:
        """The answer is made; from here the client has its time again, to read it or to ask more."""
        self._busy.discard(request.protocol)
        self._silent_since.pop(request.protocol, None)

    async def watch(self, server: web.Server) -> None:
        """Look at the open connections each second, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self._look(server.connections, time.monotonic())

    def make_room(self) -> bool:
        """End the connection that is silent for longest; False where the last look saw none that is."""
        while self._silent_since:
            connection = min(self._silent_since, key=self._silent_since.__getitem__)
            del self._silent_since[connection]
            if connection.transport is not None and connection not in self._busy:
                connection.transport.abort()
                return True
        return False

    def _look(self, connections: Sequence[RequestHandler], now: float) -> None:
        known = self._silent_since
        self.open = len(connections)
        self._silent_since = silent = {one: known.get(one, now) for one in connections if one not in self._busy}
        most = MOST_CONNECTIONS if self._most is None else self._most
        silent_seconds = SILENT_SECONDS if self._silent_seconds is None else self._silent_seconds
        too_many = max(0, len(connections) - most)
        for rank, connection in enumerate(sorted(silent, key=silent.__getitem__)):
            if rank >= too_many and now - silent[connection] < silent_seconds:
                break
            if connection.transport is not None:
                connection.transport.abort()
        if too_many:
            self._log.warning(self._told, closed=too_many)
