"""DNS over TLS (RFC 7858), by kdig, openssl and Python."""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
from collections.abc import Iterator

import dns.message
import pytest

from tests.conftest import EXEMPT, OFFICE
from tests.support.certificates import SERVER_NAME, Authority
from tests.support.clients import LOCALHOST, is_blocked, query, rdata
from tests.support.encrypted import TlsClient, client_context, kdig_tls, resumed, s_client
from tests.support.moatdns import Moatdns
from tests.support.unbound import Unbound


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, world: Unbound) -> Iterator[Moatdns]:
    """A server with DoT."""
    folder = tmp_path_factory.mktemp("dot")
    config = {**OFFICE, "workers": 1, "upstream": {"servers": [world.server]}}
    with Moatdns(folder, config, listen_ipv6=True, authority=Authority(folder / "authority")) as moatdns:
        yield moatdns


def test_kdig_gets_the_policys_answer_with_its_reason_and_the_upstreams(server: Moatdns) -> None:
    blocked = kdig_tls(server, "claude.ai")
    assert blocked.rdata == ["0.0.0.0"]
    assert blocked.ede[0][0] == 15
    assert kdig_tls(server, "plain.example").rdata == ["198.51.100.30"]
    assert kdig_tls(server, "plain.example", "AAAA").rdata == ["2001:db8::30"]
    assert "TLS session (TLS1.3)" in blocked.text


def test_kdig_is_served_on_ipv6(server: Moatdns) -> None:
    assert server.authority
    dug = kdig_tls(server, "@::1", "claude.ai")
    assert dug.rdata == ["0.0.0.0"]


def test_an_answer_too_large_for_udp_comes_whole(server: Moatdns) -> None:
    assert len(kdig_tls(server, "large.example", "TXT").rdata) == 60


def test_groups_are_those_of_the_clients_address(server: Moatdns) -> None:
    with TlsClient(server) as office, TlsClient(server, client=EXEMPT) as exempt:
        assert is_blocked(office.ask("claude.ai"))
        assert rdata(exempt.ask("claude.ai")) == ["198.51.100.1"]


def test_many_queries_on_one_connection_are_all_answered(server: Moatdns) -> None:
    with TlsClient(server) as client:
        asked = {message.id: message for message in (query(f"n{number}.claude.ai") for number in range(100))}
        client.send(*asked.values())
        for _ in range(len(asked)):
            response = client.receive()
            assert asked.pop(response.id).is_response(response)
    assert not asked


def test_a_query_in_pieces_is_answered(server: Moatdns) -> None:
    with TlsClient(server) as client:
        wire = query("claude.ai").to_wire()
        for octet in struct.pack("!H", len(wire)) + wire:
            client.connection.sendall(bytes((octet,)))
        assert is_blocked(client.receive())


def test_a_client_that_says_that_it_sends_no_more_gets_its_answer(server: Moatdns) -> None:
    assert server.authority
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context(server.authority.file).wrap_bio(incoming, outgoing, server_hostname=SERVER_NAME)
    with socket.create_connection((LOCALHOST, server.dot_port), 10) as connection:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(65536))
        connection.sendall(outgoing.read())
        wire = query("plain.example", "AAAA").to_wire()
        tls.write(struct.pack("!H", len(wire)) + wire)
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()  # close_notify, in the same segment as the query
        connection.sendall(outgoing.read())
        connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(65536):
            incoming.write(piece)
        assert rdata(dns.message.from_wire(tls.read(512)[2:])) == ["2001:db8::30"]


@pytest.mark.parametrize(("version", "name"), [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_openssl_verifies_the_certificate_and_agrees_on_dot(server: Moatdns, version: str, name: str) -> None:
    text = s_client(server, server.dot_port, version, "-alpn", "dot", "-verify_hostname", SERVER_NAME)
    assert "Verification: OK" in text
    assert "ALPN protocol: dot" in text
    assert resumed(text)[0] == ("New", name)


def test_a_client_without_alpn_or_with_another_is_served_too(server: Moatdns) -> None:
    assert "No ALPN negotiated" in s_client(server, server.dot_port)
    assert "No ALPN negotiated" in s_client(server, server.dot_port, "-alpn", "imap")


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_versions_of_tls_before_1_2_are_refused(server: Moatdns, version: str) -> None:
    text = s_client(server, server.dot_port, version, "-cipher", "ALL:@SECLEVEL=0")
    assert "alert protocol version" in text
    assert "Cipher is (NONE)" in text


def test_tls_1_2_without_forward_secrecy_or_authenticated_encryption_is_refused(server: Moatdns) -> None:
    for cipher in ("AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384"):
        assert "Cipher is (NONE)" in s_client(server, server.dot_port, "-tls1_2", "-cipher", cipher), cipher


def test_a_session_of_tls_1_2_is_resumed(server: Moatdns) -> None:
    text = s_client(server, server.dot_port, "-tls1_2", "-reconnect")
    assert [how for how, _ in resumed(text)] == ["New", *["Reused"] * 5]


def test_a_session_of_tls_1_3_is_resumed(server: Moatdns) -> None:
    assert server.authority
    context = client_context(server.authority.file)
    plain = socket.create_connection((LOCALHOST, server.dot_port), 10)
    with context.wrap_socket(plain, server_hostname=SERVER_NAME) as first:
        _ask(first)
        ticket = first.session
    plain = socket.create_connection((LOCALHOST, server.dot_port), 10)
    with context.wrap_socket(plain, server_hostname=SERVER_NAME, session=ticket) as second:
        _ask(second)
        assert second.session_reused
        assert second.version() == "TLSv1.3"


def test_a_client_cannot_renegotiate(server: Moatdns) -> None:
    assert "Secure Renegotiation IS supported" in s_client(
        server, server.dot_port, "-tls1_2"
    )  # the extension, RFC 5746
    command = f"openssl s_client -connect {LOCALHOST}:{server.dot_port} -tls1_2"
    done = subprocess.run(command.split(), input=b"R\n", capture_output=True, timeout=20, check=False)
    assert b"no renegotiation" in done.stderr + done.stdout


def test_plain_dns_and_garbage_on_the_port_of_tls_end_the_connection(server: Moatdns) -> None:
    wire = query("claude.ai").to_wire()
    before = server.counts().get("tls_failed", 0)
    for octets in (
        struct.pack("!H", len(wire)) + wire,
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + b"x" * 100,
    ):
        with socket.create_connection((LOCALHOST, server.dot_port), 10) as connection:
            connection.sendall(octets)
            try:
                while piece := connection.recv(512):
                    assert piece[0] == 21  # an alert at most
            except ConnectionError:
                pass
    assert server.counts()["tls_failed"] == before + 3


def _ask(connection: ssl.SSLSocket) -> None:
    wire = query("claude.ai").to_wire()
    connection.sendall(struct.pack("!H", len(wire)) + wire)
    assert len(connection.recv(512)) > len(wire)
