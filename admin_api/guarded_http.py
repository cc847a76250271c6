"""HTTP to elsewhere: to addresses of the open Internet only, unless it is said otherwise.

A connection goes to the very address that was checked, so DNS cannot lead it elsewhere.
"""

from __future__ import annotations

import socket
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from resolver.address_kinds import is_public
from resolver.config.subscription import literal_address
from resolver.errors import FetchError

SILENCE_SECONDS: Final = 20.0
_CONNECT_SECONDS: Final = 10.0
_NOT_PUBLIC = (
    "its host has no address of the open Internet; private and local ones are asked only with allow_private: true"
)


class _PublicOnly(AbstractResolver):
    """The system's resolver, less all addresses that are not of the open Internet."""

    def __init__(self) -> None:
        self._system = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """As aiohttp asks."""
        found = [entry for entry in await self._system.resolve(host, port, family) if is_public(entry["host"])]
        if not found:
            raise FetchError(_NOT_PUBLIC)
        return found

    async def close(self) -> None:
        """Nothing is open."""


def guarded_session(*, allow_private: bool, headers: dict[str, str]) -> aiohttp.ClientSession:
    """A session of one connection at a time, without cookies and proxies; nothing is unpacked."""
    resolver = ThreadedResolver() if allow_private else _PublicOnly()
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, limit=1, force_close=True),
        timeout=aiohttp.ClientTimeout(sock_connect=_CONNECT_SECONDS, sock_read=SILENCE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        headers=headers,
    )


def check_address(url: str, *, allow_private: bool) -> None:
    """Refuse a URL whose host is written as an address that must not be asked. Raises FetchError."""
    address = literal_address(urlsplit(url).hostname or "")
    if address is not None and not allow_private and not is_public(address):
        raise FetchError(_NOT_PUBLIC)


def why_not(error: Exception) -> str:
    """What went wrong with a request, fit to show."""
    known = _fetch_error_within(error)
    return str(known) if known is not None else _why(error)


def _fetch_error_within(error: BaseException | None) -> FetchError | None:
    """What our own resolver raised, under what aiohttp made of it."""
    while error is not None:
        if isinstance(error, FetchError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _why(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its host's name has no address"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "its certificate is not good"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer ended in the middle"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "its host cannot be reached"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection"
    if isinstance(error, aiohttp.InvalidURL):
        return "the URL cannot be asked"
    if isinstance(error, aiohttp.ClientError):
        return "the server's answer is not HTTP that can be read"
    if isinstance(error, OSError):
        return f"what came cannot be kept: {error.strerror or error}"
    return "the URL cannot be asked"
