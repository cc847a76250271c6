"""DNS over HTTPS (RFC 8484), by kdig and curl, over both versions of HTTP."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.rcode
import pytest

from tests.conftest import EXEMPT, OFFICE
from tests.support.certificates import SERVER_NAME, Authority
from tests.support.clients import LOCALHOST, is_blocked, query, rdata
from tests.support.encrypted import MEDIA_TYPE, curl, curl_post, in_url, kdig_https, s_client
from tests.support.moatdns import Moatdns
from tests.support.programs import program
from tests.support.unbound import Unbound

both_versions = pytest.mark.parametrize("version", ["--http1.1", "--http2"])
POSTS = ("--header", f"content-type: {MEDIA_TYPE}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, world: Unbound) -> Iterator[Moatdns]:
    """A server with DoH that serves no client but 127.0.0.1 to .200."""
    folder = tmp_path_factory.mktemp("doh")
    clients = {"allow": ["127.0.0.0/25", "::1"]}
    config = {**OFFICE, "workers": 1, "upstream": {"servers": [world.server]}, "clients": clients}
    with Moatdns(folder, config, listen_ipv6=True, authority=Authority(folder / "authority")) as moatdns:
        yield moatdns


@pytest.mark.parametrize("get", [True, False])
def test_kdig_gets_the_policys_answer_with_its_reason_and_the_upstreams(server: Moatdns, get: bool) -> None:
    blocked = kdig_https(server, "claude.ai", get=get)
    assert blocked.rdata == ["0.0.0.0"]
    assert blocked.ede[0][0] == 15
    assert kdig_https(server, "plain.example", get=get).rdata == ["198.51.100.30"]
    assert f"HTTP session (HTTP/2-{'GET' if get else 'POST'})" in blocked.text


@both_versions
def test_curl_gets_answers_by_get_and_by_post(server: Moatdns, version: str) -> None:
    for fetched in (curl(server, in_url(query("claude.ai")), version), curl_post(server, "claude.ai", version)):
        assert fetched.status == 200
        assert fetched.version == ("HTTP/2" if version == "--http2" else "HTTP/1.1")
        assert is_blocked(fetched.message)
        assert fetched.headers["cache-control"] == "private, max-age=10"
        assert int(fetched.headers["content-length"]) == len(fetched.body)
    assert rdata(curl_post(server, "plain.example", version).message) == ["198.51.100.30"]


def test_curl_resolves_by_it(server: Moatdns) -> None:
    assert server.authority
    port = server.doh_port
    command = [program("curl"), "--silent", "--max-time", "10", "--cacert", str(server.authority.file)]
    command += ["--doh-url", f"https://127.0.0.1:{port}/dns-query", "--doh-insecure", "--write-out", "%{remote_ip}"]
    done = subprocess.run(
        [*command, "--connect-timeout", "2", f"http://1.0.0.127.example:{server.admin_port or 9}/"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 6  # no such name in our world: the resolver was asked, and said so
    named = subprocess.run(
        [*command, "--verbose", "--connect-timeout", "1", "http://claude.ai:9/"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Trying 0.0.0.0:9" in named.stderr


@both_versions
@pytest.mark.parametrize(
    ("path", "arguments", "body", "status"),
    [
        ("/", (), None, 404),
        ("/dns-query/two/labels", (), None, 404),
        ("/dns-query", ("--request", "PUT", *POSTS), b"x", 405),
        ("/dns-query?dns=AAAA", ("--head",), None, 405),
        ("/dns-query", (), None, 400),
        ("/dns-query?dns=", (), None, 400),
        ("/dns-query?dns=A", (), None, 400),
        ("/dns-query?dns=AAAA", (), None, 400),  # too short for a header
        (in_url(dns.message.make_response(query("claude.ai"))), (), None, 400),  # a response is never answered
        ("/dns-query", POSTS, b"", 400),
        ("/dns-query", ("--header", "content-type: application/json"), b"{}", 415),
        ("/dns-query", POSTS, b"x" * 65_536, 413),
        (in_url(query("claude.ai")), ("--header", "accept: text/html"), None, 406),
    ],
)
def test_what_is_no_query_in_http_is_refused(
    server: Moatdns, version: str, path: str, arguments: tuple[str, ...], body: bytes | None, status: int
) -> None:
    fetched = curl(server, path, version, *arguments, body=body)
    assert fetched.status == status
    assert fetched.headers["cache-control"] == "no-store"
    if status == 405:
        assert fetched.headers["allow"] == "get, post"


@both_versions
def test_a_malformed_query_is_told_so_in_dns(server: Moatdns, version: str) -> None:
    fetched = curl(server, "/dns-query", version, *POSTS, body=query("claude.ai").to_wire()[:-1])
    assert fetched.status == 200
    assert fetched.message.rcode() == dns.rcode.FORMERR
    assert fetched.headers["cache-control"] == "no-store"


def test_an_id_of_zero_is_answered_with_zero(server: Moatdns) -> None:
    message = query("plain.example")
    message.id = 0
    assert curl(server, in_url(message)).message.id == 0


def test_an_answer_too_large_for_udp_comes_whole(server: Moatdns) -> None:
    message = curl_post(server, "large.example", qtype="TXT").message
    assert len(message.answer[0]) == 60
    assert not message.flags & dns.flags.TC


def test_a_negative_answer_is_kept_no_longer_than_its_soa_allows(server: Moatdns) -> None:
    fetched = curl_post(server, "nowhere.example")
    assert fetched.message.rcode() == dns.rcode.NXDOMAIN
    seconds = int(fetched.headers["cache-control"].removeprefix("private, max-age="))
    assert 0 <= seconds <= 30


def test_groups_are_those_of_the_clients_address(server: Moatdns) -> None:
    assert is_blocked(curl_post(server, "claude.ai", "--interface", LOCALHOST).message)
    assert rdata(curl_post(server, "claude.ai", "--interface", EXEMPT).message) == ["198.51.100.1"]


def test_who_is_not_served_over_udp_is_not_served_over_https(server: Moatdns) -> None:
    refused = curl_post(server, "plain.example", "--interface", "127.0.0.200")
    assert refused.message.rcode() == dns.rcode.REFUSED
    assert refused.headers["cache-control"] == "no-store"


def test_one_connection_carries_many_requests(server: Moatdns) -> None:
    assert server.authority
    for version, name in (("--http1.1", "HTTP/1.1"), ("--http2", "HTTP/2")):
        url = f"https://{SERVER_NAME}:{server.doh_port}{in_url(query('claude.ai'))}"
        command = [
            program("curl"),
            "--silent",
            "--cacert",
            str(server.authority.file),
            version,
            "--output",
            "/dev/null",
        ]
        command += ["--resolve", f"{SERVER_NAME}:{server.doh_port}:{LOCALHOST}"]
        command += ["--write-out", "%{http_code} %{num_connects} %{http_version}\\n", f"{url}#[1-20]"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        lines = done.stdout.splitlines()
        number = name.removeprefix("HTTP/")
        assert lines == [f"200 1 {number}", *[f"200 0 {number}"] * 19]


def test_openssl_agrees_on_http_2_first(server: Moatdns) -> None:
    assert "ALPN protocol: h2" in s_client(server, server.doh_port, "-alpn", "http/1.1,h2")
    assert "ALPN protocol: http/1.1" in s_client(server, server.doh_port, "-alpn", "http/1.1")
    assert "No ALPN negotiated" in s_client(server, server.doh_port)


def test_what_is_asked_is_counted_by_its_protocol(server: Moatdns) -> None:
    before = server.counts()
    curl_post(server, "claude.ai")
    assert server.counts()["blocked"] == before["blocked"] + 1
