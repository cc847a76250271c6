"""Blocks of the query log: what is packed is read again, and octets from anywhere are read or refused."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.telemetry import query_blocks
from resolver.telemetry.query_block_lines import BlockClient, BlockError, client_of, facts_of, name_of
from resolver.telemetry.query_block_reading import MOST_ROW_BYTES, QueryBlock, read_header
from resolver.telemetry.query_block_rewriting import packable, without
from resolver.telemetry.query_blocks import HEADER, LogFacts, pack

NOON = 1_779_000_000_000
REST = ["default", "A", "NOERROR", "block", "a/b", "a/b", None, None, "udp"]

LoggedQuery = tuple[int, Any, str, tuple[str | None, ...], float]


def packed(queries: Sequence[LoggedQuery], about: bytes = b"") -> bytes:
    """The block of queries: moment, client, name, rest, milliseconds."""
    memo: dict[tuple[str, tuple[str | None, ...]], LogFacts] = {}
    facts = [
        memo.setdefault((name, rest), LogFacts(json.dumps(name).encode(), json.dumps(rest).encode()))
        for _, _, name, rest, _ in queries
    ]
    moments, clients, _, _, durations = zip(*queries, strict=True)
    return pack(moments, [json.dumps(client).encode() for client in clients], facts, durations, about)


def read(octets: bytes) -> list[LoggedQuery]:
    """The queries of a block."""
    block = QueryBlock(octets)
    clients, names, facts, columns = block.clients(), block.names(), block.facts(), block.columns()
    assert clients == [client_of(line) for line in block.clients_text.split(b"\n")]
    assert names == [name_of(line) for line in block.names_text.split(b"\n")]
    assert facts == [facts_of(line) for line in block.facts_text.split(b"\n")]
    found: list[LoggedQuery] = []
    for moment, client, name, duration in zip(
        block.moments(), columns.clients, columns.names, block.durations(), strict=True
    ):
        address, identity = clients[client]
        who = address if identity is None else [address, identity]
        found.append((moment, who, names[name], tuple(facts[columns.facts[name]]), duration))
    return found


def query(number: int, client: Any = "10.0.0.1", **rest: Any) -> LoggedQuery:
    return NOON + number, client, f"n{number}.example", tuple(REST), 0.0


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FACTS = st.tuples(TEXTS, TEXTS, TEXTS, TEXTS, *[st.none() | TEXTS] * 4, TEXTS) | st.tuples(
    TEXTS, TEXTS, TEXTS, TEXTS, *[st.none() | TEXTS] * 4, TEXTS, TEXTS
)
QUERIES = st.lists(
    st.tuples(
        st.integers(0, 4 * NOON),
        TEXTS | st.lists(TEXTS, min_size=2, max_size=2),
        TEXTS,
        FACTS,
        st.floats(0, 60_000, width=16),
    ),
    min_size=1,
    max_size=40,
)


@given(QUERIES)
def test_what_is_packed_is_read_again_whatever_it_holds(queries: list[LoggedQuery]) -> None:
    octets = packed(queries)
    assert read(octets) == queries
    head = read_header(octets)
    moments = [one[0] for one in queries]
    assert (head.rows, head.oldest, head.newest) == (len(queries), min(moments), max(moments))
    again = packable(QueryBlock(octets))
    assert read(pack(*again)) == queries


def test_as_many_rows_clients_and_names_as_may_be_are_read_again_and_no_more_are_packed() -> None:
    most = [query(number, f"10.0.{number >> 8}.{number & 255}") for number in range(query_blocks.MOST_ROWS)]
    assert read(packed(most)) == most
    for count in (255, 256, 257):
        assert read(packed(most[:count])) == most[:count]
    with pytest.raises(ValueError, match="no block"):
        packed([*most, query(9999)])


def test_a_duration_keeps_its_three_digits_and_what_is_beyond_all_measure_is_bounded() -> None:
    spoken = [float(f"{digits}e{power}") for digits in range(100, 1000) for power in (-6, -4, -3, -2, -1, 0)]
    for first in range(0, len(spoken), 4000):
        some = [(NOON, "", "a", tuple(REST), one) for one in spoken[first : first + 4000]]
        assert [float(f"{one[4]:.3g}") for one in read(packed(some))] == [one[4] for one in some]
    ends = [(NOON, "", "a", tuple(REST), one) for one in (-1.0, 1e300, float("inf"))]
    assert [one[4] for one in read(packed(ends))] == [0.0, 65504.0, 65504.0]


def test_a_clock_that_is_set_back_or_far_ahead_leaves_each_row_its_time() -> None:
    moments = [NOON, NOON - 86_400_000, NOON + 3_000_000_000_000, NOON + 40_000, NOON]
    queries = [(moment, "", "a.example", tuple(REST), 0.0) for moment in moments]
    assert [one[0] for one in read(packed(queries))] == moments


def test_a_repeated_row_takes_hardly_an_octet_and_varied_ones_few() -> None:
    same = [(NOON + number // 50, "10.0.0.1", f"n{number % 20}.example", tuple(REST), 0.0) for number in range(500)]
    varied = [
        (NOON + number, f"10.0.0.{number * 7919 % 200}", f"n{number * 104_729 % 1500}.example", tuple(REST), 0.0)
        for number in range(500)
    ]
    assert len(packed(same)) < 500
    assert len(packed(varied)) < 500 * 8


@given(st.binary(max_size=300))
def test_octets_from_anywhere_are_no_block(octets: bytes) -> None:
    with pytest.raises(BlockError):
        QueryBlock(octets)
    with pytest.raises(BlockError):
        QueryBlock(query_blocks.MAGIC + octets)


def sealed(octets: bytes) -> bytes:
    """Octets with the checksum that a block of them would have."""
    head = octets[: query_blocks.BEFORE_CRC]
    crc = zlib.crc32(octets[HEADER.size :], zlib.crc32(head))
    return head + struct.pack("<I", crc) + octets[HEADER.size :]


def read_or_refused(octets: bytes) -> None:
    with suppress(BlockError):
        read(octets)
    with suppress(BlockError):
        without(octets, lambda client: client.address == "10.0.0.1")


@given(st.data())
def test_a_block_with_changed_octets_is_refused_and_with_a_true_checksum_read_or_refused(data: st.DataObject) -> None:
    octets = bytearray(
        packed([query(number, f"10.0.0.{number % 3}") for number in range(data.draw(st.integers(1, 9)))])
    )
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    changed = bytes(octets[: data.draw(st.integers(0, len(octets)))])
    with pytest.raises(BlockError):
        QueryBlock(changed)
    if len(changed) > HEADER.size:
        read_or_refused(sealed(changed))


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=11) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=30,
)
LINES = st.lists(JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=9), min_size=1, max_size=3)


@given(LINES, LINES, LINES, LINES, st.binary(max_size=40), st.integers(1, 9), st.integers(0, 7))
def test_any_lines_and_columns_behind_a_true_header_are_read_or_refused(
    clients: list[bytes], names: list[bytes], facts: list[bytes], about: list[bytes], rest: bytes, rows: int, flags: int
) -> None:
    texts = [b"\n".join(lines) for lines in (clients, names, facts, about)]
    plain = b"".join((*texts, rest))
    counts = (rows, len(clients), len(names), len(facts))
    head = HEADER.pack(b"MQB", query_blocks.VERSION, flags, *counts, NOON, NOON, *map(len, texts), len(plain), 0)
    read_or_refused(sealed(head + zlib.compress(plain, 1, -15)))


def test_a_block_that_inflates_without_end_is_not_inflated_beyond_what_its_header_says() -> None:
    octets = packed([query(1)])
    bomb = octets[: HEADER.size] + zlib.compress(bytes(50_000_000), 9, -15)
    with pytest.raises(BlockError):
        read(sealed(bomb))
    huge = bytearray(bomb)
    struct.pack_into("<I", huge, HEADER.size - 8, 1 << 31)
    with pytest.raises(BlockError, match="sizes"):
        read(sealed(bytes(huge)))


@pytest.mark.parametrize("what", ["names", "facts"])
def test_half_a_character_is_refused_since_no_answer_could_hold_it(what: str) -> None:
    facts = LogFacts(b'"\\ud800"' if what == "names" else b'"a"', json.dumps(REST).encode())
    if what == "facts":
        facts = LogFacts(b'"a"', json.dumps([*REST[:6], "\ud800", *REST[7:]]).encode())
    with pytest.raises(BlockError, match="half a character"):
        read(pack([NOON], [b'""'], [facts], [0.0]))


def test_a_block_of_a_later_version_is_refused_by_its_version() -> None:
    octets = bytearray(packed([query(1)]))
    octets[3] += 1
    with pytest.raises(BlockError, match="version 2, not 1"):
        read_header(sealed(bytes(octets)))


def test_a_person_is_taken_out_by_address_or_identity_and_all_else_stays_as_it_was() -> None:
    people: list[Any] = ["10.0.0.1", ["10.0.0.2", "alice"], ["10.0.0.1", "bob"], "", ["10.0.0.3", "alice"]]
    queries = [query(number, people[number % 5]) for number in range(50)]
    octets = packed(queries, b'{"node":"n-1","more":{"a":[1]}}')
    for is_theirs, gone in (
        (lambda client: client.address == "10.0.0.1", (0, 2)),
        (lambda client: client.identity == "alice", (1, 4)),
        (lambda client: client == BlockClient(""), (3,)),
    ):
        left = without(octets, is_theirs)
        assert left is not None
        assert read(left) == [one for number, one in enumerate(queries) if number % 5 not in gone]
        block = QueryBlock(left)
        assert not any(is_theirs(client) for client in block.clients())
        assert block.about() == b'{"node":"n-1","more":{"a":[1]}}'
    alice = without(octets, lambda client: client.identity == "alice")
    assert alice is not None
    assert b"alice" not in QueryBlock(alice).clients_text
    assert b"n1.example" not in QueryBlock(alice).names_text
    assert without(octets, lambda client: client.address == "10.9.9.9") is octets
    assert without(octets, lambda client: True) is None


def test_lines_that_are_right_only_together_are_not_put_among_others() -> None:
    facts = [LogFacts(b'"a.example"', json.dumps(REST).encode())] * 2
    block = QueryBlock(pack([NOON, NOON], [b'["a"', b'"b"],"c"'], facts, [0.0, 0.0]))
    with pytest.raises(BlockError):
        packable(block)


def test_a_row_longer_than_any_may_be_is_refused() -> None:
    long = LogFacts(json.dumps("n" * MOST_ROW_BYTES * 2).encode(), json.dumps(REST).encode())
    with pytest.raises(BlockError, match="sizes"):
        read_header(pack([NOON], [b'"a"'], [long], [0.0]))
