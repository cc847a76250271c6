"""DNS over HTTPS (RFC 8484): kdig and curl over HTTP/2 and HTTP/1.1, and attackers that send frames of their own."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
from collections.abc import Callable, Iterator

import dns.message
import dns.rcode
import hyperframe.frame as frames
import pytest

from tests.conftest import EXEMPT, OFFICE
from tests.support.clients import is_blocked, kdig, query, rdata
from tests.support.encrypted import SERVER_NAME, Certificates, Fetched, alpn_of, curl, s_client, tls_connection
from tests.support.http2 import Http2Client, in_url
from tests.support.http2_frames import AS_QUERY, HELLO, Told, headers, post, told
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until
from tests.support.stub import DEFAULT_ANSWER, StubUpstream

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
VERSIONS = ("--http1.1", "--http2")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """What the server shows."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    """One that knows TTLs, and fails for a name."""
    records = {
        "mixed.example": "mixed.example. 200 IN A 192.0.2.1\nmixed.example. 77 IN A 192.0.2.2",
        "chain.example": "chain.example. 50 IN CNAME end.example.\nend.example. 20 IN A 192.0.2.3",
        "large.example": "\n".join(f'large.example. 300 IN TXT "{n:03} {"x" * 200}"' for n in range(290)),
    }
    with StubUpstream(records) as stub:
        stub.rcodes["broken.example"] = dns.rcode.SERVFAIL
        stub.delays = {"slow.example": 0.5, "goodbye.example": 0.5}
        yield stub


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, upstream: StubUpstream
) -> Iterator[Moatdns]:
    """A server with DoH, and small bounds."""
    config = {
        **OFFICE,
        "workers": 1,
        "upstream": {"servers": [upstream.server]},
        "clients": {"allow": ["127.0.0.0/28"]},
        "limits": {"http_resets_per_connection": 50, "http_streams_per_connection": 20},
    }
    with Moatdns(tmp_path_factory.mktemp("doh"), config, certificates=certificates) as moatdns:
        yield moatdns


@pytest.fixture(params=VERSIONS)
def fetch(request: pytest.FixtureRequest, server: Moatdns, certificates: Certificates) -> Callable[..., Fetched]:
    """Run curl with either version of HTTP."""

    def run(target: str = "/dns-query", *arguments: str, body: bytes | None = None) -> Fetched:
        fetched = curl(certificates, server.doh_port, target, request.param, *arguments, body=body)
        assert fetched.version == {"--http1.1": "HTTP/1.1", "--http2": "HTTP/2"}[request.param]
        return fetched

    return run


@pytest.mark.parametrize("option", ["+https", "+https-get"])
def test_kdig_is_answered_over_a_verified_connection(server: Moatdns, certificates: Certificates, option: str) -> None:
    verified = (option, f"+tls-ca={certificates.authority}", f"+tls-hostname={SERVER_NAME}")
    assert kdig(server.doh_port, *verified, "plain.example").rdata == [DEFAULT_ANSWER]
    blocked = kdig(server.doh_port, *verified, "claude.ai")
    assert blocked.rdata == ["0.0.0.0"]
    assert [code for code, _ in blocked.ede] == [15]


def test_a_query_is_answered_by_post_and_by_get(fetch: Callable[..., Fetched]) -> None:
    asked = query("plain.example")
    for fetched in (fetch(body=asked.to_wire()), fetch(in_url(asked.to_wire()))):
        assert fetched.status == 200
        assert fetched.headers["content-type"] == "application/dns-message"
        assert asked.is_response(fetched.message)
        assert rdata(fetched.message) == [DEFAULT_ANSWER]


@pytest.mark.parametrize(("name", "least"), [("mixed.example", 77), ("chain.example", 20)])
def test_a_client_keeps_an_answer_no_longer_than_its_least_ttl_and_a_shared_cache_not_at_all(
    fetch: Callable[..., Fetched], name: str, least: int
) -> None:
    fetched = fetch(in_url(query(name).to_wire()))
    shown = [rrset.ttl for rrset in fetched.message.answer]
    assert fetched.headers["cache-control"] == f"private, max-age={min(shown)}"
    assert least - 20 < min(shown) <= least


def test_a_failure_is_not_kept_on_the_way(fetch: Callable[..., Fetched]) -> None:
    fetched = fetch(in_url(query("broken.example").to_wire()))
    assert fetched.message.rcode() == dns.rcode.SERVFAIL
    assert (fetched.status, fetched.headers["cache-control"]) == (200, "no-store")


def test_groups_and_allowed_clients_are_those_of_plain_dns(fetch: Callable[..., Fetched]) -> None:
    exempt = fetch("/dns-query", "--interface", EXEMPT, body=query("claude.ai").to_wire())
    assert rdata(exempt.message) == [DEFAULT_ANSWER]
    stranger = fetch("/dns-query", "--interface", "127.0.0.77", body=query("plain.example").to_wire())
    assert stranger.message.rcode() == dns.rcode.REFUSED
    assert stranger.headers["cache-control"] == "no-store"


def test_queries_with_id_0_are_asked_upstream_with_ids_that_nobody_can_guess(
    server: Moatdns, certificates: Certificates, upstream: StubUpstream
) -> None:
    names = [f"id-{number}.example" for number in range(40)]
    with tls_connection(server.doh_port, certificates, "h2") as connection:
        client = Http2Client(connection)
        for begin in range(0, len(names), 10):
            for name in names[begin : begin + 10]:
                client.get(name, message_id=0)
            assert all(body[:2] == b"\x00\x00" for body in client.bodies(10).values())
    ids = {each.id for each in upstream.queries if each.question[0].name.to_text(omit_final_dot=True) in names}
    assert len(ids) > 35


def test_what_is_no_query_is_told_why(fetch: Callable[..., Fetched]) -> None:
    wire = query("plain.example").to_wire()
    assert fetch("/other").status == 404
    wrong = fetch("/dns-query", "--request", "PUT", body=wire)
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET, HEAD, POST")
    assert fetch("/dns-query", "--header", "content-type: text/plain", body=wire).status in (415,)
    assert fetch("/dns-query").status == 400
    assert fetch("/dns-query?dns=%21").status == 400
    assert fetch("/dns-query?dns=AAAA&dns=AAAA").status == 400
    assert fetch(body=b"").status == 400
    assert fetch(body=b"abc").status == 400


def test_head_is_answered_as_get_without_the_body(fetch: Callable[..., Fetched]) -> None:
    for target in (in_url(query("claude.ai").to_wire()), "/dns-query", "/other"):
        got, head = fetch(target), fetch(target, "--head")
        assert (head.status, head.body) == (got.status, b"")
        assert head.headers == got.headers
        assert int(head.headers["content-length"]) == len(got.body)


def get_of(characters: int) -> str:
    """The target of a GET for claude.ai that has so many characters, within two."""
    wire = query("claude.ai", edns=False).to_wire()
    padding = (characters - len("/dns-query?dns=")) * 3 // 4 - len(wire) - 15
    record = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00" + (padding + 4).to_bytes(2, "big")
    record += b"\x00\x0c" + padding.to_bytes(2, "big") + bytes(padding)
    return in_url(wire[:10] + b"\x00\x01" + wire[12:] + record)


@pytest.mark.parametrize("characters", [16_310, 16_500, 60_000])
def test_a_get_that_is_too_long_is_told_so_and_its_connection_goes_on(
    fetch: Callable[..., Fetched], characters: int
) -> None:
    assert is_blocked(fetch(get_of(16_290)).message)
    assert fetch(get_of(characters)).status == 414
    assert fetch(get_of(characters), "--head").status == 414


def test_headers_that_are_too_long_are_told_so(fetch: Callable[..., Fetched]) -> None:
    lines = [part for number in range(3) for part in ("--header", f"x-{number}: {'y' * 8_000}")]
    assert fetch(in_url(query("claude.ai").to_wire()), *lines).status == 431
    assert is_blocked(fetch(in_url(query("claude.ai").to_wire()), *lines[:4]).message)


def test_after_a_get_that_is_too_long_an_http2_connection_is_used_on(
    server: Moatdns, certificates: Certificates
) -> None:
    with tls_connection(server.doh_port, certificates, "h2") as connection:
        client = Http2Client(connection)
        stream = client.http.get_next_available_stream_id()
        headers = [(":method", "GET"), (":scheme", "https"), (":authority", SERVER_NAME), (":path", get_of(87_000))]
        client.http.send_headers(stream, headers, end_stream=True)
        wanted = client.get("claude.ai")
        bodies = client.bodies(2)
        assert b"at most" in bodies[stream]
        assert is_blocked(dns.message.from_wire(bodies[wanted]))


def test_a_body_longer_than_a_message_is_refused(fetch: Callable[..., Fetched]) -> None:
    assert fetch(body=bytes(65_536)).status == 413
    assert fetch(body=bytes(200_000)).status == 413


def test_a_body_in_thousands_of_chunks_is_refused(server: Moatdns, certificates: Certificates) -> None:
    head = b"POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Type: application/dns-message\r\n"
    with tls_connection(server.doh_port, certificates, "http/1.1") as connection:
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 1_100)
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_the_longest_query_of_all_is_taken_whole(fetch: Callable[..., Fetched]) -> None:
    wire = query("claude.ai", edns=False).to_wire()
    padding = 65_535 - len(wire) - 15
    record = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00" + (padding + 4).to_bytes(2, "big")
    record += b"\x00\x0c" + padding.to_bytes(2, "big") + bytes(padding)
    longest = wire[:10] + b"\x00\x01" + wire[12:] + record
    assert len(longest) == 65_535
    assert is_blocked(fetch(body=longest).message)


def test_a_long_answer_comes_whole(fetch: Callable[..., Fetched]) -> None:
    fetched = fetch(body=query("large.example", "TXT").to_wire())
    assert len(fetched.message.answer[0]) == 290
    assert len(fetched.body) > 60_000


def test_both_versions_are_offered(server: Moatdns, certificates: Certificates) -> None:
    assert alpn_of(s_client(certificates, server.doh_port, "-alpn", "h2,http/1.1")) == "h2"
    assert alpn_of(s_client(certificates, server.doh_port, "-alpn", "http/1.1")) == "http/1.1"


@pytest.mark.parametrize("protocols", ["dot", "http/1.0,h3", "h2c"])
def test_a_client_that_speaks_no_http_of_ours_is_told_so(
    server: Moatdns, certificates: Certificates, protocols: str
) -> None:
    assert "alert number 120" in s_client(certificates, server.doh_port, "-alpn", protocols)


def test_a_thousand_requests_in_one_write_are_answered_in_order(server: Moatdns, certificates: Certificates) -> None:
    slow = in_url(query("slow.example").to_wire())
    fast = in_url(query("claude.ai").to_wire())
    targets = [slow] + [fast] * 999
    sent = "".join(f"GET {target} HTTP/1.1\r\nhost: {SERVER_NAME}\r\n\r\n" for target in targets)
    with tls_connection(server.doh_port, certificates, "http/1.1") as connection:
        connection.sendall(sent.encode())
        got = b""
        while got.count(b"HTTP/1.1 200 OK") < 1_000 and (piece := connection.recv(65_536)):
            got += piece
    assert got.count(b"HTTP/1.1 200 OK") == 1_000
    assert b"\xc0\x00\x02\x01" in got[:700]  # the slow one's, 192.0.2.1, comes first


def test_requests_before_the_goodbye_are_answered(server: Moatdns, certificates: Certificates) -> None:
    targets = [in_url(query(name).to_wire()) for name in ("goodbye.example", "claude.ai", "plain.example")]
    with tls_connection(server.doh_port, certificates, "http/1.1") as connection:
        connection.sendall("".join(f"GET {target} HTTP/1.1\r\nhost: x\r\n\r\n" for target in targets).encode())
        connection.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            connection.unwrap()
        connection.settimeout(10)
        got = b""
        with contextlib.suppress(ssl.SSLZeroReturnError):  # the server's goodbye
            while piece := connection.recv(65_536):
                got += piece
    assert got.count(b"HTTP/1.1 200 OK") == 3


def ends(connection: ssl.SSLSocket) -> bool:
    """Whether the server ends the connection."""
    connection.settimeout(10)
    try:
        while connection.recv(65_536):
            pass
    except TimeoutError:
        return False
    except (ConnectionError, ssl.SSLError):
        pass
    return True


def test_requests_on_one_connection_are_answered_as_they_finish(server: Moatdns, certificates: Certificates) -> None:
    with tls_connection(server.doh_port, certificates, "h2") as connection:
        client = Http2Client(connection)
        slow = client.get("slow-too.example")
        streams = [client.get(f"n{number}.example") for number in range(15)]
        assert set(client.bodies(16)) == {slow, *streams}


def test_an_answer_waits_for_the_clients_window(server: Moatdns, certificates: Certificates) -> None:
    with tls_connection(server.doh_port, certificates, "h2") as connection:
        client = Http2Client(connection)
        client.http.update_settings({4: 50})  # INITIAL_WINDOW_SIZE
        client.flush()
        client.get("plain.example")
        [body] = client.bodies(1).values()
        assert rdata(dns.message.from_wire(body)) == [DEFAULT_ANSWER]
        client.get("plain.example")
        client.http.update_settings({4: 0})
        stream = client.get("plain.example")
        client.http.update_settings({4: 65_535})
        client.flush()
        assert stream in client.bodies(2)


def resets(client: Http2Client) -> None:
    """Requests that are taken back at once (CVE-2023-44487)."""
    for _ in range(200):
        client.http.reset_stream(client.get("claude.ai", flush=False), 8)


def pings(client: Http2Client) -> None:
    """PING without end."""
    for _ in range(2_000):
        client.http.ping(b"12345678")


def settings(client: Http2Client) -> None:
    """SETTINGS without end."""
    for _ in range(2_000):
        client.http.update_settings({4: 65_535})


def continuations(client: Http2Client) -> None:
    """Headers without end (CVE-2024-27316)."""
    first = frames.HeadersFrame(1, b"\x82")
    rest = frames.ContinuationFrame(1, b"\x40\x01a\x01b" * 100)
    client.connection.sendall(first.serialize() + rest.serialize() * 1_000)


def empty_data(client: Http2Client) -> None:
    """DATA of nothing (CVE-2019-9518)."""
    headers = [(":method", "POST"), (":scheme", "https"), (":authority", "x"), (":path", "/dns-query")]
    client.http.send_headers(1, headers)
    client.flush()
    client.connection.sendall(frames.DataFrame(1, b"").serialize() * 5_000)


def large_headers(client: Http2Client) -> None:
    """A few octets that unfold to many headers."""
    headers = [(":method", "GET"), (":scheme", "https"), (":authority", "x"), (":path", "/"), ("x", "y" * 4_000)]
    client.http.send_headers(1, [*headers, *[("x", "y" * 4_000)] * 2_000], end_stream=True)


def requests_without_end(client: Http2Client) -> None:
    """More requests at once than are allowed, none of them whole."""
    headers = [(":method", "POST"), (":scheme", "https"), (":authority", "x"), (":path", "/dns-query")]
    for stream in range(1, 61, 2):
        client.http.send_headers(stream, headers)


FLOODS = {
    requests_without_end: "http_streams_per_connection",
    resets: "http_resets_per_connection",
    pings: "http_flood",
    settings: "http_flood",
    continuations: "http_flood",
    empty_data: "http_flood",
    large_headers: "http_flood",
}


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.__name__)
def test_a_flood_of_frames_ends_its_connection_is_counted_and_hinders_nobody(
    server: Moatdns, certificates: Certificates, flood: Callable[[Http2Client], None]
) -> None:
    before = server.counts().get(FLOODS[flood], 0)
    with (
        tls_connection(server.doh_port, certificates, "h2") as other,
        tls_connection(server.doh_port, certificates, "h2") as connection,
    ):
        neighbour = Http2Client(other)
        client = Http2Client(connection)
        try:
            flood(client)
            client.flush()
        except OSError:
            pass  # it was ended while we were sending
        assert ends(connection)
        neighbour.get("claude.ai")
        [body] = neighbour.bodies(1).values()
        assert is_blocked(dns.message.from_wire(body))
    assert server.counts()[FLOODS[flood]] == before + 1


def test_requests_taken_back_now_and_then_are_no_flood(server: Moatdns, certificates: Certificates) -> None:
    with tls_connection(server.doh_port, certificates, "h2") as connection:
        client = Http2Client(connection)
        for _ in range(100):
            client.http.reset_stream(client.get("claude.ai", flush=False), 8)
            client.get("claude.ai")
            client.bodies(1)


def test_what_was_taken_back_before_it_was_read_is_not_asked(
    server: Moatdns, certificates: Certificates, upstream: StubUpstream
) -> None:
    with tls_connection(server.doh_port, certificates, "h2") as connection:
        client = Http2Client(connection)
        for number in range(40):
            client.http.reset_stream(client.get(f"taken-back-{number}.example", flush=False), 8)
        wanted = client.get("wanted.example", flush=False)
        client.flush()
        assert wanted in client.bodies(1)
    assert upstream.times_asked("wanted.example") == 1
    assert not any(name.startswith("taken-back") for name, *_ in upstream.asked)


def test_what_is_no_http_is_told_so_and_counted(server: Moatdns, certificates: Certificates) -> None:
    before = server.counts().get("http_malformed", 0)
    with tls_connection(server.doh_port, certificates, "http/1.1") as connection:
        connection.sendall(b"HELLO\x00\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
        assert ends(connection)
    with tls_connection(server.doh_port, certificates, "h2") as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert ends(connection)
    assert server.counts()["http_malformed"] == before + 2


def test_header_lines_longer_than_allowed_are_refused(server: Moatdns, certificates: Certificates) -> None:
    with tls_connection(server.doh_port, certificates, "http/1.1") as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nx: " + b"y" * 40_000)
        assert connection.recv(100).startswith(b"HTTP/1.1 431 ")


def test_a_listener_of_doh_does_not_answer_plain_http(server: Moatdns) -> None:
    with socket.create_connection(("127.0.0.1", server.doh_port), 10) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert not plain.recv(100).startswith(b"HTTP")


class Heard:
    """All that a server has said on a connection."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._connection = connection
        self._octets = b""

    def until(self, has_come: Callable[[Told], bool]) -> Told:
        """The words that it has said, once they have come. Raises EOFError."""
        while not has_come(said := told(self._octets)):
            piece = self._connection.recv(65_536)
            if not piece:
                raise EOFError
            self._octets += piece
        return said

    def until_the_end(self) -> Told:
        """All that it says."""
        with contextlib.suppress(EOFError):
            self.until(lambda _: False)
        return told(self._octets)


def test_a_client_of_a_worker_that_ends_is_told_before_and_loses_nothing(
    server: Moatdns, certificates: Certificates
) -> None:  # RFC 9113 section 6.8
    body = query("claude.ai").to_wire()
    with tls_connection(server.doh_port, certificates, "h2") as connection:
        connection.sendall(HELLO + post(1, body))
        heard = Heard(connection)
        heard.until(lambda said: 1 in said.whole)
        server.signal(signal.SIGUSR2)  # a new worker serves, then this one ends
        heard.until(lambda said: bool(said.goodbyes))
        connection.sendall(post(3, body) + headers(5, AS_QUERY))
        said = heard.until_the_end()
    wait_until(lambda: server.events_named("workers restarted"), "the end of the restart")
    assert said.goodbyes == [2**31 - 1, 5]
    assert said.goodbye == 0
    assert is_blocked(dns.message.from_wire(said.bodies[3]))
    assert said.resets == {5: 7}  # its body never came: it may ask elsewhere
