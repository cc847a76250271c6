"""Filters of a search find in a block just the rows that a look at each row finds, whatever characters these have."""

from __future__ import annotations

import zlib
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admin_api.query_log.block_search import rows_of
from admin_api.query_log.log_filter import BlockMatcher
from resolver.telemetry.query_block_lines import BlockError
from resolver.telemetry.query_block_reading import QueryBlock
from resolver.telemetry.query_blocks import BEFORE_CRC, HEADER, LogFacts, log_facts, pack
from tests.support.examples import examples
from tests.support.log_blocks import BlockMaker

TEXTS = st.text('ab."\\,\n[\x00\x7fé', max_size=4)
CLIENTS = st.sampled_from(["", "10.0.0.1", "10.0.0.11", "10.0.0.0/24"])
VERDICTS = st.sampled_from(["allow", "block", 'b"'])
IDENTITIES = st.sampled_from([None, "ana", 'b"', "10.0.0.1", "~aaaaaaaaaaaaaaaa"])
ROWS = st.lists(st.tuples(CLIENTS, TEXTS, TEXTS, TEXTS, VERDICTS, IDENTITIES), min_size=1, max_size=60)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "client": CLIENTS,
        "identity": st.sampled_from(["", "ana", 'b"', "10.0.0.1"]),
        "name": TEXTS,
        "contains": TEXTS,
        "group": TEXTS,
        "service": TEXTS,
        "verdict": VERDICTS,
    },
)

SomeRow = tuple[str, str, str, str, str, str | None]


def block_of(rows: list[SomeRow]) -> bytes:
    """The block of rows."""
    return BlockMaker().block(
        [
            [
                1000.0,
                client,
                group,
                name,
                "A",
                "NOERROR",
                verdict,
                service,
                None,
                None,
                None,
                "udp",
                len(name),
                None,
                whose,
            ]
            for client, name, group, service, verdict, whose in rows
        ]
    )


def is_wanted(row: SomeRow, filters: dict[str, str]) -> bool:
    """The filters as they are documented, one row at a time."""
    client, name, group, service, verdict, whose = row
    below = filters.get("name", "").strip().rstrip(".")
    return (
        (not client or client == filters.get("client", client))
        and (bool(client) or "client" not in filters)
        and ("identity" not in filters or (bool(whose) and whose == filters["identity"]))
        and ("name" not in filters or name == below or name.endswith(f".{below}"))
        and filters.get("contains", "") in name
        and filters.get("group", group) == group
        and filters.get("service", service) == service
        and filters.get("verdict", verdict) == verdict
    )


@given(ROWS, FILTERS)
@settings(max_examples=examples(300))
def test_a_filter_finds_the_rows_of_a_block_that_it_means_and_no_others(
    rows: list[SomeRow], filters: dict[str, str]
) -> None:
    block = QueryBlock(block_of(rows))
    found = list(BlockMatcher(filters).matching(block))
    assert found == [place for place, row in enumerate(rows) if is_wanted(row, filters)]


def test_facts_of_other_lines_than_the_header_counts_are_no_block() -> None:
    facts = [log_facts(f"{name}.a", (name, "A", "NOERROR", "block", *[None] * 4, "udp")) for name in "ab"]
    one = LogFacts(facts[0].name, facts[0].rest.replace(b'"a"', b'"a\n"'))
    block = QueryBlock(pack([1, 2], [b'"c"'] * 2, [one, facts[1]], [0.0, 0.0]))
    with pytest.raises(BlockError):
        BlockMatcher({"client": "c", "verdict": "block"}).matching(block)


@given(ROWS, FILTERS, st.lists(st.tuples(st.integers(0, 9_999), st.integers(0, 255)), min_size=1, max_size=6))
@settings(max_examples=examples(500))
def test_a_block_whose_lines_or_columns_were_changed_behind_a_true_checksum_is_searched_or_refused(
    rows: list[SomeRow], filters: dict[str, str], changes: list[tuple[int, int]]
) -> None:
    octets = block_of(rows)
    plain = bytearray(zlib.decompress(octets[HEADER.size :], -15))
    for place, octet in changes:
        plain[-1 - place % len(plain)] = octet
    packed = zlib.compress(bytes(plain), 1, -15)
    head = octets[:BEFORE_CRC]
    block = QueryBlock(head + zlib.crc32(packed, zlib.crc32(head)).to_bytes(4, "little") + packed)
    with suppress(BlockError):
        places = BlockMatcher(filters).matching(block)
        found = rows_of(block, list(zip(block.moments_at(places), places, strict=True)), 0)
        assert len(found) == len(places)
