"""The admin API on the socket that the supervisor opened."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl

from aiohttp import web

from admin_api.api.app import AddPages, make_app
from admin_api.api.context import Context
from admin_api.api.http.connections import HttpConnections
from admin_api.api.http.odd_octets import with_text_only
from admin_api.api.http.security import load_certificate, ssl_context
from admin_api.api.looks import Looks
from resolver.errors import MoatdnsError
from resolver.telemetry.log import Log

_KEEPALIVE_SECONDS = 30.0
_LAST_CALLS_SECONDS = 3.0  # for calls in flight when the process stops
_BACKLOG = 1024
_HEADER_BYTES = 64 << 10  # of a request's line and of each header


class _ToLog(logging.Handler):
    """aiohttp's complaints about its clients' HTTP, as lines of our log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """One line, without a traceback: it is the client's mistake."""
        self._log.warning("a call was not HTTP that can be read", what=record.getMessage()[:200])


class ApiServer:
    """An HTTP server that runs."""

    def __init__(self, context: Context, add_pages: AddPages) -> None:
        self._context = context
        self._add_pages = add_pages
        self._tls: ssl.SSLContext | None = None
        self._runner: web.AppRunner | None = None
        self._connections = HttpConnections(context.log)
        self._watching: asyncio.Task[None] | None = None
        self._looks = Looks()

    async def start(self, listening: socket.socket) -> None:
        """Serve on a listening socket. Raises MoatdnsError for a certificate that cannot be used."""
        self._tls = ssl_context(self._context.settings)
        logger = logging.getLogger("moatdns.http")
        logger.handlers, logger.propagate = [_ToLog(self._context.log)], False
        self._runner = web.AppRunner(
            make_app(self._context, self._connections, self._add_pages, self._looks),
            logger=logger,
            access_log=None,  # the application writes its own
            handle_signals=False,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            shutdown_timeout=_LAST_CALLS_SECONDS,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
        )
        await self._runner.setup()
        if self._runner.server is not None:
            self._runner.server.request_factory = with_text_only(self._runner.server.request_factory)
        await web.SockSite(self._runner, listening, ssl_context=self._tls, backlog=_BACKLOG).start()
        if self._runner.server is not None:
            self._watching = asyncio.ensure_future(self._connections.watch(self._runner.server))

    @property
    def connections(self) -> int:
        """Open ones, a second ago at most."""
        return self._connections.open

    @property
    def refused_sign_ins(self) -> int:
        """Sign-ins, and calls with JWTs, that were refused since too many waited for the provider."""
        return 0 if self._context.issuer is None else self._context.issuer.refused

    @property
    def forgotten_looks(self) -> int:
        """Looks at persons that made room for newer ones, and are noted again if they go on."""
        return self._looks.forgotten

    def renew(self) -> None:
        """Read the certificate again; a bad one is told, and the old one stays."""
        if self._tls is None:
            return
        try:
            load_certificate(self._tls, self._context.settings)
        except MoatdnsError as error:
            self._context.log.error("the certificate is not renewed", why=str(error))

    async def stop(self) -> None:
        """Finish the calls in flight."""
        if self._watching is not None:
            self._watching.cancel()
        if self._runner is not None:
            with contextlib.suppress(OSError):
                await self._runner.cleanup()
        if self._context.issuer is not None:
            await self._context.issuer.stop()
