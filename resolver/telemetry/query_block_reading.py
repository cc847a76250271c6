"""Reading of query-log blocks: header, texts and columns, each when it is wanted.

Blocks may have been damaged, or come from anywhere: all is checked, and bounded, before it is used.
"""

from __future__ import annotations

import itertools
import struct
import sys
import zlib
from array import array
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, final

from resolver.telemetry import query_blocks as blocks
from resolver.telemetry.query_block_lines import (
    BEYOND,
    BlockClient,
    BlockError,
    Facts,
    read_clients,
    read_facts,
    read_names,
    read_object,
)

MOST_PLAIN_BYTES: Final = 16 << 20
"""Octets of texts and columns together."""
MOST_ROW_BYTES: Final = 16 << 10
"""The same, a row, beside as many of the object about the block: no name, rule or remark is nearly as long."""

_MOST_MOMENT: Final = 253_402_300_800_000  # Unix milliseconds: the year 10000
_MOST_MILLISECONDS: Final = 65_504.0
_FEW: Final = 8  # rows whose times are added up one by one


class BlockHeader(NamedTuple):
    """Header of a block; times are in Unix milliseconds."""

    flags: int
    rows: int
    clients: int
    names: int
    facts: int
    oldest: int
    newest: int
    clients_bytes: int
    names_bytes: int
    facts_bytes: int
    about_bytes: int
    plain_bytes: int


class BlockColumns(NamedTuple):
    """Columns of a block: of a row its client and its name, of a name its facts, as numbers of lines; and octets."""

    clients: Sequence[int]
    names: Sequence[int]
    facts: Sequence[int]
    steps: bytes
    durations: bytes


def read_header(packed: bytes) -> BlockHeader:
    """Check a block by its header and checksum. Raises BlockError."""
    if len(packed) <= blocks.HEADER.size:
        raise BlockError("too short for a block")
    magic, version, *rest, crc = blocks.HEADER.unpack_from(packed)
    if magic != blocks.MAGIC:
        raise BlockError("no block")
    if version != blocks.VERSION:
        raise BlockError(f"a block of version {version}, not {blocks.VERSION}")
    view = memoryview(packed)
    if zlib.crc32(view[blocks.HEADER.size :], zlib.crc32(view[: blocks.BEFORE_CRC])) != crc:
        raise BlockError("a damaged block: its checksum is another")
    head = BlockHeader(*rest)
    if not (0 < head.rows <= blocks.MOST_ROWS and 0 < head.clients <= head.rows and 0 < head.names <= head.rows):
        raise BlockError("a block with counts that cannot be")
    if not 0 < head.facts <= head.names:
        raise BlockError("a block with counts that cannot be")
    if not 0 <= head.oldest <= head.newest < _MOST_MOMENT:
        raise BlockError("a block with times that cannot be")
    texts = head.clients_bytes + head.names_bytes + head.facts_bytes + head.about_bytes
    if not (min(head.clients_bytes, head.names_bytes, head.facts_bytes) > 0 and texts < head.plain_bytes):
        raise BlockError("a block with sizes that cannot be")
    if head.plain_bytes > min(MOST_PLAIN_BYTES, MOST_ROW_BYTES * (head.rows + 1)):
        raise BlockError("a block with sizes that cannot be")
    return head


