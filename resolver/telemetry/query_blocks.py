"""Blocks of the query log: some hundred logged queries as octets, packed by workers, stored and searched as they are.

A block is a header and what raw deflate made of four texts and of columns, one behind the other. The header is
little-endian: ``MQB``, the version (8 bits), flags (16), rows, clients, names, facts (16 each), oldest and newest in
Unix milliseconds (64 each), octets of the four texts, and of texts and columns (32 each), CRC-32 of what of the header
is before it and of all behind.

The texts are ASCII, an entry a line, JSON each: clients, an address or a network, "" where none may be told, or an
array of that and who it is; names, of which one is there again where its facts are others; facts, arrays of FACTS,
behind which a later version may have more; and an object about the block, or nothing: for its `node`, and what a later
version adds. The columns: a row's milliseconds since the row before (since `oldest` in the first), its client, its
name; a name's facts; and, by a flag, milliseconds that a row's answer took, as half floats, which hold three digits.
Client, name and facts are numbers of lines, of one octet, or of two where there are more than 256. A search that looks
for a client or a name so inflates no more than it has to.

Nothing here reads or writes files: the same octets may lie in any database. What reads them is `query_block_reading`.
"""

from __future__ import annotations

import itertools
import operator
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from typing import Final, final

from resolver.telemetry.json_text import array_of, quoted

MAGIC: Final = b"MQB"
VERSION: Final = 1
HEADER: Final = struct.Struct("<3sBHHHHHqqIIIIII")
BEFORE_CRC: Final = HEADER.size - 4
MOST_ROWS: Final = 4096
"""Rows of a block."""
FACTS: Final = ("group", "type", "rcode", "verdict", "service", "list", "rule", "exemption", "protocol", "remark")
"""The remark may be missing."""
STEP_WIDTH: Final = 3
"""Flags: the exponent of how many octets a time difference has."""
HAS_DURATIONS: Final = 4
"""A flag."""
SIGNED: Final = ("b", "h", "i", "q")
"""Type codes of time differences, by exponent."""
ONE_OCTET: Final = 256
"""Entries that an octet tells apart."""

_LEVEL: Final = 1  # of deflate: a higher one takes several times as long, and saves a tenth
_MOST_MILLISECONDS: Final = 65_504.0  # the highest half float


@final
class LogFacts:
    """Facts of a logged query, but time, client and duration: its name, and the array of the rest, both JSON."""

    def __init__(self, name: bytes, rest: bytes) -> None:
        self.name = name
        self.rest = rest


def log_facts(name: str, rest: Sequence[str | None]) -> LogFacts:
    """Give the facts of a name and, as FACTS says, of the rest."""
    return LogFacts(quoted(name).encode(), array_of(rest).encode())


def pack(
    moments: Sequence[int],
    clients: Sequence[bytes],
    facts: Sequence[LogFacts],
    durations: Sequence[float],
    about: bytes = b"",
) -> bytes:
    """Give the block of rows: Unix milliseconds, clients (JSON), facts, and milliseconds that the answers took.

    `about` is a JSON object. Raises ValueError where there are no rows, or too many.
    """
    rows = len(moments)
    if not 0 < rows <= MOST_ROWS:
        raise ValueError(f"{rows} rows are no block")
    who = _numbered(clients)
    what = dict(zip(dict.fromkeys(facts), itertools.count(), strict=False))
    of_names = [one.name for one in what]
    of_rests = [one.rest for one in what]
    rests = _numbered(of_rests)
    texts = (b"\n".join(who), b"\n".join(of_names), b"\n".join(rests), about)
    oldest, newest = min(moments), max(moments)
    steps = list(map(operator.sub, moments, [oldest, *moments]))
    flags = _width(min(steps), max(steps))
    parts = [
        *texts,
        _octets(array(SIGNED[flags], steps)),
        _column(map(who.__getitem__, clients), len(who)),
        _column(map(what.__getitem__, facts), len(what)),
        _column(map(rests.__getitem__, of_rests), len(rests)),
    ]
    if any(durations):
        flags |= HAS_DURATIONS
        parts.append(_halves(durations))
    plain = b"".join(parts)
    packed = zlib.compress(plain, _LEVEL, -zlib.MAX_WBITS)
    counts = (rows, len(who), len(what), len(rests))
    sizes = (*map(len, texts), len(plain))
    head = HEADER.pack(MAGIC, VERSION, flags, *counts, oldest, newest, *sizes, 0)[:BEFORE_CRC]
    return b"".join((head, zlib.crc32(packed, zlib.crc32(head)).to_bytes(4, "little"), packed))


def _numbered(values: Sequence[bytes]) -> dict[bytes, int]:
    return dict(zip(dict.fromkeys(values), itertools.count(), strict=False))


def _column(places: Iterable[int], entries: int) -> bytes:
    return bytes(list(places)) if entries <= ONE_OCTET else _octets(array("H", list(places)))


def _octets(values: array[int]) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def _halves(durations: Sequence[float]) -> bytes:
    if min(durations) < 0 or max(durations) > _MOST_MILLISECONDS:
        durations = [min(max(one, 0.0), _MOST_MILLISECONDS) for one in durations]
    return struct.pack(f"<{len(durations)}e", *durations)


def _width(least: int, most: int) -> int:
    """Give the exponent of how many octets signed numbers from `least` to `most` take."""
    for exponent in range(3):
        half = 1 << (8 << exponent) - 1
        if -half <= least and most < half:
            return exponent
    return 3
