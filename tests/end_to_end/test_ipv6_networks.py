"""A host has a whole /64 of addresses: what it may take is bounded over all of them, and others have theirs."""

from __future__ import annotations

import contextlib
import ipaddress
import struct
from collections import Counter
from collections.abc import Iterator

import dns.message
import dns.rcode
import pytest

from resolver.wire.proxy_header import SIGNATURE
from tests.conftest import OFFICE
from tests.support.clients import TcpClient, UdpClient, is_blocked, query
from tests.support.moatdns import Moatdns
from tests.support.stub import StubUpstream

PROXY = "127.0.0.8"  # names the clients, so that no address of the machine's is needed


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moatdns]:
    """A server with narrow bounds for one address."""
    with StubUpstream() as upstream:
        config = {
            **OFFICE,
            "workers": 1,
            "upstream": {"servers": [upstream.server]},
            "clients": {
                "allow": ["127.0.0.0/8", "2001:db8::/32"],
                "trusted_proxies": [{"network": PROXY, "sources": ["proxy"]}],
                "queries_per_second": 5,
                "ipv6_prefix_factor": 3,
            },
            "limits": {"tcp_connections_per_client": 2},
        }
        with Moatdns(tmp_path_factory.mktemp("networks"), config) as moatdns:
            yield moatdns


def header(client: str, protocol: int) -> bytes:
    addresses = ipaddress.IPv6Address(client).packed + bytes(15) + b"\x01" + struct.pack("!HH", 5353, 53)
    return SIGNATURE + bytes((0x21, 0x20 | protocol)) + struct.pack("!H", len(addresses)) + addresses


def rcode_for(proxy: UdpClient, client: str) -> str:
    answer = dns.message.from_wire(proxy.exchange(header(client, 2) + query("a.test").to_wire()))
    return dns.rcode.to_text(answer.rcode())


def test_many_addresses_of_one_network_ask_no_more_than_its_wide_bound(server: Moatdns) -> None:
    with UdpClient(server.port, PROXY) as proxy:
        rcodes = Counter(rcode_for(proxy, f"2001:db8::{number:x}") for number in range(40))
        assert rcode_for(proxy, "2001:db8:0:1::1") == rcode_for(proxy, "2001:db8:1::1") == "NXDOMAIN"
    assert rcodes["NXDOMAIN"] >= 15
    assert rcodes["REFUSED"] >= 5
    assert server.counts()["queries_per_second_per_network"] == rcodes["REFUSED"]


def test_many_addresses_of_one_network_have_no_more_connections_than_its_wide_bound(server: Moatdns) -> None:
    with contextlib.ExitStack() as held:

        def connected(client: str) -> TcpClient:
            one = held.enter_context(TcpClient(server.port, PROXY))
            one.connection.sendall(header(client, 1))
            assert is_blocked(one.ask("claude.ai"))
            return one

        other = connected("2001:db8:2:1::1")
        first, *rest = [connected(f"2001:db8:2::{number:x}") for number in range(8)]
        with pytest.raises((EOFError, ConnectionError)):
            first.ask("claude.ai")
        assert is_blocked(rest[-1].ask("claude.ai"))
        assert is_blocked(other.ask("claude.ai"))
    assert server.counts()["tcp_connections_per_network"] == 2
