"""Records and names of one message, read with a bound on the work: a message that wants too much is refused."""

from __future__ import annotations

from typing import Final

from resolver.errors import FormatError
from resolver.wire.codes import MAX_LABEL, MAX_NAME, POINTER
from resolver.wire.names import key_of

TTL_SIGN_BIT: Final = 0x80000000
_MAX_LABELS: Final = 5000  # labels and pointers that are followed in one message, a few milliseconds' worth


class Record:
    """One record: its owner in lower case, its type and class, and where its parts begin."""

    __slots__ = ("begin", "end", "owner", "rclass", "rdata", "rtype", "ttl", "ttl_at")

    def __init__(self, names: Names, at: int) -> None:
        """Read the record at `at`; raises FormatError, or IndexError where the message ends too soon."""
        message = names.message
        self.begin = at
        self.owner, at = names.read(at)
        self.rtype = message[at] << 8 | message[at + 1]
        self.rclass = message[at + 2] << 8 | message[at + 3]
        self.ttl_at = at + 4
        ttl = int.from_bytes(message[at + 4 : at + 8], "big")
        self.ttl = 0 if ttl & TTL_SIGN_BIT else ttl  # RFC 2181 section 8
        self.rdata = at + 10
        self.end = self.rdata + (message[at + 8] << 8 | message[at + 9])
        if self.end > len(message):
            raise FormatError("a record is cut off")


class Names:
    """The names of one message, decompressed. A message that wants too much work is refused."""

    def __init__(self, message: bytes) -> None:
        self.message = message
        self._known: dict[int, bytes] = {}  # pointer target → name
        self._written: dict[int, bytes] = {}  # pointer target → name, its letters as they are
        self._keys: dict[bytes, bytes] = {}
        self._labels_left = _MAX_LABELS

    def read(self, at: int) -> tuple[bytes, int]:
        """The lower-case wire name at `at`, and the offset behind it. A pointer may only point backwards."""
        message = self.message
        if message[at] >= POINTER:
            target = (message[at] & 0x3F) << 8 | message[at + 1]
            name = self._known.get(target)
            if name is None:
                name = self._known[target] = self._follow(at).lower()
            return name, at + 2
        end = self.behind(at)
        return self._follow(at).lower(), end

    def as_written(self, at: int) -> bytes:
        """The wire name at `at`, its letters as they are."""
        message = self.message
        if message[at] < POINTER:
            return self._follow(at)
        target = (message[at] & 0x3F) << 8 | message[at + 1]
        name = self._written.get(target)
        if name is None:
            name = self._written[target] = self._follow(at)
        return name

    def behind(self, at: int) -> int:
        """The offset behind the name at `at`."""
        message = self.message
        while length := message[at]:
            if length >= POINTER:
                return at + 2
            at += 1 + length
        return at + 1

    def key(self, name: bytes) -> bytes:
        """The key (resolver.wire.names) of a name that was read. A thousand records may all have the same long one."""
        key = self._keys.get(name)
        if key is None:
            key = self._keys[name] = key_of(name)
        return key

    def records(self, at: int, count: int) -> tuple[list[Record], int]:
        """So many records from `at` on, and the offset behind them."""
        records = []
        for _ in range(count):
            record = Record(self, at)
            records.append(record)
            at = record.end
        return records, at

    def add(self, record: bytes) -> Record:
        """A record of our own making, with whole names, as if the message ended in it."""
        at = len(self.message)
        self.message += record
        return Record(self, at)

    def _follow(self, at: int) -> bytes:
        message = self.message
        labels = b""
        lowest = at
        while length := message[at]:
            self._labels_left -= 1
            if self._labels_left < 0:
                raise FormatError("more names than a message needs")
            if length >= POINTER:
                at = (length & 0x3F) << 8 | message[at + 1]
                if at >= lowest:
                    raise FormatError("a compression pointer that does not point backwards")
                lowest = at
                continue
            if length > MAX_LABEL:
                raise FormatError("an unknown kind of label")
            end = at + 1 + length
            labels += message[at:end]
            if len(labels) >= MAX_NAME or end > len(message):
                raise FormatError("a name that is too long or cut off")
            at = end
        return labels + b"\x00"
