"""IPv4 addresses inside IPv6 addresses, and which addresses are private or public."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.wire.address_kinds import PREFIX_LENGTHS, behind_prefix, embedded_ipv4, is_private, is_public


def v6(text: str) -> bytes:
    return ipaddress.IPv6Address(text).packed


def v4(text: str) -> bytes:
    return ipaddress.IPv4Address(text).packed


# The table of RFC 6052 section 2.4, for 192.0.2.33.
OF_RFC_6052 = {
    32: "2001:db8:c000:221::",
    40: "2001:db8:1c0:2:21::",
    48: "2001:db8:122:c000:2:2100::",
    56: "2001:db8:122:3c0:0:221::",
    64: "2001:db8:122:344:c0:2:2100::",
    96: "2001:db8:122:344::192.0.2.33",
}


@pytest.mark.parametrize(("length", "address"), OF_RFC_6052.items())
def test_the_examples_of_rfc_6052_are_read(length: int, address: str) -> None:
    assert behind_prefix(v6(address), length) == v4("192.0.2.33")


def test_all_lengths_of_rfc_6052_are_known() -> None:
    assert set(PREFIX_LENGTHS) == set(OF_RFC_6052)


@pytest.mark.parametrize(
    ("address", "holds"),
    [
        ("::ffff:192.168.7.1", "192.168.7.1"),
        ("::ffff:0:172.20.0.9", "172.20.0.9"),
        ("::10.9.8.7", "10.9.8.7"),
        ("::2", "0.0.0.2"),
        ("64:ff9b::10.66.0.1", "10.66.0.1"),
        ("64:ff9b:1::10.66.0.1", "10.66.0.1"),
        ("64:ff9b:1:abcd:0:1:169.254.7.7", "169.254.7.7"),
        ("64:ff9b:1:a42:0:100::", "10.66.0.1"),
        ("64:ff9b:1:cb0a:42:1::", "10.66.0.1"),
        ("64:ff9b:1:beef:a:4200:100::", "10.66.0.1"),
        ("64:ff9b:1::", "0.0.0.0"),
        ("2002:a00:1::1", "10.0.0.1"),
        ("2002:c0a8:101:7:8:9:a:b", "192.168.1.1"),
        ("2001:0:5ef5:79fd::f5ff:fffe", "10.0.0.1"),
    ],
)
def test_an_ipv4_address_inside_is_found(address: str, holds: str) -> None:
    assert embedded_ipv4(v6(address)) == v4(holds)
    assert is_private(v6(address)) == is_private(v4(holds))
    assert is_public(address) == is_public(holds)


@pytest.mark.parametrize(
    "address",
    ["::", "::1", "2001:db8::10.0.0.1", "2003::1", "64:ff9b:2::10.0.0.1", "64:ff9b:0:1::10.0.0.1", "2a00::10.0.0.1"],
)
def test_other_addresses_hold_none(address: str) -> None:
    assert embedded_ipv4(v6(address)) is None


@given(st.sampled_from(["64:ff9b::", "::ffff:0:0", "::ffff:0:0:0", "::"]), st.ip_addresses(v=4))
def test_an_address_in_the_last_octets_is_judged_as_it_is_alone(prefix: str, inner: ipaddress.IPv4Address) -> None:
    outer = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(inner))
    if prefix == "::" and int(inner) < 2:
        return  # no IPv4 address, but the unspecified one and loopback
    assert embedded_ipv4(outer.packed) == inner.packed
    assert is_private(outer.packed) == is_private(inner.packed)
    assert is_public(str(outer)) == is_public(str(inner))


@given(
    st.sampled_from([(48, (6, 7, 9, 10)), (56, (7, 9, 10, 11)), (64, (9, 10, 11, 12)), (96, (12, 13, 14, 15))]),
    st.integers(1, 0xDFFFFFFF).filter(lambda number: number >> 24 and number & 0xFF),
    st.binary(min_size=2, max_size=2),
)
def test_a_host_behind_any_prefix_of_local_nat64_has_one_reading(
    form: tuple[int, tuple[int, ...]], host: int, own: bytes
) -> None:
    length, places = form
    address = bytearray(v6("64:ff9b:1::"))
    for at, octet in zip((6, 7), own, strict=True):
        if at * 8 < length:
            address[at] = octet
    for at, octet in zip(places, host.to_bytes(4, "big"), strict=True):
        address[at] = octet
    assert embedded_ipv4(bytes(address)) == host.to_bytes(4, "big")


@given(st.binary(min_size=16, max_size=16))
def test_any_address_is_judged(address: bytes) -> None:
    inner = embedded_ipv4(address)
    assert inner is None or len(inner) == 4
    text = str(ipaddress.IPv6Address(address))
    assert not (is_private(address) and is_public(text)), "what is stripped is never fetched from"


@pytest.mark.parametrize("address", ["fec0::1", "2a00::5efe:10.0.0.1", "2a00::200:5efe:192.168.0.1", "ff0e::1", "no"])
def test_site_local_and_tunnels_to_private_hosts_are_not_fetched_from(address: str) -> None:
    assert not is_public(address)


def test_a_company_s_own_tunnel_addresses_are_not_stripped() -> None:
    assert not is_private(v6("2a00::5efe:10.0.0.1"))  # ISATAP (RFC 5214)
    assert is_private(v6("fe80::5efe:10.0.0.1"))
    assert is_private(v6("fec0::1"))


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b:1:808:a:100::",  # 10.1.0.0 behind /64, and 8.8.10.1 behind /48
        "64:ff9b:1:808:a:9::",  # likewise 10.0.9.0
        "64:ff9b:1:8:7f::",  # and 127.0.0.0, where /56 gives 8.127.0.0
    ],
)
def test_an_address_that_some_length_of_prefix_makes_private_is_not_fetched_from(address: str) -> None:
    assert not is_public(address)
    assert is_public("64:ff9b:1::8.8.8.8")
    assert is_public("64:ff9b:1:808:8:800::")
