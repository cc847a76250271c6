"""Reading of query-log blocks: header, text and columns, each when it is wanted; and a block without some clients.

Blocks may have been damaged, or come from anywhere: all is checked, and bounded, before it is used.
"""

from __future__ import annotations

import itertools
import json
import struct
import sys
import zlib
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, final

from resolver.telemetry import query_blocks as blocks
from resolver.telemetry.query_blocks import LogFacts, pack

MOST_PLAIN_BYTES: Final = 16 << 20
"""Octets of text and columns together: rows of a block have at most some four thousand each."""

_MOST_MOMENT: Final = 253_402_300_800_000  # Unix milliseconds: the year 10000
_NEEDED_FACTS: Final = len(blocks.FACTS) - 1  # the remark may be missing
_PLAIN_MEMBERS: Final = ("clients", "names", "facts")


class BlockError(ValueError):
    """Octets that are no block, or one that was damaged, or of a version that we do not know."""


class BlockHeader(NamedTuple):
    """Header of a block; times are in Unix milliseconds."""

    flags: int
    rows: int
    clients: int
    names: int
    facts: int
    oldest: int
    newest: int
    text_bytes: int
    plain_bytes: int


class BlockClient(NamedTuple):
    """Client of a row: an address or a network, "" where none may be told, and who it is where that is known."""

    address: str
    identity: str | None = None


class BlockText(NamedTuple):
    """Text of a block. `about` is what it has beside: a node, or what a later version adds."""

    clients: Sequence[BlockClient]
    names: Sequence[str]
    facts: Sequence[Sequence[str | None]]
    about: Mapping[str, Any]


class BlockColumns(NamedTuple):
    """Columns of a block, of all rows but for `facts`; client, name and facts are places in the text's arrays."""

    moments: Sequence[int]  # Unix milliseconds
    clients: Sequence[int]
    names: Sequence[int]
    facts: Sequence[int]  # a name's
    durations: Sequence[float]  # milliseconds that answers took


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
    counts = (head.clients, head.names, head.facts)
    if not (0 < head.rows <= blocks.MOST_ROWS and all(0 < count <= head.rows for count in counts)):
        raise BlockError("a block with counts that cannot be")
    if not 0 <= head.oldest <= head.newest < _MOST_MOMENT:
        raise BlockError("a block with times that cannot be")
    if not 0 < head.text_bytes < head.plain_bytes <= MOST_PLAIN_BYTES:
        raise BlockError("a block with sizes that cannot be")
    return head


@final
class QueryBlock:
    """Block whose header is checked. `octets` is its text as it stands: what it does not hold, no row has."""

    def __init__(self, packed: bytes) -> None:
        """Raises BlockError."""
        self.head: BlockHeader = read_header(packed)
        self._inflating: Any = zlib.decompressobj(-zlib.MAX_WBITS)
        self.octets: bytes = self._inflated(memoryview(packed)[blocks.HEADER.size :], self.head.text_bytes)
        self._text: BlockText | None = None
        self._columns: BlockColumns | None = None

    def _inflated(self, packed: object, count: int) -> bytes:
        try:
            plain: bytes = self._inflating.decompress(packed, count)
        except zlib.error:
            raise BlockError("a block that does not inflate") from None
        if len(plain) != count:
            raise BlockError("a block that ends too early")
        return plain

    def text(self) -> BlockText:
        """The text, read. Raises BlockError."""
        if self._text is None:
            self._text = _text_of(self.octets, self.head)
        return self._text

    def columns(self) -> BlockColumns:
        """The columns, read. Raises BlockError."""
        if self._columns is None:
            wanted = self.head.plain_bytes - self.head.text_bytes
            self._columns = _columns_of(self._inflated(self._inflating.unconsumed_tail, wanted), self.head)
        return self._columns


def _text_of(octets: bytes, head: BlockHeader) -> BlockText:
    try:
        read = json.loads(octets)
    except (ValueError, RecursionError):
        raise BlockError("a block whose text is no JSON") from None
    if not isinstance(read, dict):
        raise BlockError("a block whose text is no object")
    found = [read.pop(member, None) for member in _PLAIN_MEMBERS]
    for some, count in zip(found, (head.clients, head.names, head.facts), strict=True):
        if not isinstance(some, list) or len(some) != count:
            raise BlockError("a block whose text has other counts than its header")
    clients, names, facts = found
    if not all(isinstance(name, str) for name in names):
        raise BlockError("a block with names that are none")
    if not all(_are_facts(one) for one in facts):
        raise BlockError("a block with facts that are none")
    if b"\\ud" in octets or b"\\uD" in octets:
        _refuse_surrogates(found)
    return BlockText([_client_of(one) for one in clients], names, facts, read)


