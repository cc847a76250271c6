"""By which words a trusted proxy is believed, and whom X-Forwarded-For names."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answering.proxies import (
    BY_CLIENT_SUBNET,
    BY_FORWARDED_FOR,
    BY_HEADER,
    ForwardedClient,
    TrustedProxies,
    read_forwarded,
)
from resolver.config.settings import TrustedProxy
from resolver.errors import FormatError
from resolver.policy.groups import parse_client

FRONT, INNER, BY_HEADER_ALONE, CLIENT = "192.0.2.1", "192.0.2.2", "192.0.2.3", "10.0.0.7"
PROXIES = TrustedProxies(
    [
        TrustedProxy("192.0.2.0/29"),
        TrustedProxy(f"{BY_HEADER_ALONE}/32", ("proxy",)),
        TrustedProxy("192.0.2.4/32", ()),
        TrustedProxy("2001:db8::/64", ("client-subnet", "x-forwarded-for")),
    ]
)
ADDRESSES = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (FRONT, BY_HEADER | BY_FORWARDED_FOR),
        (f"::ffff:{FRONT}", BY_HEADER | BY_FORWARDED_FOR),
        (BY_HEADER_ALONE, BY_HEADER),
        ("192.0.2.4", 0),
        ("192.0.2.9", 0),
        ("2001:db8::9", BY_FORWARDED_FOR | BY_CLIENT_SUBNET),
    ],
)
def test_the_narrowest_network_says_by_what_a_proxy_is_believed(address: str, words: int) -> None:
    assert PROXIES.words_of(parse_client(address)) == words


@pytest.mark.parametrize(
    ("peer", "header", "asker"),
    [
        (CLIENT, None, ForwardedClient(CLIENT, False)),
        (CLIENT, "10.9.9.9", ForwardedClient(CLIENT, False)),  # no proxy: what it says of others counts for nothing
        (FRONT, None, ForwardedClient(FRONT, True)),
        (FRONT, CLIENT, ForwardedClient(CLIENT, False)),
        (FRONT, f"10.9.9.9,{CLIENT}", ForwardedClient(CLIENT, False)),
        (FRONT, f"{CLIENT}, {INNER}", ForwardedClient(CLIENT, False)),
        (FRONT, f"nonsense, {CLIENT}", ForwardedClient(CLIENT, False)),  # before that, anybody may have written it
        (FRONT, INNER, ForwardedClient(INNER, True)),
        (
            FRONT,
            f"{CLIENT}, {BY_HEADER_ALONE}",
            ForwardedClient(BY_HEADER_ALONE, True),
        ),  # it says nothing by it
        (FRONT, FRONT, ForwardedClient(FRONT, False)),  # its own
        (BY_HEADER_ALONE, CLIENT, ForwardedClient(BY_HEADER_ALONE, True)),
        ("2001:db8::9", f"[{CLIENT.replace(CLIENT, '2001:db8:1::7')}]:4711", ForwardedClient("2001:db8:1::7", False)),
    ],
)
def test_who_asks_is_named_from_the_end_on_as_far_as_proxies_are_believed(
    peer: str, header: str | None, asker: ForwardedClient
) -> None:
    assert PROXIES.forwarded(header, peer) == asker


def test_a_proxy_that_speaks_for_itself_needs_no_header_but_one_that_is_there_counts() -> None:
    assert PROXIES.forwarded(None, FRONT, speaks_for_itself=True) == ForwardedClient(FRONT, False)
    assert PROXIES.forwarded(CLIENT, FRONT, speaks_for_itself=True) == ForwardedClient(CLIENT, False)
    with pytest.raises(FormatError):
        PROXIES.forwarded("unknown", FRONT, speaks_for_itself=True)


@pytest.mark.parametrize("end", ["", " ", "unknown", "_hidden", "10.0.0.7;", "for=10.0.0.7", "10.0.0.7 10.0.0.8"])
def test_an_entry_that_cannot_be_read_is_never_passed_over(end: str) -> None:
    with pytest.raises(FormatError):
        PROXIES.forwarded(f"{CLIENT},{end}", FRONT)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("\t192.0.2.7 ", "192.0.2.7"),
        ("192.0.2.7:0", "192.0.2.7"),
        ("192.0.2.7:65535", "192.0.2.7"),
        ("2001:DB8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("[::ffff:192.0.2.7]:443", "192.0.2.7"),
        ("fe80::7%eth0", "fe80::7"),
        ("[fe80::7%eth0.100]:443", "fe80::7"),
    ],
)
def test_an_address_is_read_as_proxies_write_it(text: str, address: str) -> None:
    assert str(read_forwarded(text)) == address


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2", "192.0.2.7:", "192.0.2.7:65536", "192.0.2.7:+1", "192.0.2.7:1:2", "192.0.2.7%eth0", "[192.0.2.7]",
        "[192.0.2.7]:1", "2001:db8::7]:1", "[2001:db8::7]:", "[2001:db8::7]x", "[]", "fe80::7%", "192.0.2.07",
        "3221225991", "0xc0000207", "\"[2001:db8::7]:1\"", "localhost", "192.0.2.7\n", "１92.0.2.7", "192.0.2.7:４",
        "1" * 5000, ":" * 5000,
    ],
)  # fmt: skip
def test_all_else_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        read_forwarded(text)


@given(st.text(max_size=60) | st.text(alphabet="0123456789abcdef:.[]%, \t", max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        read = read_forwarded(text)
    except FormatError:
        return
    assert isinstance(read, ipaddress.IPv4Address | ipaddress.IPv6Address)
    assert str(read).isascii()


@given(ADDRESSES, st.integers(0, 65535), st.booleans())
def test_an_address_with_its_port_is_that_address(address: str, port: int, with_port: bool) -> None:
    host = f"[{address}]" if ":" in address else address
    assert read_forwarded(f"{host}:{port}" if with_port else host) == parse_client(address)


@given(st.lists(ADDRESSES | st.just("unknown") | st.just(INNER) | st.just(""), max_size=6), ADDRESSES)
def test_what_a_client_writes_before_its_own_address_changes_nothing(claimed: list[str], client: str) -> None:
    if PROXIES.words_of(parse_client(client)):
        return
    assert PROXIES.forwarded(",".join([*claimed, client]), FRONT) == ForwardedClient(str(parse_client(client)), False)
