"""Behind a load balancer that says by PROXY headers whose queries those are: a real dnsdist, and sockets that lie."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator

import dns.edns
import dns.message
import dns.rcode
import pytest

from resolver.wire.proxy_header import SIGNATURE
from tests.support.clients import LOCALHOST, UdpClient, dig, ede, query
from tests.support.dnsdist import Dnsdist
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until
from tests.support.unbound import Unbound

PROXY = "127.0.0.77"
BY_HTTP, NO_PROXY = "127.0.0.79", "127.0.0.97"
EXEMPT, OTHER, NOT_SERVED = "127.0.0.2", "127.0.0.3", "127.9.0.1"
REAL, BLOCKED = ["198.51.100.1"], ["0.0.0.0"]


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory, world: Unbound) -> Iterator[Moatdns]:
    """With two trusted proxies, one of which is not served itself."""
    config = {
        "workers": 1,
        "upstream": {"servers": [world.server]},
        "clients": {
            "allow": ["127.0.0.0/16"],
            "trusted_proxies": [
                {"network": PROXY, "sources": ["proxy"]},
                "127.8.0.1/32",
                {"network": BY_HTTP, "sources": ["x-forwarded-for"]},
                {"network": "127.0.0.96/30", "sources": ["proxy"]},
                {"network": NO_PROXY, "sources": []},
            ],
        },
        "policy": {
            "groups": [
                {"name": "default", "block": ["ai", "bypass", "lists"]},
                {"name": "lab", "networks": [f"{EXEMPT}/32"], "exempt": True},
            ]
        },
        "query_log": {"what": "all"},
    }
    with Moatdns(tmp_path_factory.mktemp("proxies"), config, with_api=True) as moatdns:
        yield moatdns


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, behind: Moatdns) -> Iterator[Dnsdist]:
    """In front of it."""
    with Dnsdist(tmp_path_factory.mktemp("dnsdist"), behind.port, source=PROXY) as dnsdist:
        yield dnsdist


def header(client: str, *, command: int = 0x21) -> bytes:
    addresses = ipaddress.ip_address(client).packed + ipaddress.ip_address("127.0.0.1").packed
    return SIGNATURE + bytes((command, 0x12, 0, 12)) + addresses + struct.pack("!HH", 5353, 53)


def rdata(answer: bytes) -> list[str]:
    return [item.to_text() for rrset in dns.message.from_wire(answer).answer for item in rrset]


def dropped_more(behind: Moatdns, proxy: UdpClient, wire: bytes, counter: str) -> int:
    """How much more is counted as dropped after a datagram. The query that follows it is the next to be answered."""
    before = behind.counts().get(counter, 0)
    proxy.send(wire)
    proxy.send(b"\x77\x77" + query("localhost").to_wire()[2:])
    assert proxy.receive()[:2] == b"\x77\x77"
    return behind.counts().get(counter, 0) - before


def test_clients_behind_dnsdist_are_in_their_own_groups(front: Dnsdist) -> None:
    for _ in range(3):  # from upstream, from the cache, from the answers that are ready
        assert dig(front.port, "claude.ai", "-b", EXEMPT).rdata == REAL
        assert dig(front.port, "claude.ai", "-b", OTHER).rdata == BLOCKED


def test_who_may_ask_is_the_client_behind_the_proxy(behind: Moatdns, front: Dnsdist) -> None:
    assert dig(front.port, "plain.example", "-b", NOT_SERVED).status == "REFUSED"
    assert dig(behind.port, "plain.example", "-b", "127.8.0.1").status == "REFUSED"  # as itself, it is not served
    with UdpClient(behind.port, "127.8.0.1") as proxy:
        assert rdata(proxy.exchange(header(OTHER) + query("plain.example").to_wire())) == ["198.51.100.30"]


def test_statistics_and_the_query_log_show_the_client_behind_the_proxy(behind: Moatdns, front: Dnsdist) -> None:
    client = "127.0.0.33"
    for _ in range(4):
        assert dig(front.port, "claude.ai", "-b", client).rdata == BLOCKED
    asked = f"queries?client={client}&reason=test"
    wait_until(lambda: len(behind.api.get(asked)["items"]) == 4, "the queries in the log")
    top = {item["key"]: item["blocked"] for item in behind.api.get("stats/top?by=client&reason=test")["items"]}
    assert top[client] == 4
    assert PROXY not in top


def test_an_exemption_is_the_clients_behind_the_proxy(behind: Moatdns, front: Dnsdist) -> None:
    client = "127.0.0.34"
    assert dig(front.port, "claude.ai", "-b", client).rdata == BLOCKED
    asked = {"scope": ["anthropic"], "owner": "Ana", "reason": "a test", "duration_seconds": 600}
    behind.api.post("exemptions", {"subject": {"client": client}, **asked})
    assert dig(front.port, "claude.ai", "-b", client).rdata == REAL
    assert dig(front.port, "claude.ai", "-b", OTHER).rdata == BLOCKED


def test_a_header_from_an_address_that_is_no_trusted_proxy_is_not_believed(behind: Moatdns) -> None:
    with UdpClient(behind.port, "127.0.0.78") as stranger:
        lie = header(EXEMPT) + query("claude.ai").to_wire()
        assert dropped_more(behind, stranger, lie, "proxy_not_trusted") == 1
        assert rdata(stranger.exchange(query("claude.ai").to_wire())) == BLOCKED


@pytest.mark.parametrize(
    "wrong",
    [SIGNATURE, header(EXEMPT)[:-1], header(EXEMPT, command=0x11), header(EXEMPT, command=0x2F)],
    ids=["signature alone", "cut off", "another version", "unknown command"],
)
def test_a_header_that_cannot_be_read_is_dropped_and_counted(behind: Moatdns, wrong: bytes) -> None:
    with UdpClient(behind.port, PROXY) as proxy:
        assert dropped_more(behind, proxy, wrong, "proxy_header") == 1


def test_a_proxy_that_speaks_for_itself_is_answered_as_itself(behind: Moatdns) -> None:
    with UdpClient(behind.port, PROXY) as proxy:
        answer = proxy.exchange(header(EXEMPT, command=0x20) + query("claude.ai").to_wire())
        assert rdata(answer) == BLOCKED


def refused_for_want_of_a_word(answer: bytes) -> bool:
    message = dns.message.from_wire(answer)
    return (message.rcode(), [code for code, _ in ede(message)]) == (dns.rcode.REFUSED, [18])


@pytest.mark.parametrize("proxy", [PROXY, "127.8.0.1", BY_HTTP, "127.0.0.96"])
def test_a_query_whose_proxy_says_nothing_is_refused_also_when_its_answer_is_ready(behind: Moatdns, proxy: str) -> None:
    before = behind.counts().get("proxy_says_nothing", 0)
    subnet = query("claude.ai")
    subnet.use_edns(0, payload=1232, options=[dns.edns.ECSOption(EXEMPT, 32)])
    with UdpClient(behind.port, LOCALHOST) as somebody, UdpClient(behind.port, proxy) as client:
        for asked in (query("claude.ai"), subnet):
            for _ in range(2):
                somebody.exchange(asked.to_wire())
                assert refused_for_want_of_a_word(client.exchange(asked.to_wire()))
    assert behind.counts()["proxy_says_nothing"] == before + 4


def test_a_header_that_names_no_address_is_no_word(behind: Moatdns) -> None:
    unspecified = SIGNATURE + bytes((0x21, 0x00, 0, 0))
    with UdpClient(behind.port, PROXY) as proxy:
        assert refused_for_want_of_a_word(proxy.exchange(unspecified + query("claude.ai").to_wire()))
        # Another proxy than it that says nothing: refused; itself: it asks for itself.
        assert refused_for_want_of_a_word(proxy.exchange(header("127.0.0.98") + query("claude.ai").to_wire()))
        assert rdata(proxy.exchange(header(PROXY) + query("claude.ai").to_wire())) == BLOCKED


def test_a_proxy_is_believed_by_no_other_word_than_those_that_are_named(behind: Moatdns) -> None:
    with UdpClient(behind.port, BY_HTTP) as proxy:
        lie = header(EXEMPT) + query("claude.ai").to_wire()
        assert dropped_more(behind, proxy, lie, "proxy_not_trusted") == 1


def test_the_narrowest_network_says_who_is_a_proxy(behind: Moatdns) -> None:
    with UdpClient(behind.port, NO_PROXY) as client:
        for _ in range(2):
            assert rdata(client.exchange(query("claude.ai").to_wire())) == BLOCKED
        assert dropped_more(behind, client, header(EXEMPT) + query("claude.ai").to_wire(), "proxy_not_trusted") == 1


def test_a_plain_network_is_told_what_to_write(behind: Moatdns) -> None:
    assert [event for event in behind.events if '{network: "127.8.0.1/32", sources: [proxy]}' in event["event"]]


def test_only_the_outermost_header_is_taken(behind: Moatdns) -> None:
    with UdpClient(behind.port, PROXY) as proxy:
        answer = proxy.exchange(header(OTHER) + header(EXEMPT) + query("claude.ai").to_wire())
        assert answer[3] & 0xF == 4  # NOTIMP: what is behind the first header is no query that we know


def test_explain_says_that_an_address_asks_for_others(behind: Moatdns) -> None:
    steps = {
        client: [step["outcome"] for step in behind.api.get(f"explain?name=claude.ai&client={client}")["trace"]]
        for client in (PROXY, NO_PROXY)
    }
    assert steps[PROXY][0] == "asks for others"
    assert "asks for others" not in steps[NO_PROXY]
