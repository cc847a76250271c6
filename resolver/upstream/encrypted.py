"""TLS towards upstreams: certificates and names are checked, always (RFC 7858 section 4.2, RFC 8310 section 5)."""

from __future__ import annotations

import os
import ssl
from typing import Final

from resolver.errors import UpstreamInsecure
from resolver.upstream.client_context import ClientContext
from resolver.upstream.connecting import Dialling
from resolver.upstream.randomness import Randomness
from resolver.upstream.server import Server
from resolver.upstream.stream import StreamLink
from resolver.upstream.tcp import TcpConnection

_DOT: Final[tuple[str, ...]] = ()
_DOH: Final[tuple[str, ...]] = ("h2",)


def _context(dialling: Dialling, protocols: tuple[str, ...]) -> ClientContext:
    """The context of all servers that speak these by ALPN, by the CA file as it is now. Raises UpstreamInsecure.

    Where a changed file cannot be used, what was read before goes on: it may be half written.
    """
    stamp = _stamp_of(dialling.ca_file)
    if stamp != dialling.ca_stamp and stamp and dialling.contexts:
        known, dialling.contexts = dialling.contexts, {}
        try:
            return _made(dialling, protocols, stamp)
        except UpstreamInsecure:
            dialling.contexts = known
    context = dialling.contexts.get(protocols)
    return _made(dialling, protocols, stamp) if context is None else context


def _stamp_of(ca_file: str | None) -> tuple[int, ...]:
    """Stamp by which a changed file is noticed; empty where there is no file."""
    try:
        found = os.stat(ca_file) if ca_file is not None else None  # noqa: PTH116 a path is ten times as dear
    except OSError:
        found = None
    return () if found is None else (found.st_mtime_ns, found.st_size, found.st_ino)


def _made(dialling: Dialling, protocols: tuple[str, ...], stamp: tuple[int, ...]) -> ClientContext:
    context = ClientContext(ssl.PROTOCOL_TLS_CLIENT)  # which checks certificates and names
    context._sessions = {}
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    if protocols:
        context.set_alpn_protocols(list(protocols))
    try:
        if dialling.ca_file is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(dialling.ca_file)
    except OSError as error:
        raise UpstreamInsecure(f"upstream.ca_file: {dialling.ca_file} cannot be used: {error}") from error
    dialling.contexts[protocols] = context
    dialling.ca_stamp = stamp
    return context


def encrypted_link(server: Server, dialling: Dialling, randomness: Randomness) -> StreamLink:
    """The way to a server by DoT or DoH."""
    protocols = _DOT
    kind: type[TcpConnection] | type[HttpsConnection] = TcpConnection
    if server.settings.transport == "https":
        from resolver.upstream.https import HttpsConnection  # noqa: PLC0415 (others need no HTTP/2)

        protocols, kind = _DOH, HttpsConnection
    return StreamLink(server, dialling, kind, randomness, context=lambda: _context(dialling, protocols))