@final
class QueryBlock:
    """Block whose header is checked; the rest is inflated as far as it is read, which raises BlockError, too."""

    def __init__(self, packed: bytes) -> None:
        self.head: BlockHeader = read_header(packed)
        self._packed: Any = memoryview(packed)[blocks.HEADER.size :]
        self._inflating = zlib.decompressobj(-zlib.MAX_WBITS)
        self._parts: list[bytes] = []  # clients, names, facts, about, columns, as far as they were inflated
        self._columns: BlockColumns | None = None
        self._is_whole = False  # what the columns point at is there

    @property
    def clients_text(self) -> bytes:
        """Lines of the clients."""
        return self._part(0)

    @property
    def names_text(self) -> bytes:
        """Lines of the names."""
        return self._part(1)

    @property
    def facts_text(self) -> bytes:
        """Lines of the facts."""
        return self._part(2)

    def clients(self) -> list[BlockClient]:
        """The clients, by number."""
        return read_clients(self.clients_text, self.head.clients)

    def names(self) -> list[str]:
        """The names, by number."""
        return read_names(self.names_text, self.head.names)

    def facts(self) -> list[Facts]:
        """The facts, by number; each has at least all of FACTS but the remark."""
        return read_facts(self.facts_text, self.head.facts)

    def about(self) -> bytes:
        """The object about the block as a whole, as `pack` takes it; empty where there is none."""
        text = self._part(3)
        if text:
            read_object(text)
        return text

    def columns(self) -> BlockColumns:
        """The columns; what they point at is there."""
        columns, head = self.numbers(), self.head
        if not self._is_whole:
            of_lines = ((columns.clients, head.clients), (columns.names, head.names), (columns.facts, head.facts))
            if any(max(column) >= most for column, most in of_lines):
                raise BlockError(BEYOND)
            self._is_whole = True
        return columns

    def numbers(self) -> BlockColumns:
        """The columns, of which a look at some rows reads few numbers: they may point beyond the lines."""
        if self._columns is None:
            self._columns = _columns_of(self._part(4), self.head)
        return self._columns

    def moments(self) -> list[int]:
        """When each row was, in Unix milliseconds."""
        moments = list(itertools.accumulate(self._steps(), initial=self.head.oldest))[1:]
        if min(moments) != self.head.oldest or max(moments) != self.head.newest:
            raise BlockError("a block whose times are not those of its header")
        return moments

    def moments_at(self, places: Sequence[int]) -> list[int]:
        """When the rows at some places were."""
        if len(places) > _FEW:
            moments = self.moments()
            return [moments[place] for place in places]
        steps = self._steps()
        found = [self.head.oldest + sum(steps[: place + 1]) for place in places]
        if not all(self.head.oldest <= moment <= self.head.newest for moment in found):
            raise BlockError("a block whose times are not those of its header")
        return found

    def _steps(self) -> array[int]:
        return _numbers(blocks.SIGNED[self.head.flags & blocks.STEP_WIDTH], self.numbers().steps)

    def durations(self) -> Sequence[float]:
        """How long each answer took, in milliseconds."""
        return self._durations(f"<{self.head.rows}e", 0)

    def durations_at(self, places: Sequence[int]) -> Sequence[float]:
        """How long the answers of the rows at some places took."""
        if len(places) > _FEW:
            durations = self.durations()
            return [durations[place] for place in places]
        return [self._durations("<e", 2 * place)[0] for place in places]

    def _durations(self, shape: str, at: int) -> Sequence[float]:
        octets = self.numbers().durations
        if not octets:
            return (0.0,) * (struct.calcsize(shape) // 2)
        durations = struct.unpack_from(shape, octets, at)
        most = len(durations) * _MOST_MILLISECONDS
        if not (min(durations) >= 0 and sum(durations) <= most):  # nor what is no number
            raise BlockError("a block with durations that are none")
        return durations

    def _part(self, number: int) -> bytes:
        head = self.head
        sizes = (head.clients_bytes, head.names_bytes, head.facts_bytes, head.about_bytes)
        while len(self._parts) <= number:
            at = len(self._parts)
            self._parts.append(self._inflated(sizes[at] if at < len(sizes) else head.plain_bytes - sum(sizes)))
        return self._parts[number]

    def _inflated(self, count: int) -> bytes:
        if not count:  # which for zlib were no bound
            return b""
        try:
            plain = self._inflating.decompress(self._packed, count)
        except zlib.error:
            raise BlockError("a block that does not inflate") from None
        if len(plain) != count:
            raise BlockError("a block that ends too early")
        self._packed = self._inflating.unconsumed_tail
        return plain


def _columns_of(octets: bytes, head: BlockHeader) -> BlockColumns:
    rows, width = head.rows, head.flags & blocks.STEP_WIDTH
    has_durations = head.flags & blocks.HAS_DURATIONS != 0
    counts = ((rows, head.clients), (rows, head.names), (head.names, head.facts))
    sizes = [rows << width, *(count << (most > blocks.ONE_OCTET) for count, most in counts), 2 * rows * has_durations]
    ends = list(itertools.accumulate(sizes))
    if ends[-1] != len(octets):
        raise BlockError("a block whose columns have another length")
    places: list[Sequence[int]] = []
    for (_, most), begin, end in zip(counts, ends, ends[1:], strict=False):
        part = octets[begin:end]
        places.append(part if most <= blocks.ONE_OCTET else _numbers("H", part))
    clients, names, facts = places
    return BlockColumns(clients, names, facts, octets[: ends[0]], octets[ends[3] :])


def _numbers(code: str, octets: bytes) -> array[int]:
    numbers = array(code, octets)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
