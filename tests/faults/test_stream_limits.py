"""Clients that are slow, silent or too many: each bound of a connection ends it, is counted, and hinders nobody."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from tests.support.clients import LOCALHOST, TcpClient, is_blocked, query
from tests.support.encrypted import Certificates, DotClient, tls_connection
from tests.support.http2 import Http2Client, in_url
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until
from tests.support.stub import StubUpstream

LIMITS = {
    "tcp_idle_seconds": 1.0,
    "tcp_lifetime_seconds": 3.0,
    "tcp_write_seconds": 0.6,
    "tls_handshakes": 8,
    "tls_handshake_seconds": 0.8,
}
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """What the server shows."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    """One with an answer that no buffer takes at once."""
    large = "\n".join(f'large.example. 300 IN TXT "{number:03} {"x" * 200}"' for number in range(290))
    with StubUpstream({"large.example": large}) as stub:
        yield stub


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, upstream: StubUpstream
) -> Iterator[Moatdns]:
    """A server that has little patience."""
    config = {"workers": 1, "limits": LIMITS, "upstream": {"servers": [upstream.server]}}
    with Moatdns(tmp_path_factory.mktemp("strict"), config, certificates=certificates) as moatdns:
        yield moatdns


def seconds_until_end(connection: socket.socket) -> float:
    """How long it takes until the server has ended the connection."""
    began = time.monotonic()
    connection.settimeout(10)
    with contextlib.suppress(ConnectionError):
        while connection.recv(65_536):
            pass
    return time.monotonic() - began


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["nothing", "half a hello"])
def test_a_handshake_that_does_not_end_is_ended(server: Moatdns, sent: bytes) -> None:
    before = server.counts().get("tls_handshake_seconds", 0)
    with socket.create_connection((LOCALHOST, server.dot_port), 10) as slow:
        slow.sendall(sent)
        assert 0.5 < seconds_until_end(slow) < 3
    assert server.counts()["tls_handshake_seconds"] == before + 1


def test_of_too_many_handshakes_the_slowest_makes_room(server: Moatdns, certificates: Certificates) -> None:
    before = server.counts().get("tls_handshakes", 0)
    with contextlib.ExitStack() as held:
        slow = [
            held.enter_context(socket.create_connection((LOCALHOST, server.doh_port), 10))
            for _ in range(int(LIMITS["tls_handshakes"]))
        ]
        with DotClient(server.dot_port, certificates) as honest:
            assert is_blocked(honest.ask(query("claude.ai")))
        assert seconds_until_end(slow[0]) < 0.5
    assert server.counts()["tls_handshakes"] > before


@pytest.mark.parametrize("kind", ["tcp", "dot"])
def test_half_a_query_keeps_no_connection_open(server: Moatdns, certificates: Certificates, kind: str) -> None:
    before = server.counts().get("tcp_idle_seconds", 0)
    with contextlib.ExitStack() as held:
        if kind == "tcp":
            connection = held.enter_context(TcpClient(server.port)).connection
        else:
            connection = held.enter_context(tls_connection(server.dot_port, certificates, "dot"))
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 5:
                connection.sendall(b"\x04")
                connection.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(1):
                        break
        assert 0.7 < time.monotonic() - began < 3
    assert server.counts()["tcp_idle_seconds"] == before + 1


@pytest.mark.parametrize(
    ("protocol", "sent"),
    [
        ("http/1.1", b"POST /dns-query HTTP/1.1\r\nhost: x\r\ncontent-length: 40\r\n\r\n"),
        ("http/1.1", b"GET /dns"),
        ("h2", PREFACE + bytes.fromhex("000000040000000000")),
        ("h2", b"PRI * HT"),
    ],
)
def test_half_a_request_keeps_no_connection_open(
    server: Moatdns, certificates: Certificates, protocol: str, sent: bytes
) -> None:
    before = server.counts().get("tcp_idle_seconds", 0)
    with tls_connection(server.doh_port, certificates, protocol) as connection:
        connection.sendall(sent)
        assert 0.5 < seconds_until_end(connection) < 3
    assert server.counts()["tcp_idle_seconds"] == before + 1


@pytest.mark.parametrize("kind", ["tcp", "dot", "http/1.1"])
def test_a_client_that_does_not_read_is_ended(server: Moatdns, certificates: Certificates, kind: str) -> None:
    before = server.counts()
    wire = query("large.example", "TXT").to_wire()
    framed = struct.pack("!H", len(wire)) + wire
    post = b"POST /dns-query HTTP/1.1\r\nhost: x\r\ncontent-type: application/dns-message\r\n"
    post += b"content-length: %d\r\n\r\n" % len(wire)
    with contextlib.ExitStack() as held:
        if kind == "tcp":
            connection = held.enter_context(TcpClient(server.port)).connection
        else:
            port = server.dot_port if kind == "dot" else server.doh_port
            connection = held.enter_context(tls_connection(port, certificates, kind))
        sent = post + wire if kind == "http/1.1" else framed
        with contextlib.suppress(OSError):
            for _ in range(12):  # 700 KB: less than a buffer may hold, more than the kernel takes with it
                connection.sendall(sent)
                time.sleep(0.005)
            connection.sendall(sent * 60)

        def ended() -> bool:
            now = server.counts()
            names = ("tcp_write_seconds", "tcp_write_buffer_bytes")
            return sum(now.get(name, 0) - before.get(name, 0) for name in names) == 1

        wait_until(ended, "the end of a client that reads nothing")


def test_an_http2_client_that_opens_no_window_is_ended(server: Moatdns, certificates: Certificates) -> None:
    before = server.counts().get("tcp_write_seconds", 0)
    with tls_connection(server.doh_port, certificates, "h2") as connection:
        client = Http2Client(connection)
        client.http.update_settings({4: 0})
        client.get("claude.ai")
        assert 0.4 < seconds_until_end(connection) < 4
    assert server.counts()["tcp_write_seconds"] == before + 1


def test_no_connection_lives_for_ever_and_none_is_cut_off_in_an_answer(
    server: Moatdns, certificates: Certificates
) -> None:
    before = server.counts().get("tcp_lifetime_seconds", 0)
    asked = 0
    with DotClient(server.dot_port, certificates) as busy:
        began = time.monotonic()
        with contextlib.suppress(EOFError, OSError):
            while time.monotonic() - began < 8:
                assert is_blocked(busy.ask(query("claude.ai")))
                asked += 1
                time.sleep(0.05)
        assert 2.5 < time.monotonic() - began < 5
    assert asked > 20
    assert server.counts()["tcp_lifetime_seconds"] == before + 1


def test_answers_that_wait_for_the_windows_of_http2_are_bounded_as_those_in_a_buffer(
    server: Moatdns, certificates: Certificates
) -> None:
    before = server.counts().get("tcp_write_buffer_bytes", 0)
    with tls_connection(server.doh_port, certificates, "h2") as connection:
        client = Http2Client(connection)
        client.http.update_settings({4: 0})  # INITIAL_WINDOW_SIZE
        for _ in range(40):  # of some 60,000 octets each
            target = in_url(query("large.example", "TXT").to_wire())
            headers = [(":method", "GET"), (":scheme", "https"), (":authority", "x"), (":path", target)]
            client.http.send_headers(client.http.get_next_available_stream_id(), headers, end_stream=True)
        client.flush()
        assert seconds_until_end(connection) < 5
    assert server.counts()["tcp_write_buffer_bytes"] == before + 1
