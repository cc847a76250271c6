"""The protocols that TLS clients offer, read from what real ones send, in any pieces, and from any octets."""

from __future__ import annotations

import contextlib
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.wire.client_hello import HelloReader, protocols_in


def hello(*protocols: str, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, name: str | None = "a.example") -> bytes:
    """What the standard library's client sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = version
    if protocols:
        context.set_alpn_protocols(list(protocols))
    sent = ssl.MemoryBIO()
    channel = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        channel.do_handshake()
    return sent.read()


def in_records(octets: bytes, size: int) -> bytes:
    """The same handshake message in records of another size."""
    message = octets[5:]
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def read(*pieces: bytes) -> HelloReader:
    reader = HelloReader()
    for piece in pieces:
        reader.feed(piece)
    return reader


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ["a.example", None])
@pytest.mark.parametrize("offered", [(), ("dot",), ("h2", "http/1.1", "x" * 255)])
def test_what_a_client_offers_is_read(version: ssl.TLSVersion, name: str | None, offered: tuple[str, ...]) -> None:
    reader = read(hello(*offered, version=version, name=name))
    assert reader.is_done
    assert reader.protocols == ([each.encode() for each in offered] or None)


@given(st.integers(1, 300), st.lists(st.integers(0, 3000), max_size=8))
def test_neither_records_nor_pieces_make_a_difference(size: int, cuts: list[int]) -> None:
    octets = in_records(HELLO, size)
    at = sorted(min(cut, len(octets)) for cut in cuts)
    pieces = [octets[a:b] for a, b in zip([0, *at], [*at, len(octets)], strict=True)]
    reader = read(*pieces)
    assert (reader.is_done, reader.protocols) == (True, [b"h2", b"dot"])
    reader.feed(b"more")
    assert reader.protocols == [b"h2", b"dot"]


HELLO = hello("h2", "dot")


@given(st.integers(0, len(HELLO) - 1))
def test_half_of_it_says_nothing_yet(octets: int) -> None:
    reader = read(HELLO[:octets])
    assert (reader.is_done, reader.protocols) == (False, None)


@given(st.integers(0, len(HELLO) - 1), st.integers(0, 255))
def test_a_changed_octet_is_read_or_left_to_tls(at: int, octet: int) -> None:
    changed = HELLO[:at] + bytes((octet,)) + HELLO[at + 1 :]
    protocols = read(changed, b"\0" * 70_000).protocols
    assert protocols is None or all(protocols)


@given(st.binary(max_size=300))
def test_any_octets_offer_something_or_nothing(octets: bytes) -> None:
    read(octets)
    protocols_in(octets)
    protocols_in(HELLO[9 : 9 + 34] + octets)


def test_what_does_not_end_is_not_kept_for_ever() -> None:
    reader = HelloReader()
    endless = b"\x16\x03\x01\x40\x00\x01\x00\xff\xff" + bytes(0x4000 - 4)
    reader.feed(endless)
    for _ in range(10):
        reader.feed(b"\x16\x03\x01\x40\x00" + bytes(0x4000))
    assert reader.is_done
    assert read(b"\x16\x03\x01\x00\x04\x01\xff\xff\xff").is_done
