"""Reading of query-log blocks: header, texts and columns, each when it is wanted; and a block without some clients.

Blocks may have been damaged, or come from anywhere: all is checked, and bounded, before it is used.
"""

from __future__ import annotations

import itertools
import json
import struct
import sys
import zlib
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar, final

from resolver.telemetry import query_blocks as blocks
from resolver.telemetry.query_blocks import LogFacts, pack

MOST_PLAIN_BYTES: Final = 16 << 20
"""Octets of texts and columns together."""
MOST_ROW_BYTES: Final = 16 << 10
"""The same, a row, beside as many of the object about the block: no name, rule or remark is nearly as long."""

_MOST_MOMENT: Final = 253_402_300_800_000  # Unix milliseconds: the year 10000
_MOST_MILLISECONDS: Final = 65_504.0
_BEYOND: Final = "a block whose columns point beyond its lines"
_FEW: Final = 8  # rows whose times are added up one by one
_NEEDED_FACTS: Final = len(blocks.FACTS) - 1  # the remark may be missing
_VERDICT: Final = blocks.FACTS.index("verdict")
_PROTOCOL: Final = blocks.FACTS.index("protocol")

Facts = Sequence[str | None]
_Entry = TypeVar("_Entry")


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
    clients_bytes: int
    names_bytes: int
    facts_bytes: int
    about_bytes: int
    plain_bytes: int


class BlockClient(NamedTuple):
    """Client of a row: an address or a network, "" where none may be told, and who it is where that is known."""

    address: str
    identity: str | None = None


class BlockColumns(NamedTuple):
    """Columns of a block: of a row its client and its name, of a name its facts, as numbers of lines; and octets."""

    clients: Sequence[int]
    names: Sequence[int]
    facts: Sequence[int]
    steps: bytes
    durations: bytes


class PackableRows(NamedTuple):
    """Rows as `pack` takes them."""

    moments: list[int]
    clients: list[bytes]
    facts: list[LogFacts]
    durations: list[float]


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
        return list(map(_client_of, _entries(self.clients_text, self.head.clients)))

    def names(self) -> list[str]:
        """The names, by number."""
        names: list[str] = _entries(self.names_text, self.head.names)
        if set(map(type, names)) != {str}:
            raise BlockError("a block with names that are none")
        return names

    def facts(self) -> list[Facts]:
        """The facts, by number; each has at least all of FACTS but the remark."""
        return list(map(_facts_of, _entries(self.facts_text, self.head.facts)))

    def about(self) -> bytes:
        """The object about the block as a whole, as `pack` takes it; empty where there is none."""
        text = self._part(3)
        if text and not isinstance(_json_of(text), dict):
            raise BlockError("a block that is told of in no object")
        return text

    def columns(self) -> BlockColumns:
        """The columns; what they point at is there."""
        columns, head = self.numbers(), self.head
        if not self._is_whole:
            of_lines = ((columns.clients, head.clients), (columns.names, head.names), (columns.facts, head.facts))
            if any(max(column) >= most for column, most in of_lines):
                raise BlockError(_BEYOND)
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


def _json_of(text: bytes) -> Any:
    try:
        read = json.loads(text.decode("ascii"))
        if b"\\u" in text:
            json.dumps(read, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BlockError("a block with half a character, which no answer could hold") from None
    except (ValueError, RecursionError):
        raise BlockError("a block whose text is no JSON") from None
    return read


def _plain_text(line: bytes) -> str | None:
    """Text that a line of JSON holds, as nearly all do, with nothing escaped; None of any other line."""
    if line[:1] != b'"' or line[-1:] != b'"' or b"\\" in line or line.count(b'"') != 2 or not line.isascii():
        return None
    text = line[1:-1].decode()
    return text if text.isprintable() else None


def pointed_at(entries: Sequence[_Entry], number: int) -> _Entry:
    """Give what a number of a column points at. Raises BlockError."""
    if number >= len(entries):
        raise BlockError(_BEYOND)
    return entries[number]


def _entries(text: bytes, count: int) -> list[Any]:
    """Read lines all at once."""
    read = _json_of(b"[%b]" % text.replace(b"\n", b","))
    if text.count(b"\n") + 1 != count or len(read) != count:
        raise BlockError("a block with other counts than its header has")
    return list(read)


def client_of(line: bytes) -> BlockClient:
    """Read a line of the clients. Raises BlockError."""
    text = _plain_text(line)
    return _client_of(_json_of(line)) if text is None else BlockClient(text)


def _client_of(read: object) -> BlockClient:
    match read:
        case str():
            return BlockClient(read)
        case [str(address), str() | None as identity, *_]:
            return BlockClient(address, identity)
    raise BlockError("a block with a client that is none")


def name_of(line: bytes) -> str:
    """Read a line of the names. Raises BlockError."""
    name = _plain_text(line)
    if name is not None:
        return name
    name = _json_of(line)
    if not isinstance(name, str):
        raise BlockError("a block with names that are none")
    return name


def facts_of(line: bytes) -> Facts:
    """Read a line of the facts. Raises BlockError."""
    return _facts_of(_json_of(line))


def _facts_of(read: object) -> Facts:
    if not isinstance(read, list) or len(read) < _NEEDED_FACTS or not set(map(type, read)) <= {str, type(None)}:
        raise BlockError("a block with facts that are none")
    if read[_VERDICT] is None or read[_PROTOCOL] is None:
        raise BlockError("a block with facts that lack what each has")
    return read


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
