"""The block page's HTTP server, on the sockets that the supervisor opened."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from admin_api.api.http.connections import HttpConnections
from admin_api.api.http.odd_octets import with_text_only
from admin_api.block_page.answering import BlockPageHandler
from admin_api.block_page.bounds import Bounds
from admin_api.block_page.pages import BlockPages
from admin_api.block_page.visitors import Visitors
from resolver.config.settings import BlockPageSettings
from resolver.policy.groups import parse_client
from resolver.telemetry.log import Log

_SILENT_SECONDS = 10.0
_LAST_SECONDS = 2.0  # for answers in flight when the process stops
_LINE_BYTES = 8190
_MOST_HEADERS = 64
_BACKLOG = 512


class BlockPageServer:
    """A block page that is served."""

    def __init__(
        self,
        answering: BlockPageHandler,
        visitors: Visitors,
        pages: BlockPages,
        bounds: Bounds,
        settings: BlockPageSettings,
        log: Log,
    ) -> None:
        self._answering = answering
        self._visitors = visitors
        self._pages = pages
        self._bounds = bounds
        self.dropped: Mapping[str, int] = bounds.dropped  # what was refused, by bound
        self.events: Mapping[str, int] = bounds.events  # pages, forms and requests, by kind
        self._settings = settings
        self._log = log
        self._logger = logging.getLogger("moatdns.block_page")
        self._logger.setLevel(logging.CRITICAL + 1)  # what went wrong is told by `_failed`
        self._connections = HttpConnections(
            log,
            most=settings.connections,
            silent_seconds=_SILENT_SECONDS,
            told="too many connections to the block page: the most silent are closed",
        )
        self._open: Counter[str] = Counter()  # connections, by who has them
        self._open_in: Counter[bytes] = Counter()  # and by network
        self._per_network = bounds.networks.bound(settings.connections_per_client, settings.connections)
        self._server: web.Server | None = None
        self._listening: list[asyncio.Server] = []
        self._watching: asyncio.Task[None] | None = None

    @property
    def connections(self) -> int:
        """How many are open."""
        return self._open.total()

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Serve on listening sockets."""
        loop = asyncio.get_running_loop()
        server = self._server = web.Server(self._answer)
        server.request_factory = with_text_only(server.request_factory)

        def protocol() -> RequestHandler:
            return _BlockPageConnection(server, loop, self._logger, self._admit, self._leave, self._failed)

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
        """Answer where a request could not be read (4xx), or a fault of ours came up (500)."""
        if status == 500:
            self._log.error("unexpected error in the block page", error=repr(error))
        else:
            self._bounds.dropped["block_page_malformed"] += 1
        return self._pages.nothing(status)

    def _admit(self, transport: asyncio.BaseTransport) -> str | None:
        """Return the key that a connection is counted by; None where it is refused, by its address or by a bound."""
        name = transport.get_extra_info("peername")
        if not name:
            return None  # it is gone already
        peer = str(parse_client(name[0]))
        if not self._visitors.admits(peer):
            self._bounds.bite("strangers", peer)
            return None
        is_proxy = self._visitors.is_proxy(peer)
        network = self._network_of(peer)
        if self._open[peer] >= self._settings.connections_per_client and not is_proxy:
            self._bounds.bite("connections_per_client", peer)
            return None
        if network and self._open_in[network] >= self._per_network:
            self._bounds.bite("connections_per_network", peer)
            return None
        if self._open.total() >= self._settings.connections:
            self._bounds.bite("connections", peer)
            if not self._connections.make_room():
                return None
        self._open[peer] += 1
        if network:
            self._open_in[network] += 1
        return peer

    def _network_of(self, peer: str) -> bytes:
        """Whose bounds a connection shares; b"" where there are none."""
        return b"" if self._visitors.is_proxy(peer) else self._bounds.networks.of_text(peer)

    def _leave(self, peer: str) -> None:
        self._open[peer] -= 1
        if not self._open[peer]:
            del self._open[peer]
        network = self._network_of(peer)
        if network:
            self._open_in[network] -= 1
            if not self._open_in[network]:
                del self._open_in[network]


class _BlockPageConnection(RequestHandler):
    """One connection: not begun for who is not admitted, and nothing of ours is told of what could not be read."""

    def __init__(
        self,
        server: web.Server,
        loop: asyncio.AbstractEventLoop,
        logger: logging.Logger,
        admit: Callable[[asyncio.BaseTransport], str | None],
        leave: Callable[[str], None],
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
        self._admit = admit
        self._leave = leave
        self._counted_as: str | None = None
        self._failed = failed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or end at once: a stranger gets no octet."""
        self._counted_as = self._admit(transport)
        if self._counted_as is None:
            transport.close()
        else:
            super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The end of either."""
        if self._counted_as is not None:
            self._leave(self._counted_as)
            self._counted_as = None
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer without a word of the request."""
        return self._failed(status, exc)
