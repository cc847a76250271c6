"""Header blocks that are known mean what the hpack library says each time, whatever the table went through."""

from __future__ import annotations

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.listeners.http2_fields import request_of
from resolver.listeners.http2_frames import COMPRESSION_ERROR, Http2Violation
from resolver.listeners.http2_hpack import HeaderBlocks

MOST = 96 << 10
BEGINNING = [(":method", "GET"), (":scheme", "https"), (":authority", "dns.office.example")]
PATHS = [
    "/dns-query",
    "/dns-query?dns=AAABAAABAAAAAAAAAWEAAAEAAQ",
    "/dns-query?dns=" + "A-_z" * 60,
    "/dns-query?dns=~{|}",
]
OTHERS = [("accept", "application/dns-message"), ("user-agent", "x" * 40), ("content-length", "33"), ("te", "trailers")]

fields = st.tuples(
    st.sampled_from(PATHS), st.lists(st.sampled_from(OTHERS), max_size=4), st.sampled_from(["without", "with", "never"])
)
# A field like most clients send it, or a block of any octets; a size of the table now and then.
steps = st.lists(
    st.one_of(
        fields,
        st.sampled_from([0, 64, 100, 4096]),
        st.binary(max_size=12),
        st.tuples(st.integers(0, 20), st.integers(0, 20)),
    ),
    max_size=30,
)


def literal(name: str, value: str, *, never: bool) -> bytes:
    """A field whose name is in the static table (RFC 7541 section 6.2.2), its value in Huffman code."""
    index = next(n for n, (known, _) in enumerate(hpack.table.HeaderTable.STATIC_TABLE, 1) if known == name.encode())
    encoder = hpack.Encoder()
    octets = encoder.huffman_coder.encode(value.encode())
    first, length = hpack.hpack.encode_integer(index, 4), hpack.hpack.encode_integer(len(octets), 7)
    first[0] |= 0x10 * never
    length[0] |= 0x80
    return bytes(first) + bytes(length) + octets


def block_of(encoder: hpack.Encoder, path: str, others: list[tuple[str, str]], how: str) -> bytes:
    """A request's block: its path goes into the table, or not, or must not."""
    if how == "with":
        return bytes(encoder.encode([*BEGINNING, (":path", path), *others]))
    around = bytes(encoder.encode(BEGINNING))
    return around + literal(":path", path, never=how == "never") + bytes(encoder.encode(others))


def meaning(decoder: hpack.Decoder, block: bytes) -> tuple[object, ...]:
    """Fields of a block by the library alone."""
    try:
        decoded = [(name, value) for name, value in decoder.decode(block, raw=True)]
    except (hpack.HPACKError, IndexError, TypeError):
        return ("not a block",)
    try:
        head, path = request_of(decoded)
    except Http2Violation:
        return ("no request",)
    return path, head.length, head.head.method, head.head.media_type, head.head.is_too_long


def known_meaning(blocks: HeaderBlocks, block: bytes) -> tuple[object, ...]:
    """Fields of a block as ours reads them."""
    try:
        known = blocks.request(block)
    except Http2Violation as violation:
        return ("not a block",) if violation.code == COMPRESSION_ERROR else ("no request",)
    head = known.head
    return known.path, head.length, head.head.method, head.head.media_type, head.head.is_too_long


@given(steps)
def test_every_block_means_the_same_as_to_the_library(steps: list[object]) -> None:
    encoder, decoder, blocks = hpack.Encoder(), hpack.Decoder(MOST), HeaderBlocks(MOST)
    sent: list[bytes] = []
    for step in steps:
        match step:
            case int():
                encoder.header_table_size = step
                continue
            case bytes():
                block = step
            case (int(which), int(at)):  # one that was sent before, or half of it
                if which >= len(sent):
                    continue
                block = sent[which] if at < 10 else sent[which][:at]
            case (path, others, how):
                block = block_of(encoder, path, others, how)
            case _:
                raise AssertionError
        sent.append(block)
        for _ in range(2):  # the second time, it may be known
            expected = meaning(decoder, block)
            assert known_meaning(blocks, block) == expected
            if expected == ("not a block",):
                return  # the connection ends


def test_a_change_of_the_table_changes_what_a_block_means() -> None:
    blocks, encoder = HeaderBlocks(MOST), hpack.Encoder()
    blocks.request(block_of(encoder, "/a", [("content-length", "1")], "without"))
    by_index = b"\x82\x87\xbf\x04\x02/b\xbe"
    assert [blocks.request(by_index).head.length for _ in range(2)] == [1, 1]
    blocks.request(b"\x82\x87\xbf\x04\x02/c\x5c\x012")  # content-length 2 goes into the table, before all others
    assert blocks.request(b"\x82\x87\xc0\x04\x02/b\xbe").head.length == 2
    with pytest.raises(Http2Violation):  # where authority was, there is a length now
        blocks.request(by_index)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_is_another_each_time_is_read_from_its_place(path: str) -> None:
    blocks, encoder = HeaderBlocks(MOST), hpack.Encoder()
    for number in range(300):
        wanted = f"{path}{number}"
        assert blocks.request(block_of(encoder, wanted, OTHERS, "without")).path == wanted
    if "?" in path:
        assert blocks.kept_octets < 600  # they are one


def test_a_block_is_read_once_as_long_as_the_table_is_the_same() -> None:
    blocks, encoder = HeaderBlocks(MOST), hpack.Encoder()
    blocks.request(block_of(encoder, "/dns-query", OTHERS, "without"))
    assert not blocks.kept_octets
    block = block_of(encoder, "/dns-query", OTHERS, "without")
    known = blocks.request(block)
    assert blocks.request(block) is known
    assert 100 < blocks.kept_octets < 300


@pytest.mark.parametrize("wrong", [b"\x04\x00", b"\x04\x02 a", b"\x04\x02a\n", b"\x04\x82\xff\xff", b"\x04\x7f\x01a"])
def test_a_path_that_is_none_ends_the_connection_where_the_block_around_it_is_known(wrong: bytes) -> None:
    blocks, encoder = HeaderBlocks(MOST), hpack.Encoder()
    first = block_of(encoder, PATHS[1], [], "without")
    blocks.request(first)
    blocks.request(block_of(encoder, PATHS[1], [], "without"))
    with pytest.raises(Http2Violation):
        blocks.request(b"\x82\x87\xbe" + wrong)


def test_what_is_kept_is_bounded_by_what_it_unfolds_to() -> None:
    """An attacker's block of few octets stands for 90 KiB that a client is never asked to send again."""
    blocks = HeaderBlocks(MOST)
    begin = b"\x82\x87\x41\x01x\x04\x02/a" + b"\x40\x0fx-forwarded-for\x7f\x81\x1c" + b"y" * 3_712
    blocks.request(begin)
    for number in range(50):
        block = b"\x82\x87\xbf\x04\x03/" + b"%02d" % number + b"\xbe" * 20
        assert len(blocks.request(block).head.head.forwarded or "") > 70_000
    assert blocks.kept_octets < 1_000
