"""DNS over TLS (RFC 7858, RFC 8310, RFC 7766): kdig, openssl and a client that looks at single messages."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.message
import dns.rcode
import pytest

from tests.conftest import EXEMPT, OFFICE
from tests.support.clients import LOCALHOST, TcpClient, ask, is_blocked, kdig, query, rdata
from tests.support.encrypted import SERVER_NAME, Certificates, DotClient, alpn_of, s_client
from tests.support.moatdns import Moatdns
from tests.support.stub import DEFAULT_ANSWER, StubUpstream

_PADDING = dns.edns.GenericOption(dns.edns.OptionType.PADDING, b"")
_KEEPALIVE = 11


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """What the server shows."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    """One that thinks for a moment about some names."""
    large = "\n".join(f'large.example. 300 IN TXT "{number:03} {"x" * 200}"' for number in range(200))
    with StubUpstream({"large.example": large}) as stub:
        stub.delays = {"slow.example": 0.7, "half-closed.example": 0.5}
        yield stub


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, upstream: StubUpstream
) -> Iterator[Moatdns]:
    """A server with DoT."""
    config = {
        **OFFICE,
        "workers": 1,
        "upstream": {"servers": [upstream.server]},
        "clients": {"allow": ["127.0.0.0/28"]},
    }
    with Moatdns(tmp_path_factory.mktemp("dot"), config, certificates=certificates) as moatdns:
        yield moatdns


@pytest.fixture
def client(server: Moatdns, certificates: Certificates) -> Iterator[DotClient]:
    """An open connection."""
    with DotClient(server.dot_port, certificates) as dot:
        yield dot


def test_kdig_is_answered_over_a_verified_connection(server: Moatdns, certificates: Certificates) -> None:
    verified = (f"+tls-ca={certificates.authority}", f"+tls-hostname={SERVER_NAME}")
    assert kdig(server.dot_port, *verified, "plain.example").rdata == [DEFAULT_ANSWER]
    blocked = kdig(server.dot_port, *verified, "claude.ai")
    assert blocked.rdata == ["0.0.0.0"]
    assert [code for code, _ in blocked.ede] == [15]


def test_kdig_refuses_a_server_of_another_name(server: Moatdns, certificates: Certificates) -> None:
    dug = kdig(server.dot_port, f"+tls-ca={certificates.authority}", "+tls-hostname=other.example", "plain.example")
    assert not dug.rdata
    assert "certificate" in dug.text


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_tls_of_today_is_spoken_and_dot_is_agreed_on(server: Moatdns, certificates: Certificates, version: str) -> None:
    shown = s_client(certificates, server.dot_port, version, "-alpn", "dot")
    assert "Verify return code: 0 (ok)" in shown
    assert alpn_of(shown) == "dot"


def test_older_tls_is_refused(server: Moatdns, certificates: Certificates) -> None:
    shown = s_client(certificates, server.dot_port, "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0")
    assert "protocol version" in shown
    assert server.counts()["tls_failed"] >= 1


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_session_is_resumed(server: Moatdns, certificates: Certificates, tmp_path: Path, version: str) -> None:
    ticket = str(tmp_path / "session.pem")
    if version == "-tls1_3":  # whose tickets come behind the handshake: openssl waits for them only while it reads
        with DotClient(server.dot_port, certificates) as first:
            first.ask(query("claude.ai"))
            session = first.connection.session
            context = first.connection.context
        assert session is not None
        with (
            socket.create_connection((LOCALHOST, server.dot_port), 10) as plain,
            context.wrap_socket(plain, server_hostname=SERVER_NAME, session=session) as again,
        ):
            assert again.session_reused
        return
    assert "New, " in s_client(certificates, server.dot_port, version, "-sess_out", ticket)
    assert "Reused, " in s_client(certificates, server.dot_port, version, "-sess_in", ticket)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("protocols", ["h2", "http/1.1,doq", "DOT"])
def test_a_client_that_speaks_nothing_that_we_do_is_told_so(
    server: Moatdns, certificates: Certificates, version: str, protocols: str
) -> None:
    before = server.counts().get("tls_failed", 0)
    shown = s_client(certificates, server.dot_port, version, "-alpn", protocols)
    assert "alert number 120" in shown
    assert server.counts()["tls_failed"] == before + 1


@pytest.mark.parametrize("arguments", [("-alpn", "h2,dot"), ("-alpn", "x,dot,y", "-tls1_2"), ()], ids=str)
def test_one_protocol_among_many_or_none_at_all_is_enough(
    server: Moatdns, certificates: Certificates, arguments: tuple[str, ...]
) -> None:
    shown = s_client(certificates, server.dot_port, *arguments)
    assert "Verify return code: 0 (ok)" in shown
    assert alpn_of(shown) == ("dot" if arguments else "")


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA"])
def test_no_suite_of_tls_1_2_has_cbc(server: Moatdns, certificates: Certificates, suite: str) -> None:
    for port in (server.dot_port, server.doh_port):
        assert "handshake failure" in s_client(certificates, port, "-tls1_2", "-cipher", suite)
        good = s_client(certificates, port, "-tls1_2", "-cipher", f"{suite}:ECDHE-ECDSA-AES128-GCM-SHA256")
        assert "Cipher is ECDHE-ECDSA-AES128-GCM-SHA256" in good


def test_groups_and_allowed_clients_are_those_of_plain_dns(server: Moatdns, certificates: Certificates) -> None:
    with DotClient(server.dot_port, certificates, client=EXEMPT) as exempt:
        assert rdata(exempt.ask(query("claude.ai"))) == [DEFAULT_ANSWER]
    with DotClient(server.dot_port, certificates, client="127.0.0.77") as stranger:
        assert stranger.ask(query("plain.example")).rcode() == dns.rcode.REFUSED


def test_queries_are_answered_as_they_finish(client: DotClient) -> None:
    slow, fast, blocked = query("slow.example"), query("fast.example"), query("claude.ai")
    client.send(slow, fast, blocked)
    order = [client.receive().id for _ in range(3)]
    assert order[-1] == slow.id
    assert set(order) == {slow.id, fast.id, blocked.id}


def test_many_queries_in_one_write_are_all_answered(client: DotClient) -> None:
    asked = {m.id: m for m in (query(f"n{number}.example") for number in range(60))}
    client.send(*asked.values())
    for _ in range(len(asked)):
        response = client.receive()
        assert asked.pop(response.id).is_response(response)
    assert not asked


def test_an_answer_longer_than_a_tls_record_comes_whole(client: DotClient) -> None:
    assert len(client.ask(query("large.example", "TXT")).answer[0]) == 200


def test_a_client_that_says_goodbye_still_gets_the_answers(client: DotClient) -> None:
    client.send(query("half-closed.example"))
    client.connection.setblocking(False)
    with pytest.raises(ssl.SSLWantReadError):
        client.connection.unwrap()  # our goodbye is out; the server's comes behind the answer
    client.connection.settimeout(10)
    assert rdata(client.receive()) == [DEFAULT_ANSWER]


def test_answers_are_padded_on_encrypted_connections_only(server: Moatdns, client: DotClient) -> None:
    padded = dns.message.make_query("plain.example", "A", use_edns=0, options=[_PADDING])
    assert len(client.ask(padded).to_wire()) != 0
    client.send(padded)
    assert int.from_bytes(client._exactly(2), "big") % 468 == 0
    client._exactly(468)
    with TcpClient(server.port) as plain:
        plain.send(padded)
        assert len(plain.receive_bytes()) < 200
    assert all(option.otype != 12 for option in ask(server.port, "plain.example").options)
    client.send(query("plain.example"))
    assert int.from_bytes(client._exactly(2), "big") < 200  # without the option, no padding


def test_a_client_learns_how_long_it_may_keep_its_connection(client: DotClient) -> None:
    asked = dns.message.make_query("plain.example", "A", use_edns=0, options=[dns.edns.GenericOption(_KEEPALIVE, b"")])
    [told] = [option.to_wire() for option in client.ask(asked).options if option.otype == _KEEPALIVE]
    assert told == (100).to_bytes(2, "big")  # tenths of a second


def test_a_name_that_is_no_text_in_the_handshake_is_no_trouble(server: Moatdns, certificates: Certificates) -> None:
    s_client(certificates, server.dot_port, "-servername", "\udcff\udcfe.example")
    assert is_blocked(ask(server.port, "claude.ai"))
    server.assert_no_trouble()


def test_what_is_no_tls_is_told_so_and_counted(server: Moatdns) -> None:
    before = server.counts().get("tls_failed", 0)
    with TcpClient(server.dot_port) as plain:
        plain.send(query("claude.ai"))
        assert plain.connection.recv(100)[:1] in (b"\x15", b"")
    assert server.counts()["tls_failed"] == before + 1
