"""HTTP to elsewhere: to addresses of the open Internet only, unless it is said otherwise.

An address is judged where the socket to it is made, whatever it was written as and whoever named it: a URL (whose host
the client may read otherwise than any check before it: RFC 3490 section 3.1, UTS 46), a redirect, or DNS.
"""

from __future__ import annotations

import errno
import socket
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from resolver.errors import FetchError
from resolver.wire.address_kinds import is_public

SILENCE_SECONDS: Final = 20.0
_CONNECT_SECONDS: Final = 10.0
_NOT_PUBLIC = "its host has no public address; private and local ones need allow_private: true"


class _PublicOnly(AbstractResolver):
    """The system's resolver, less all addresses that are not of the open Internet."""

    def __init__(self) -> None:
        self._system = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """As aiohttp asks. That a name is not there is told as what is there and private: both say what is within."""
        try:
            found = await self._system.resolve(host, port, family)
        except OSError as error:
            raise FetchError(_NOT_PUBLIC) from error
        public = [entry for entry in found if is_public(entry["host"])]
        if not public:
            raise FetchError(_NOT_PUBLIC)
        return public

    async def close(self) -> None:
        """Nothing is open."""


def guarded_session(*, allow_private: bool, headers: dict[str, str]) -> aiohttp.ClientSession:
    """A session of one connection at a time, without cookies and proxies; nothing is unpacked."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=ThreadedResolver() if allow_private else _PublicOnly(),
            socket_factory=None if allow_private else _public_socket,
            use_dns_cache=False,
            limit=1,
            force_close=True,
        ),
        timeout=aiohttp.ClientTimeout(sock_connect=_CONNECT_SECONDS, sock_read=SILENCE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        headers=headers,
    )


def _public_socket(to: tuple[Any, ...]) -> socket.socket:
    """The socket for a connection to an address (as of getaddrinfo), which is connected to nothing else."""
    family, kind, protocol, _, (host, *_) = to
    if not is_public(str(host)):
        raise OSError(errno.EACCES, "not a public address") from FetchError(_NOT_PUBLIC)
    return socket.socket(family, kind, protocol)


def why_not(error: Exception) -> str:
    """Return why a request failed, fit to show."""
    known = _fetch_error_within(error)
    return str(known) if known is not None else _why(error)


def _fetch_error_within(error: BaseException | None) -> FetchError | None:
    """Find the error of our own resolver under what aiohttp made of it."""
    while error is not None:
        if isinstance(error, FetchError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _why(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its host name has no address"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "its certificate is not valid"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the response is truncated"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "its host cannot be reached"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection"
    if isinstance(error, aiohttp.InvalidURL):
        return "the URL cannot be fetched"
    if isinstance(error, aiohttp.ClientError):
        return "the server's response is not valid HTTP"
    if isinstance(error, OSError):
        return f"the download cannot be stored: {error.strerror or error}"
    return "the URL cannot be fetched"
