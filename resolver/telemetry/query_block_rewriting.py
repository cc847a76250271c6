"""Query-log blocks written anew: their rows among those of others, or without some clients."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

from resolver.telemetry.query_block_lines import BlockClient, BlockError, client_of, facts_of, name_of
from resolver.telemetry.query_block_reading import QueryBlock
from resolver.telemetry.query_blocks import LogFacts, pack


class PackableRows(NamedTuple):
    """Rows as `pack` takes them."""

    moments: list[int]
    clients: list[bytes]
    facts: list[LogFacts]
    durations: list[float]


def _lines(text: bytes, check: Callable[[bytes], object], count: int) -> list[bytes]:
    """Give lines, each of which is right by itself: they go among those of other blocks. Raises BlockError."""
    lines = text.split(b"\n")
    if len(lines) != count:
        raise BlockError("a block with other counts than its header has")
    for line in lines:
        check(line)
    return lines


def packable(block: QueryBlock) -> PackableRows:
    """Give all rows of a block, checked, to be packed anew. Raises BlockError."""
    columns = block.columns()
    clients = _lines(block.clients_text, client_of, block.head.clients)
    names = _lines(block.names_text, name_of, block.head.names)
    rests = _lines(block.facts_text, facts_of, block.head.facts)
    facts = [LogFacts(name, rests[one]) for name, one in zip(names, columns.facts, strict=True)]
    return PackableRows(
        block.moments(),
        [clients[one] for one in columns.clients],
        [facts[one] for one in columns.names],
        list(block.durations()),
    )


def without(packed: bytes, is_theirs: Callable[[BlockClient], bool]) -> bytes | None:
    """Give a block without the rows of some clients, written anew; None where none is left.

    The very same octets come back where no row is theirs. Raises BlockError.
    """
    block = QueryBlock(packed)
    theirs = {number for number, client in enumerate(block.clients()) if is_theirs(client)}
    if not theirs:
        return packed
    rows = packable(block)
    kept = [number not in theirs for number in block.columns().clients]
    if not any(kept):
        return None
    moments, clients, facts, durations = rows
    return pack(
        list(itertools.compress(moments, kept)),
        list(itertools.compress(clients, kept)),
        list(itertools.compress(facts, kept)),
        list(itertools.compress(durations, kept)),
        block.about(),
    )
