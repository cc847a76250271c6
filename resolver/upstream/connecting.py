"""Opening of connections to upstreams: where the server is, TCP, and TLS with a certificate that we take."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from resolver.errors import UpstreamError, UpstreamInsecure, UpstreamTimeout, UpstreamUnreachable
from resolver.upstream.bootstrap import Bootstrap
from resolver.upstream.server import Server

if TYPE_CHECKING:
    from resolver.upstream.client_context import ClientContext

_MOST_ADDRESSES = 4  # of one name that are tried


class Dialling:
    """Settings and state that all connections of one forwarder share."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, connect_seconds: float, bootstrap: Bootstrap | None, ca_file: str | None
    ) -> None:
        self.loop = loop
        self.connect_seconds = connect_seconds
        self.ca_file = ca_file
        self._bootstrap = bootstrap
        self._last_good: dict[Server, str] = {}
        self.contexts: dict[tuple[str, ...], ClientContext] = {}  # by the protocols of ALPN
        self.ca_stamp: tuple[int, ...] = ()  # of the file as the contexts have it

    async def open(
        self, server: Server, made: Callable[[], asyncio.Protocol], context: Callable[[], ssl.SSLContext] | None
    ) -> None:
        """Open a connection; `made` gives what handles it. Raises UpstreamError."""
        what = "TCP" if context is None else "TLS"
        try:
            async with asyncio.timeout(self.connect_seconds):
                await self._open(server, made, None if context is None else context())
        except TimeoutError:
            raise UpstreamTimeout(f"{server.name}: no {what} connection within {self.connect_seconds:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise UpstreamInsecure(f"{server.name}: its certificate is not valid: {error.verify_message}") from error
        except ssl.SSLError as error:
            raise UpstreamInsecure(f"{server.name}: TLS: {error.reason or error}") from error
        except OSError as error:
            raise UpstreamUnreachable(f"{server.name}: {what}: {error.strerror or error}") from error

    async def _open(self, server: Server, made: Callable[[], asyncio.Protocol], context: ssl.SSLContext | None) -> None:
        settings = server.settings
        addresses = await self._addresses(server)
        for number, address in enumerate(addresses, 1):
            try:
                async with asyncio.timeout(self.connect_seconds / len(addresses)):
                    await self.loop.create_connection(
                        made,
                        address,
                        settings.port,
                        ssl=context,
                        server_hostname=None if context is None else settings.certificate_name,
                    )
            except OSError:  # a timeout is one, too
                if number == len(addresses):
                    raise
            else:
                self._last_good[server] = address
                return

    async def _addresses(self, server: Server) -> list[str]:
        """The addresses of a server, the one that was good last first. Raises UpstreamUnreachable."""
        if server.settings.has_address or server.settings.transport not in ("tls", "https"):
            return [server.address[0]]
        if self._bootstrap is None:
            raise UpstreamUnreachable(f"{server.name}: no server can resolve its name")
        try:
            addresses = await self._bootstrap.addresses(server.settings.host)
        except UpstreamError as error:
            raise UpstreamUnreachable(f"{server.name}: its name cannot be resolved: {error}") from error
        good = self._last_good.get(server)
        return sorted(addresses, key=lambda address: address != good)[:_MOST_ADDRESSES]
