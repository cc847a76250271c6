"""Header blocks of one connection over HTTP/2 (RFC 7541): read by the hpack library, unless what they mean is known.

A block that leaves the table of the connection as it is means the same as long as nothing changes that table. Of a GET,
whose path is another one each time, that holds for the block around the path. What is known is bounded, and forgotten
with each change.

Blocks that we write refer to the static table alone and change no other, so they need no state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import hpack
from hpack.exceptions import OversizedHeaderListError

from resolver.errors import FormatError
from resolver.listeners.doh import MEDIA_TYPE, HttpResponse
from resolver.listeners.http2_budget import flood
from resolver.listeners.http2_fields import Http2Head, check_path, check_trailers, request_of
from resolver.listeners.http2_frames import COMPRESSION_ERROR, Http2Violation
from resolver.wire.huffman import decode_huffman

_MOST_KNOWN: Final = 64  # blocks; a POST's differs by its length
_MOST_KNOWN_OCTETS: Final = 256  # of such a block
_MOST_KNOWN_UNFOLDED: Final = 2_048  # octets of its fields
_MOST_BEFORE_PATH: Final = 8  # fields
_INDEXED: Final = 0x80
_PATH_NAME: Final = 4  # in the static table
_NEVER_INDEXED: Final = 0x10
_HUFFMAN: Final = 0x80


class KnownRequest:
    """Meaning of a block: the request, and its path."""

    def __init__(self, head: Http2Head, path: str) -> None:
        self.head = head
        self.path = path


class HeaderBlocks:
    """Reader of a client's header blocks. Every block must be given to it, in order: each may change the table."""

    def __init__(self, most_octets: int) -> None:
        """`most_octets` of a list of fields, each with 32 more (RFC 9113 section 6.5.2)."""
        self._decoder = hpack.Decoder(max_header_list_size=most_octets)
        self._known: dict[bytes, KnownRequest] = {}
        self._known_around: dict[bytes, Http2Head] = {}  # by the block without its path
        # The table as it was last; the entry is held, so that no other one can have its identity.
        self._entries = 0
        self._first: object = None
        self._size: int = self._decoder.header_table.maxsize
        self._has_changed = False  # with the last block
        self.kept_octets = 0  # of fields whose blocks are known

    def request(self, block: bytes) -> KnownRequest:
        """The request that a block begins. Raises Http2Violation where it is none."""
        known = self._known.get(block)
        if known is not None:
            return known
        place = _place_of_path(block)
        if place is not None:
            head = self._known_around.get(place.around)
            if head is not None:
                return KnownRequest(head, place.path())
        return self._read(block, place)

    def trailers(self, block: bytes) -> None:
        """Read fields that follow a body, which nobody needs. Raises Http2Violation."""
        check_trailers(self._fields(block))

    def skip(self, block: bytes) -> None:
        """Read what is asked in vain. Raises Http2Violation."""
        self._fields(block)

    def _read(self, block: bytes, place: PathPlace | None) -> KnownRequest:
        fields = self._fields(block)
        head, path = request_of(fields)
        known = KnownRequest(head, path)
        unfolded = sum([len(name) + len(value) for name, value in fields])
        if self._has_changed or len(block) > _MOST_KNOWN_OCTETS or unfolded > _MOST_KNOWN_UNFOLDED:
            return known
        if len(self._known) + len(self._known_around) >= _MOST_KNOWN:
            self._forget()
        self.kept_octets += unfolded
        if place is None or "?" not in path:
            self._known[block] = known
        else:
            self._known_around[place.around] = head
        return known

    def _forget(self) -> None:
        self._known.clear()
        self._known_around.clear()
        self.kept_octets = 0

    def _fields(self, block: bytes) -> list[tuple[bytes, bytes]]:
        try:
            fields = [(name, value) for name, value in self._decoder.decode(block, raw=True)]
        except OversizedHeaderListError:
            raise flood() from None
        except (hpack.HPACKError, IndexError, TypeError):
            raise Http2Violation(COMPRESSION_ERROR) from None
        self._see_table()
        if self._has_changed:
            self._forget()
        return fields

    def _see_table(self) -> None:
        """Note whether the table is another one now. Entries are added at one end, and evicted at the other."""
        table = self._decoder.header_table
        entries: Sequence[object] = table.dynamic_entries  # as tuples, mypyc would make new ones
        first = entries[0] if entries else None
        self._has_changed = len(entries) != self._entries or first is not self._first or table.maxsize != self._size
        self._entries, self._first, self._size = len(entries), first, table.maxsize


