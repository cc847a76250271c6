"""The PROXY header of version 2."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import FormatError
from resolver.wire.proxy_header import MAX_OCTETS, SIGNATURE, ProxyHeader, read_proxy_header, starts_like_proxy_header

QUERY = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x00\x00\x01\x00\x01"


def header(client: str, *, port: int = 5353, command: int = 0x21, protocol: int = 2, tlvs: bytes = b"") -> bytes:
    source = ipaddress.ip_address(client)
    family = 1 if source.version == 4 else 2
    destination = ipaddress.ip_address("127.0.0.1" if family == 1 else "::1")
    addresses = source.packed + destination.packed + struct.pack("!HH", port, 53) + tlvs
    return SIGNATURE + bytes((command, family << 4 | protocol)) + len(addresses).to_bytes(2, "big") + addresses


@pytest.mark.parametrize(
    ("client", "read"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
    ],
)
@pytest.mark.parametrize("tlvs", [b"", b"\x04\x00\x03\x00\x00\x00"])
def test_the_client_is_whom_the_proxy_names(client: str, read: str, tlvs: bytes) -> None:
    found = header(client, tlvs=tlvs)
    assert read_proxy_header(found + QUERY) == ProxyHeader(len(found), read, 5353)


def test_a_header_is_read_however_few_octets_have_come() -> None:
    whole = header("192.0.2.7")
    for size in range(len(whole)):
        assert starts_like_proxy_header(whole[:size])
        assert read_proxy_header(whole[:size]) is None
    assert read_proxy_header(whole) == ProxyHeader(len(whole), "192.0.2.7", 5353)


def test_a_proxy_that_speaks_for_itself_names_nobody() -> None:
    found = header("192.0.2.7", command=0x20)
    assert read_proxy_header(found + QUERY) == ProxyHeader(len(found), is_local=True)
    for kind in (0x00, 0x12, 0x5F):  # a family that is to be ignored
        bare = SIGNATURE + bytes((0x20, kind, 0, 0))
        assert read_proxy_header(bare + QUERY) == ProxyHeader(16, is_local=True)


@pytest.mark.parametrize(("kind", "octets"), [(0x00, 0), (0x31, 216)])
def test_clients_without_an_address_are_nobody(kind: int, octets: int) -> None:
    found = SIGNATURE + bytes((0x21, kind)) + octets.to_bytes(2, "big") + bytes(octets)
    assert read_proxy_header(found + QUERY) == ProxyHeader(len(found))


@pytest.mark.parametrize(
    "wrong",
    [
        QUERY,
        b"PROXY UDP4 192.0.2.7 127.0.0.1 5353 53\r\n",
        SIGNATURE[:-1] + b"\r" + bytes(40),
        SIGNATURE + b"\x11\x12\x00\x0c" + bytes(12),
        SIGNATURE + b"\x22\x12\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x42\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x13\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x12\x00\x0b" + bytes(12),
        SIGNATURE + b"\x21\x22\x00\x23" + bytes(36),
        SIGNATURE + b"\x21\x12" + (MAX_OCTETS - 15).to_bytes(2, "big"),
    ],
)
def test_what_is_no_header_is_refused(wrong: bytes) -> None:
    with pytest.raises(FormatError):
        read_proxy_header(wrong)


@given(st.binary(max_size=64), st.booleans())
def test_any_octets_are_a_header_none_or_too_few(data: bytes, begins_well: bool) -> None:
    data = SIGNATURE + data if begins_well else data
    try:
        found = read_proxy_header(data)
    except FormatError:
        return
    assert found is None or 16 <= found.length <= len(data)


@given(st.ip_addresses(), st.integers(0, 65535), st.integers(0, 51), st.integers(0, 255))
def test_a_changed_octet_never_makes_anything_but_an_address(
    client: ipaddress.IPv4Address, port: int, at: int, octet: int
) -> None:
    changed = bytearray(header(str(client), port=port) + QUERY)
    changed[at % len(changed)] = octet
    try:
        found = read_proxy_header(bytes(changed))
    except FormatError:
        return
    if found is not None and found.client is not None:
        ipaddress.ip_address(found.client)
