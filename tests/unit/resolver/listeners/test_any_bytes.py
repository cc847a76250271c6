"""Whatever a client sends, no layer of a connection raises an error that nobody expected, and all is given back."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import h2.connection
import hyperframe.frame as frames
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answering.pipeline import Pending, Pipeline, Transport
from resolver.answering.proxies import BY_CLIENT_SUBNET, BY_HEADER, BY_HEADER_WITHIN_TLS, TrustedProxies
from resolver.config.settings import Limits
from resolver.listeners.application import Application
from resolver.listeners.connection import ClientConnection, ListenerContext
from resolver.listeners.connections import Connections, Handshakes
from resolver.listeners.doh import HttpExchange
from resolver.listeners.http1 import Http1
from resolver.listeners.http2 import Http2
from resolver.listeners.stream import DnsStream
from resolver.listeners.tls import ServerContext, Tls
from resolver.listeners.turns import Turns
from resolver.telemetry.counters import Counters
from resolver.wire.proxy_header import SIGNATURE

PROXY = "192.0.2.1"
CLIENT = "192.0.2.2"
QUERY = bytes.fromhex("000001000001000000000000") + b"\x01a\x00\x00\x01\x00\x01"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Asking:
    """A client, or a proxy."""

    network = b""
    speaks_for_itself = False

    def __init__(self, words: int) -> None:
        self.words = words

    def itself(self) -> Asking:
        """As its own."""
        return self


class Echo:
    """A pipeline that answers with the query itself: at once, later, or not at all, as its first octet says."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    @property
    def clients(self) -> Any:
        """Only PROXY is a proxy, by a header wherever it comes."""
        words = BY_HEADER | BY_HEADER_WITHIN_TLS | BY_CLIENT_SUBNET
        return SimpleNamespace(
            proxies=TrustedProxies(),
            at=lambda address, _name="": Asking(words if address == PROXY else 0),
            behind=lambda proxy, _: proxy,
        )

    def answer_now(self, query: bytes, client: object, transport: Transport) -> bytes | Pending | None:
        """The query itself."""
        if len(query) < 12:
            return None
        if query[0] % 2:
            pending = object.__new__(Pending)
            self.waiting.append(lambda: None)
            self._query = query
            return pending
        return query

    def resolve(self, pending: Pending, reply: Callable[[bytes], None]) -> None:
        """Later."""
        query = self._query
        self.waiting[-1] = lambda: reply(query)


class Wire(asyncio.Transport):
    """The network, which takes everything."""

    def __init__(self, peer: str) -> None:
        super().__init__({"peername": (peer, 4711)})
        self.sent = bytearray()
        self.writes = 0
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take it."""
        assert not self._is_closing
        self.sent += data
        self.writes += 1

    def close(self) -> None:
        """No more is taken."""
        self._is_closing = True

    abort = close

    def is_closing(self) -> bool:
        """Whether no more is taken."""
        return self._is_closing

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no buffer."""

    def pause_reading(self) -> None:
        """It is the test that reads."""

    resume_reading = pause_reading


class World:
    """A listener with one connection at a time behind it."""

    def __init__(self, speak: Callable[[ClientConnection], Application], context: ServerContext | None = None) -> None:
        self.loop = asyncio.new_event_loop()
        self.echo = Echo()
        counters = Counters()
        limits = Limits()
        self.handshakes = Handshakes(limits.tls_handshakes, counters.dropped)
        self.connections = Connections(limits, counters.dropped)
        pipeline = cast(Pipeline, self.echo)
        turns = Turns(self.loop)
        self.listener = ListenerContext(
            self.loop, pipeline, self.connections, turns, limits, counters, speak, context, self.handshakes
        )

    def hear(self, pieces: list[bytes], *, peer: str = CLIENT) -> bytes:
        """One client says all this, and goes; what it was told."""
        connection, wire = ClientConnection(self.listener), Wire(peer)
        connection.connection_made(wire)
        for piece in pieces:
            if not wire.is_closing():
                connection.data_received(piece)
            if self.echo.waiting:
                self.echo.waiting.pop()()
        if not wire.is_closing():
            connection.eof_received()
        for landed in self.echo.waiting:
            landed()
        self.echo.waiting.clear()
        connection.drain()
        connection.connection_lost(None)
        assert not self.connections.open
        assert not self.handshakes.open
        return bytes(wire.sent)


def dns_stream(connection: ClientConnection) -> Application:
    """DNS over TCP."""
    return DnsStream(connection, Transport.TCP)


def http1(connection: ClientConnection) -> Application:
    """HTTP/1.1."""
    return Http1(connection, HttpExchange(connection))


def http2(connection: ClientConnection) -> Application:
    """HTTP/2."""
    return Http2(connection, HttpExchange(connection))


@pytest.fixture(scope="module")
def worlds(context: ServerContext) -> Iterator[dict[str, World]]:
    """One for each thing that is spoken."""
    found = {"dns": World(dns_stream), "http1": World(http1), "http2": World(http2), "tls": World(dns_stream, context)}
    yield found
    for world in found.values():
        world.loop.close()


