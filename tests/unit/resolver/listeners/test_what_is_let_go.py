"""A connection that is over leaves nothing behind that only the collector of garbage would find."""

from __future__ import annotations

import contextlib
import gc
import ssl
from collections.abc import Callable, Iterator

import h2.connection
import pytest

from resolver.listeners.application import Application
from resolver.listeners.connection import ClientConnection
from resolver.listeners.tls import ServerContext

from .test_any_bytes import CLIENT, QUERY, Wire, World, dns_stream, http1, http2

HEADERS = [
    (":method", "POST"),
    (":scheme", "https"),
    (":authority", "x"),
    (":path", "/dns-query"),
    ("content-type", "application/dns-message"),
]
LATER = b"\x01" + QUERY[1:]  # the pipeline answers it later


def as_dns(query: bytes) -> bytes:
    return len(query).to_bytes(2, "big") + query


def as_http1(query: bytes) -> bytes:
    head = b"POST /dns-query HTTP/1.1\r\nhost: x\r\ncontent-type: application/dns-message\r\ncontent-length: %d\r\n\r\n"
    return head % len(query) + query


class AsHttp2:
    """A client that says one query after the other."""

    def __init__(self) -> None:
        self._http = h2.connection.H2Connection()
        self._http.initiate_connection()

    def __call__(self, query: bytes) -> bytes:
        stream = self._http.get_next_available_stream_id()
        self._http.send_headers(stream, HEADERS)
        self._http.send_data(stream, query, end_stream=True)
        return bytes(self._http.data_to_send())


class OverTls:
    """A client of a connection over TLS: octets of the network for what it says."""

    def __init__(self, connection: ClientConnection, wire: Wire) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        self._channel = trusting.wrap_bio(self._in, self._out, server_hostname="dns.office.example")
        for _ in range(4):
            with contextlib.suppress(ssl.SSLWantReadError):
                self._channel.do_handshake()
            connection.data_received(self._out.read())
            self._in.write(bytes(wire.sent))
            wire.sent.clear()

    def __call__(self, data: bytes) -> bytes:
        self._channel.write(data)
        return self._out.read()


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


KINDS: dict[str, tuple[Callable[[ClientConnection], Application], Callable[[], Callable[[bytes], bytes]], bool]] = {
    "tcp": (dns_stream, lambda: as_dns, False),
    "dot": (dns_stream, lambda: as_dns, True),
    "doh by HTTP/1.1": (http1, lambda: as_http1, True),
    "doh by HTTP/2": (http2, AsHttp2, True),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("no_collector")
def test_a_connection_that_is_over_is_free_at_once(kind: str, context: ServerContext) -> None:
    speak, client_of, is_over_tls = KINDS[kind]
    world = World(speak, context if is_over_tls else None)
    clients = []  # kept, since their own cycles are no matter of ours
    for queries in ((QUERY, QUERY), (QUERY, LATER)):  # the second client leaves before its last answer
        connection, wire = ClientConnection(world.listener), Wire(CLIENT)
        connection.connection_made(wire)
        says = client_of()
        seal: Callable[[bytes], bytes] = OverTls(connection, wire) if is_over_tls else bytes
        clients.append((says, seal))
        for query in queries:
            connection.data_received(seal(says(query)))
        assert wire.sent
        connection.connection_lost(None)
        while world.echo.waiting:
            world.echo.waiting.pop()()
        del connection, wire
    found = gc.collect()
    world.loop.close()
    assert not found
