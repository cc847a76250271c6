"""The block page's HTTP server, on the sockets that the supervisor opened."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping, Sequence

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from admin_api.block_page.answering import Answering
from admin_api.block_page.bounds import Bounds, client_key
from admin_api.block_page.pages import Pages
from admin_api.block_page.visitors import Visitors
from admin_api.http.connections import Connections
from resolver.config.settings import BlockPageSettings
from resolver.policy.groups import parse_client
from resolver.telemetry.log import Log

_SILENT_SECONDS = 10.0
_LAST_SECONDS = 2.0  # for answers in flight when the process stops
_LINE_BYTES = 8190
_MOST_HEADERS = 64
_BACKLOG = 512


class Serving:
    """A block page that is served."""

    def __init__(
        self,
        answering: Answering,
        visitors: Visitors,
        pages: Pages,
        bounds: Bounds,
        settings: BlockPageSettings,
        log: Log,
    ) -> None:
        self._answering = answering
        self._visitors = visitors
        self._pages = pages
        self._bounds = bounds
        self._settings = settings
        self._log = log
        self._logger = logging.getLogger("moatdns.block_page")
        self._logger.setLevel(logging.CRITICAL + 1)  # what went wrong is told by `_failed`
        self._connections = Connections(
            log,
            most=settings.connections,
            silent_seconds=_SILENT_SECONDS,
            told="too many connections to the block page: the most silent are closed",
        )
        self._server: web.Server | None = None
        self._listening: list[asyncio.Server] = []
        self._watching: asyncio.Task[None] | None = None

    @property
    def dropped(self) -> Mapping[str, int]:
        """What was refused, by bound."""
        return self._bounds.dropped

    @property
    def events(self) -> Mapping[str, int]:
        """What the page did."""
        return self._bounds.events

    @property
    def connections(self) -> int:
        """Open ones, a second ago at most."""
        return self._connections.open

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Serve on listening sockets."""
        loop = asyncio.get_running_loop()
        server = self._server = web.Server(self._answer)

        def protocol() -> RequestHandler:
            return _Visit(server, loop, self._logger, self._admits, self._failed)

        for one in sockets:
            self._listening.append(await loop.create_server(protocol, sock=one, backlog=_BACKLOG))
        self._watching = asyncio.ensure_future(self._connections.watch(server))

    async def stop(self) -> None:
        """Take no more, and finish what is in flight."""
        for listening in self._listening:
            listening.close()
        if self._watching is not None:
            self._watching.cancel()
        if self._server is not None:
            self._server.pre_shutdown()
            await self._server.shutdown(_LAST_SECONDS)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self._connections.call_began(request)
        try:
            return await self._answering.answer(request)
        finally:
            self._connections.call_ended(request)

    def _failed(self, status: int, error: BaseException | None) -> web.Response:
        """What is answered where a request could not be read (4xx), or a fault of ours came up (500)."""
        if status == 500:
            self._log.error("unexpected error in the block page", error=repr(error))
        else:
            self._bounds.dropped["block_page_malformed"] += 1
        return self._pages.nothing(status)

    def _admits(self, transport: asyncio.BaseTransport) -> bool:
        """Whether a connection is taken: from a client or a trusted proxy, and not one too many."""
        server, peer = self._server, _peer(transport)
        if server is None or peer is None:
            return False
        if not self._visitors.admits(peer):
            self._bounds.bite("strangers", peer)
            return False
        if len(server.connections) >= self._settings.connections:
            self._bounds.bite("connections", peer)
            return False
        if self._visitors.is_proxy(peer):
            return True
        key = client_key(peer)
        others = (_peer(one.transport) for one in server.connections if one.transport is not None)
        already = sum(other is not None and client_key(other) == key for other in others)
        if already >= self._settings.connections_per_client:
            self._bounds.bite("connections_per_client", peer)
            return False
        return True


class _Visit(RequestHandler):
    """One connection: not begun for who is not admitted, and nothing of ours is told of what could not be read."""

    def __init__(
        self,
        server: web.Server,
        loop: asyncio.AbstractEventLoop,
        logger: logging.Logger,
        admits: Callable[[asyncio.BaseTransport], bool],
        failed: Callable[[int, BaseException | None], web.Response],
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            logger=logger,
            access_log=logger,  # at a level that writes nothing
            max_line_size=_LINE_BYTES,
            max_field_size=_LINE_BYTES,
            max_headers=_MOST_HEADERS,
            lingering_time=0.5,
            auto_decompress=False,
        )
        self._admits = admits
        self._failed = failed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or end at once: a stranger gets no octet."""
        if self._admits(transport):
            super().connection_made(transport)
        else:
            transport.close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer without a word of the request."""
        return self._failed(status, exc)


def _peer(transport: asyncio.BaseTransport) -> str | None:
    """The address at the other end, in its normal form."""
    name = transport.get_extra_info("peername")
    return str(parse_client(name[0])) if name else None