framed = st.builds(lambda q: len(q).to_bytes(2, "big") + q, st.sampled_from([QUERY, b"\x01" + QUERY[1:], b"", b"x"]))
requests = st.builds(
    b"%s %s HTTP/1.%d\r\nhost: x\r\n%s\r\n%s".__mod__,
    st.tuples(
        st.sampled_from([b"GET", b"POST", b"HEAD", b"CONNECT", b"PUT"]),
        st.sampled_from([b"/dns-query", b"/dns-query?dns=AAABAAABAAAAAAAAAWEAAAEAAQ", b"*", b"x:1", b"/dns-query/al"]),
        st.sampled_from([0, 1]),
        st.sampled_from(
            [
                b"",
                b"content-length: 17\r\ncontent-type: application/dns-message\r\n",
                b"transfer-encoding: chunked\r\n",
                b"content-length: 70000\r\n",
                b"connection: close\r\n",
                b"connection: upgrade\r\nupgrade: h2c\r\n",
                b"expect: 100-continue\r\ncontent-length: 5\r\n",
            ]
        ),
        st.sampled_from([b"", b"x" * 17, b"\x01" * 17, b"5\r\nabcde\r\n0\r\n\r\n", b"x" * 70_000]),
    ),
)


def _headers(method: str, path: str) -> bytes:
    http = h2.connection.H2Connection()
    headers = [(":method", method), (":scheme", "https"), (":authority", "x"), (":path", path)]
    return bytes(http.encoder.encode([*headers, ("content-type", "application/dns-message")]))


streams = st.sampled_from([0, 1, 3, 5, 2, 2**31 - 1])
frame_of_http2 = st.one_of(
    st.builds(
        lambda stream, block, flags: frames.HeadersFrame(stream, block, flags=flags),
        st.sampled_from([1, 3, 5]),
        st.sampled_from([_headers("POST", "/dns-query"), _headers("GET", "/dns-query?dns=AAAB"), b"\x82", b"\xff\xff"]),
        st.sampled_from([["END_HEADERS"], ["END_HEADERS", "END_STREAM"], []]),
    ),
    st.builds(
        lambda stream, data, flags: frames.DataFrame(stream, data, flags=flags),
        st.sampled_from([1, 3, 5]),
        st.sampled_from([b"", QUERY, b"\x01" + QUERY[1:], b"x" * 16_384]),
        st.sampled_from([[], ["END_STREAM"]]),
    ),
    st.builds(frames.RstStreamFrame, st.sampled_from([1, 3, 5])),
    st.builds(
        lambda stream, by: frames.WindowUpdateFrame(stream, window_increment=by),
        st.sampled_from([0, 1, 3]),
        st.sampled_from([1, 2**31 - 1]),
    ),
    st.builds(lambda size: frames.SettingsFrame(0, {4: size}), st.sampled_from([0, 1, 65_535, 2**31 - 1])),
    st.builds(lambda: frames.PingFrame(0, b"12345678")),
    st.builds(lambda: frames.GoAwayFrame(0)),
    st.builds(lambda: frames.PriorityFrame(1)),
)


@given(st.lists(st.one_of(st.binary(max_size=40), framed), max_size=12), st.sampled_from([CLIENT, PROXY]))
def test_any_octets_are_heard_as_dns(worlds: dict[str, World], pieces: list[bytes], peer: str) -> None:
    worlds["dns"].hear(pieces, peer=peer)


@given(st.lists(st.one_of(st.binary(max_size=40), requests), max_size=8), st.booleans())
def test_any_octets_are_heard_as_http1(worlds: dict[str, World], pieces: list[bytes], at_once: bool) -> None:
    worlds["http1"].hear([b"".join(pieces)] if at_once else pieces)


@given(
    st.lists(st.one_of(st.binary(max_size=40), st.builds(lambda f: bytes(f.serialize()), frame_of_http2)), max_size=14),
    st.booleans(),
)
def test_any_frames_are_heard_as_http2(worlds: dict[str, World], pieces: list[bytes], at_once: bool) -> None:
    pieces = [PREFACE + frames.SettingsFrame(0).serialize(), *pieces]
    worlds["http2"].hear([b"".join(pieces)] if at_once else pieces)


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_octets_are_heard_as_tls(worlds: dict[str, World], pieces: list[bytes]) -> None:
    worlds["tls"].hear(pieces)


@given(st.binary(max_size=60), st.lists(st.binary(max_size=30), max_size=4))
def test_any_octets_may_follow_a_proxys_signature(worlds: dict[str, World], rest: bytes, more: list[bytes]) -> None:
    for world in worlds.values():
        world.hear([SIGNATURE + rest, *more], peer=PROXY)


def handshake(server: Tls, client: ssl.SSLObject, to_client: ssl.MemoryBIO, from_client: ssl.MemoryBIO) -> bytes:
    """Both ends up to the end of it; what the server heard behind it."""
    heard = b""
    for _ in range(4):
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        heard += server.feed(from_client.read())
        to_client.write(server.take())
    return heard


@given(st.lists(st.binary(min_size=1, max_size=70_000), max_size=3), st.lists(st.binary(max_size=30), max_size=3))
def test_what_is_said_over_tls_is_heard_whole_and_garbage_behind_it_is_an_ssl_error(
    context: ServerContext, said: list[bytes], garbage: list[bytes]
) -> None:
    to_client, from_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    open_minded = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    open_minded.check_hostname = False
    open_minded.verify_mode = ssl.CERT_NONE
    client = open_minded.wrap_bio(to_client, from_client, server_hostname="dns.office.example")
    assert context.context
    server = Tls(context.context)
    handshake(server, client, to_client, from_client)
    assert server.is_open
    assert server.server_name == "dns.office.example"
    for data in said:
        client.write(data)
        assert server.feed(from_client.read()) == data
        to_client.write(server.seal(data))
        heard = b""
        while len(heard) < len(data):
            heard += client.read(100_000)
        assert heard == data
    for data in garbage:
        try:
            server.feed(data)
        except ssl.SSLError:
            break