def _are_facts(one: object) -> bool:
    return (
        isinstance(one, list)
        and len(one) >= _NEEDED_FACTS
        and all(fact is None or isinstance(fact, str) for fact in one)
        and one[3] is not None
        and one[8] is not None
    )


def _client_of(one: object) -> BlockClient:
    match one:
        case str():
            return BlockClient(one)
        case [str(address), str() | None as identity, *_]:
            return BlockClient(address, identity)
    raise BlockError("a block with a client that is none")


def _refuse_surrogates(found: list[Any]) -> None:
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BlockError("a block with texts that are no Unicode") from None


def _columns_of(octets: bytes, head: BlockHeader) -> BlockColumns:
    rows, width = head.rows, head.flags & blocks.STEP_WIDTH
    has_durations = head.flags & blocks.HAS_DURATIONS != 0
    counts = ((rows, head.clients), (rows, head.names), (head.names, head.facts))
    sizes = [rows << width, *(count << (most > blocks.ONE_OCTET) for count, most in counts), 2 * rows * has_durations]
    ends = list(itertools.accumulate(sizes))
    if ends[-1] != len(octets):
        raise BlockError("a block whose columns have another length")
    moments = list(itertools.accumulate(_numbers(blocks.SIGNED[width], octets[: ends[0]]), initial=head.oldest))[1:]
    if min(moments) != head.oldest or max(moments) != head.newest:
        raise BlockError("a block whose times are not those of its header")
    places: list[Sequence[int]] = []
    for (_, most), begin, end in zip(counts, ends, ends[1:], strict=False):
        part = octets[begin:end]
        column: Sequence[int] = part if most <= blocks.ONE_OCTET else _numbers("H", part)
        if max(column) >= most:
            raise BlockError("a block whose columns point beyond its text")
        places.append(column)
    durations: Sequence[float] = (0.0,) * rows
    if has_durations:
        durations = struct.unpack(f"<{rows}e", octets[ends[3] :])
        if not all(0 <= one <= 65_504 for one in durations):  # nor what is no number
            raise BlockError("a block with durations that are none")
    return BlockColumns(moments, places[0], places[1], places[2], durations)


def _numbers(code: str, octets: bytes) -> array[int]:
    numbers = array(code, octets)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


class PackableRows(NamedTuple):
    """Rows as `pack` takes them."""

    moments: list[int]
    clients: list[bytes]
    facts: list[LogFacts]
    durations: list[float]


def packable(block: QueryBlock) -> PackableRows:
    """Give all rows of a block, to be packed anew. Raises BlockError."""
    text, columns = block.text(), block.columns()
    clients = [_json([*one] if one.identity is not None else one.address) for one in text.clients]
    rests = [_json(one) for one in text.facts]
    facts = [LogFacts(_json(name), rests[place]) for name, place in zip(text.names, columns.facts, strict=True)]
    return PackableRows(
        list(columns.moments),
        [clients[place] for place in columns.clients],
        [facts[place] for place in columns.names],
        list(columns.durations),
    )


def without(packed: bytes, is_theirs: Callable[[BlockClient], bool]) -> bytes | None:
    """Give a block without the rows of some clients, written anew; None where none is left.

    The very same octets come back where no row is theirs. Raises BlockError.
    """
    block = QueryBlock(packed)
    theirs = {place for place, client in enumerate(block.text().clients) if is_theirs(client)}
    if not theirs:
        return packed
    kept = [place not in theirs for place in block.columns().clients]
    if not any(kept):
        return None
    moments, clients, facts, durations = packable(block)
    return pack(
        list(itertools.compress(moments, kept)),
        list(itertools.compress(clients, kept)),
        list(itertools.compress(facts, kept)),
        list(itertools.compress(durations, kept)),
        about_of(block),
    )


def about_of(block: QueryBlock) -> bytes:
    """Give the further members of a block's text, as `pack` takes them. Raises BlockError."""
    return b"".join(b"%b:%b," % (_json(name), _json(value)) for name, value in block.text().about.items())


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