class PathPlace:
    """Place of a path within a block: behind fields of the table, and not to be put into it."""

    def __init__(self, around: bytes, value: bytes, is_huffman: bool) -> None:
        self.around = around
        self._value = value
        self._is_huffman = is_huffman

    def path(self) -> str:
        """The path. Raises Http2Violation where it is none."""
        try:
            return check_path(decode_huffman(self._value) if self._is_huffman else self._value)
        except FormatError:
            raise Http2Violation(COMPRESSION_ERROR) from None


def _place_of_path(block: bytes) -> PathPlace | None:
    """Where the path of a request stands; None where it is not as most clients send it, or may be too long."""
    size = len(block)
    at = 0
    while True:
        if at >= size or at > _MOST_BEFORE_PATH:
            return None
        octet = block[at]
        if octet & ~_NEVER_INDEXED == _PATH_NAME:
            break
        if octet <= _INDEXED or octet == 0xFF:  # the index goes on in the next octet
            return None
        at += 1
    start = at + 2
    if start > size:
        return None
    length = block[at + 1] & 0x7F
    is_huffman = bool(block[at + 1] & _HUFFMAN)
    if length == 0x7F:  # an integer of more octets (RFC 7541 section 5.1)
        if start + 2 > size:
            return None
        length += block[start] & 0x7F
        if block[start] & 0x80:
            if block[start + 1] & 0x80:
                return None
            length += block[start + 1] << 7
            start += 1
        start += 1
    end = start + length
    if end > size:
        return None
    return PathPlace(block[: at + 1] + block[end:], block[start:end], is_huffman)


# Names in the static table (RFC 7541 appendix A).
_STATUSES: Final = {400: 12, 404: 13}
_STATUS, _ALLOW, _CACHE_CONTROL, _CONTENT_LENGTH, _CONTENT_TYPE = 8, 22, 24, 28, 31
_NAMES: Final = {
    "allow": _ALLOW, "cache-control": _CACHE_CONTROL, "content-length": _CONTENT_LENGTH, "content-type": _CONTENT_TYPE,
}  # fmt: skip


def block_of(response: HttpResponse) -> bytes:
    """The header block of a response."""
    if response.status != 200:
        index = _STATUSES.get(response.status)
        pieces = [_literal(_STATUS, str(response.status)) if index is None else bytes([_INDEXED | index])]
        pieces += [_literal(_NAMES[name], value) for name, value in response.fields()]
        return b"".join(pieces)
    caching = _CACHING.get(response.caching)
    if caching is None:
        caching = _kept(_CACHING, response.caching, _literal(_CACHE_CONTROL, response.cache_control))
    size = len(response.body)
    length = _LENGTHS.get(size)
    if length is None:
        length = _kept(_LENGTHS, size, _literal(_CONTENT_LENGTH, str(size)))
    return _ANSWER + caching + length


def _kept(known: dict[int, bytes], number: int, field: bytes) -> bytes:
    if len(known) >= _MOST_FIELDS:
        known.clear()
    known[number] = field
    return field


def _literal(name: int, value: str) -> bytes:
    """A field without indexing (RFC 7541 section 6.2.2). Values of ours have fewer than 127 octets."""
    start = bytes([name]) if name < 15 else bytes([15, name - 15])
    return start + bytes([len(value)]) + value.encode()


# The table that we do not use has size 0, whatever the client allows (section 4.2): the beginning of our first block.
NO_TABLE: Final = b"\x20"
_ANSWER: Final = bytes([_INDEXED | 8]) + _literal(_CONTENT_TYPE, MEDIA_TYPE)  # 200
_MOST_FIELDS: Final = 4_096  # of each kind that are kept
_CACHING: Final[dict[int, bytes]] = {}
_LENGTHS: Final[dict[int, bytes]] = {}
