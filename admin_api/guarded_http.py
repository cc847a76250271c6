"""HTTP to elsewhere: to addresses of the open Internet only, unless it is said otherwise.

An address is judged where the socket to it is made, whatever it was written as and whoever named it: a URL (whose host
the client may read otherwise than any check before it: RFC 3490 section 3.1, UTS 46), a redirect, or DNS.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from resolver.errors import FetchError
from resolver.wire.address_kinds import is_public

SILENCE_SECONDS: Final = 20.0
_CONNECT_SECONDS: Final = 10.0
_NOT_PUBLIC = "its host has no public address; private and local ones need allow_private: true"


def _is_open(address: str) -> bool:
    return is_public(address)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class AddressReach:
    """Addresses that may be connected to, and the sentence about any other."""

    holds: Callable[[str], bool]
    why_not: str


PUBLIC: Final = AddressReach(_is_open, _NOT_PUBLIC)
"""The open Internet."""
THIS_MACHINE: Final = AddressReach(
    _is_loopback, "its host is another machine, and http:// is for this one: use https://"
)
"""Loopback, for what is sent without encryption."""


class _Within(AbstractResolver):
    """The system's resolver, less all addresses that are out of reach."""

    def __init__(self, reach: AddressReach) -> None:
        self._reach = reach
        self._system = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """As aiohttp asks. That a name is not there is told as what is there and private: both say what is within."""
        try:
            found = await self._system.resolve(host, port, family)
        except OSError as error:
            raise FetchError(self._reach.why_not) from error
        within = [entry for entry in found if self._reach.holds(entry["host"])]
        if not within:
            raise FetchError(self._reach.why_not)
        return within

    async def close(self) -> None:
        """Nothing is open."""


def guarded_session(
    *,
    allow_private: bool,
    headers: dict[str, str],
    reach: AddressReach = PUBLIC,
    keeps_open: bool = False,
    silence_seconds: float = SILENCE_SECONDS,
    tls: ssl.SSLContext | None = None,
) -> aiohttp.ClientSession:
    """A session of one connection at a time, without cookies and proxies; nothing is unpacked.

    `allow_private` lets it go anywhere. With `keeps_open` a connection serves several requests. `tls` is for
    certificates by other CAs than the system's.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=ThreadedResolver() if allow_private else _Within(reach),
            socket_factory=None if allow_private else _sockets_within(reach),
            ssl=True if tls is None else tls,
            use_dns_cache=False,
            limit=1,
            force_close=not keeps_open,
        ),
        timeout=aiohttp.ClientTimeout(sock_connect=min(_CONNECT_SECONDS, silence_seconds), sock_read=silence_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        headers=headers,
    )


def _sockets_within(reach: AddressReach) -> Callable[[tuple[Any, ...]], socket.socket]:
    """Makes the socket for a connection to an address (as of getaddrinfo), which is connected to nothing else."""

    def make(to: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, (host, *_) = to
        if not reach.holds(str(host)):
            raise OSError(errno.EACCES, "out of reach") from FetchError(reach.why_not)
        return socket.socket(family, kind, protocol)

    return make


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
    if isinstance(error, ValueError):  # a host name that cannot be asked for
        return "the URL cannot be fetched"
    return f"an unexpected error: {type(error).__name__}"  # ours, or the library's: nobody should look at the server
