"""Clients behind proxies over TCP, DoT and DoH: the PROXY header and X-Forwarded-For, believed from trusted proxies."""

from __future__ import annotations

import ipaddress
import struct
import time
from collections.abc import Iterator

import dns.edns
import dns.message
import dns.rcode
import pytest

from tests.conftest import EXEMPT, OFFICE
from tests.support.clients import LOCALHOST, TcpClient, ede, is_blocked, query, rdata
from tests.support.encrypted import Certificates, DotClient, curl, tls_connection
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until
from tests.support.stub import DEFAULT_ANSWER, StubUpstream

PROXY = "127.0.0.8"
INNER_PROXY = "127.0.0.9"
PASSES_TLS_ON, BY_SUBNET = "127.0.0.6", "127.0.0.7"
ALL_WORDS = ["proxy", "proxy-within-tls", "x-forwarded-for"]
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def _exempt_query() -> bytes:
    asked = query("claude.ai")
    asked.use_edns(0, payload=1232, options=[dns.edns.ECSOption(EXEMPT, 32)])
    return asked.to_wire()


EXEMPT_QUERY = _exempt_query()  # as a client writes it that wants to be somebody else


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """What the server shows."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Moatdns]:
    """A server that trusts proxies of several kinds."""
    with StubUpstream() as upstream:
        config = {
            **OFFICE,
            "workers": 1,
            "upstream": {"servers": [upstream.server]},
            "clients": {
                "allow": ["127.0.0.0/28"],
                "trusted_proxies": [
                    {"network": PROXY, "sources": ALL_WORDS},
                    INNER_PROXY,
                    {"network": PASSES_TLS_ON, "sources": ["proxy"]},
                    {"network": BY_SUBNET, "sources": ["client-subnet"]},
                ],
            },
            "limits": {"tls_handshake_seconds": 1.0, "tcp_idle_seconds": 1.0},
        }
        with Moatdns(tmp_path_factory.mktemp("proxied"), config, certificates=certificates) as moatdns:
            yield moatdns


def header(client: str, *, command: int = 1) -> bytes:
    """A PROXY header of version 2 for a client over TCP."""
    addresses = ipaddress.IPv4Address(client).packed + ipaddress.IPv4Address(LOCALHOST).packed
    addresses += struct.pack("!HH", 4711, 53)
    return SIGNATURE + bytes((0x20 | command, 0x11)) + struct.pack("!H", len(addresses)) + addresses


def over(kind: str, server: Moatdns, certificates: Certificates, source: str, before: bytes) -> dns.message.Message:
    """The answer to a query for claude.ai that follows `before` on a connection from `source`."""
    asked = query("claude.ai")
    if kind == "tcp":
        with TcpClient(server.port, source) as client:
            client.connection.sendall(before)
            client.send(asked)
            return client.receive()
    if kind == "within dot":
        with DotClient(server.dot_port, certificates, client=source) as dot:
            dot.connection.sendall(before)
            return dot.ask(asked)
    if kind == "dot":
        with DotClient(server.dot_port, certificates, client=source, before=before) as dot:
            return dot.ask(asked)
    wire = asked.to_wire()
    head = "POST /dns-query HTTP/1.1\r\nhost: x\r\ncontent-type: application/dns-message\r\nconnection: close\r\n"
    with tls_connection(server.doh_port, certificates, "http/1.1", client=source, before=before) as connection:
        connection.sendall(f"{head}content-length: {len(wire)}\r\n\r\n".encode() + wire)
        got = b""
        while piece := connection.recv(65_536):
            got += piece
    return dns.message.from_wire(got.partition(b"\r\n\r\n")[2])


KINDS = ("tcp", "dot", "within dot", "doh")


@pytest.mark.parametrize("kind", KINDS)
def test_a_trusted_proxys_header_decides_whose_query_it_is(
    server: Moatdns, certificates: Certificates, kind: str
) -> None:
    assert rdata(over(kind, server, certificates, PROXY, header(EXEMPT))) == [DEFAULT_ANSWER]
    assert is_blocked(over(kind, server, certificates, PROXY, header(LOCALHOST)))
    stranger = over(kind, server, certificates, PROXY, header("192.0.2.99"))
    assert stranger.rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("kind", KINDS)
def test_a_trusted_proxy_may_speak_for_itself(server: Moatdns, certificates: Certificates, kind: str) -> None:
    assert is_blocked(over(kind, server, certificates, PROXY, header(EXEMPT, command=0)))


def test_a_connection_whose_proxy_says_nothing_is_answered_by_nobody(
    server: Moatdns, certificates: Certificates
) -> None:
    before = server.counts().get("proxy_says_nothing", 0)
    for proxy in (PROXY, PASSES_TLS_ON, BY_SUBNET):
        for kind in ("tcp", "dot"):
            answer = over(kind, server, certificates, proxy, b"")
            assert (answer.rcode(), ede(answer)[0][0]) == (dns.rcode.REFUSED, 18), (proxy, kind)
    for proxy in (PROXY, PASSES_TLS_ON):
        fetched = curl(certificates, server.doh_port, "/dns-query", "--interface", proxy, body=EXEMPT_QUERY)
        assert fetched.status == 403, fetched
    assert server.counts()["proxy_says_nothing"] == before + 8


def test_what_a_client_writes_within_tls_that_its_proxy_passes_on_is_worth_nothing(
    server: Moatdns, certificates: Certificates
) -> None:
    before = server.counts().get("proxy_not_trusted", 0)
    with pytest.raises((OSError, EOFError)):
        over("within dot", server, certificates, PASSES_TLS_ON, header(EXEMPT))
    assert server.counts()["proxy_not_trusted"] == before + 1
    with (
        pytest.raises((OSError, EOFError)),
        DotClient(server.dot_port, certificates, client=PASSES_TLS_ON, before=header(LOCALHOST)) as client,
    ):
        client.connection.sendall(header(EXEMPT))
        client.ask(query("claude.ai"))


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_over_https_a_proxy_may_name_its_client_by_the_client_subnet_alone(
    server: Moatdns, certificates: Certificates, version: str
) -> None:
    def fetched(source: str) -> dns.message.Message:
        arguments = (version, "--interface", source, "--header", "x-forwarded-for: 127.0.0.99")
        return curl(certificates, server.doh_port, "/dns-query", *arguments, body=EXEMPT_QUERY).message

    assert rdata(fetched(BY_SUBNET)) == [DEFAULT_ANSWER]
    assert is_blocked(fetched(LOCALHOST))


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_of_anybody_else_is_worth_nothing(server: Moatdns, certificates: Certificates, kind: str) -> None:
    with pytest.raises((OSError, EOFError, dns.exception.DNSException)):
        over(kind, server, certificates, LOCALHOST, header(EXEMPT))


@pytest.mark.parametrize("kind", KINDS)
def test_a_malformed_header_ends_the_connection_and_is_counted(
    server: Moatdns, certificates: Certificates, kind: str
) -> None:
    before = server.counts().get("proxy_header", 0)
    with pytest.raises((OSError, EOFError)):
        over(kind, server, certificates, PROXY, SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12))
    assert server.counts()["proxy_header"] == before + 1


def test_a_header_may_come_octet_by_octet(server: Moatdns) -> None:
    with TcpClient(server.port, PROXY) as client:
        for octet in header(EXEMPT):
            client.connection.sendall(bytes((octet,)))
        client.send(query("claude.ai"))
        assert rdata(client.receive()) == [DEFAULT_ANSWER]


def test_a_header_that_does_not_end_is_not_waited_for(server: Moatdns) -> None:
    before = server.counts().get("tls_handshake_seconds", 0)
    with TcpClient(server.port, PROXY) as client:
        client.connection.sendall(header(EXEMPT)[:20])
        wait_until(lambda: server.counts().get("tls_handshake_seconds", 0) > before, "its end")


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize(
    ("source", "forwarded", "exempt"),
    [
        (PROXY, [EXEMPT], True),
        (PROXY, [LOCALHOST], False),
        (PROXY, [f"{EXEMPT}, {INNER_PROXY}"], True),
        (PROXY, [EXEMPT, INNER_PROXY], True),  # each proxy has added a line of its own
        (PROXY, [f"{EXEMPT}, {LOCALHOST}"], False),  # what the client itself had claimed
        (PROXY, [f"{EXEMPT}:4711"], True),
        (PROXY, [f"{LOCALHOST}:4711"], False),
        (PROXY, [f"[::ffff:{EXEMPT}]:4711"], True),
        (PROXY, [f"{EXEMPT}, [::ffff:{INNER_PROXY}]:1"], True),
        (LOCALHOST, [EXEMPT], False),
    ],
)
def test_forwarded_addresses_are_believed_from_trusted_proxies_only(
    server: Moatdns, certificates: Certificates, version: str, source: str, forwarded: list[str], exempt: bool
) -> None:
    lines = [part for line in forwarded for part in ("--header", f"x-forwarded-for: {line}")]
    fetched = curl(
        certificates,
        server.doh_port,
        "/dns-query",
        version,
        "--interface",
        source,
        *lines,
        body=query("claude.ai").to_wire(),
    )
    assert is_blocked(fetched.message) is not exempt


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize(
    "forwarded", ["1.2.3", "unknown", "_hidden", f"{EXEMPT}, unknown", f"{EXEMPT},", f"{EXEMPT}:x"]
)
def test_a_forwarded_address_that_is_none_is_refused_and_counted(
    server: Moatdns, certificates: Certificates, version: str, forwarded: str
) -> None:
    before = server.counts().get("x_forwarded_for", 0)
    arguments = (version, "--interface", PROXY, "--header", f"x-forwarded-for: {forwarded}")
    fetched = curl(certificates, server.doh_port, "/dns-query", *arguments, body=EXEMPT_QUERY)
    assert fetched.status == 403
    assert server.counts()["x_forwarded_for"] == before + 1


def test_a_proxy_that_another_one_names_must_say_for_whom_it_asks(server: Moatdns, certificates: Certificates) -> None:
    before = header(INNER_PROXY)
    answer = over("dot", server, certificates, PROXY, before)
    assert answer.rcode() == dns.rcode.REFUSED
    arguments = ("--interface", PROXY, "--header", f"x-forwarded-for: {INNER_PROXY}")
    assert curl(certificates, server.doh_port, "/dns-query", *arguments, body=EXEMPT_QUERY).status == 403


VERSION_1 = b"PROXY TCP4 127.0.0.2 127.0.0.1 4711 53\r\n"


@pytest.mark.parametrize("source", [PROXY, LOCALHOST])
@pytest.mark.parametrize("kind", KINDS)
def test_a_header_of_version_1_ends_the_connection_at_once(
    server: Moatdns, certificates: Certificates, kind: str, source: str
) -> None:
    before = server.counts().get("proxy_header_v1", 0)
    began = time.monotonic()
    with pytest.raises((OSError, EOFError, dns.exception.DNSException)):
        over(kind, server, certificates, source, VERSION_1)
    assert time.monotonic() - began < 0.8, "before any limit of time"
    if source == PROXY or kind in ("tcp", "within dot"):  # else it is no TLS, and counted as that
        assert server.counts()["proxy_header_v1"] == before + 1


@pytest.mark.parametrize("source", [PROXY, LOCALHOST])
def test_a_header_of_version_1_is_known_octet_by_octet(server: Moatdns, source: str) -> None:
    with TcpClient(server.port, source) as client:
        for octet in VERSION_1[:6]:
            client.connection.sendall(bytes((octet,)))
            time.sleep(0.01)
        with pytest.raises((OSError, EOFError)):
            client.receive()


@pytest.mark.parametrize("source", [PROXY, LOCALHOST])
def test_a_long_query_that_begins_with_the_same_octet_is_answered(server: Moatdns, source: str) -> None:
    asked = query("claude.ai")
    asked.use_edns(options=[dns.edns.GenericOption(12, bytes(0x5000))])
    wire = asked.to_wire(max_size=65_535)
    assert struct.pack("!H", len(wire))[:1] == VERSION_1[:1]
    with TcpClient(server.port, source) as client:
        for piece in (struct.pack("!H", len(wire))[:1], struct.pack("!H", len(wire))[1:], wire):
            client.connection.sendall(piece)
            time.sleep(0.02)
        answer = client.receive()
        # Of a trusted proxy, which had to say for whom it asks, the query is read all the same.
        assert is_blocked(answer) if source == LOCALHOST else answer.rcode() == dns.rcode.REFUSED
