"""Records written anew, so that some can be left out or come from elsewhere: names that pointed away are whole."""

from __future__ import annotations

from typing import Final

from resolver.errors import FormatError
from resolver.wire.codes import HEADER, MAX_MESSAGE, POINTER, POINTER_TO_QUESTION, TYPE_AND_CLASS
from resolver.wire.reading import Names, Record

_CNAME: Final = 5
_FARTHEST: Final = 0x3FFF  # that a pointer reaches

# Types whose data may hold compressed names (RFC 1035 section 3.3, RFC 3597 section 4): the octets before them, and how
# many there are. By number, since most have no other use here.
_NAMES_IN: Final = {
    2: (0, 1),  # NS
    3: (0, 1),  # MD
    4: (0, 1),  # MF
    5: (0, 1),  # CNAME
    6: (0, 2),  # SOA
    7: (0, 1),  # MB
    8: (0, 1),  # MG
    9: (0, 1),  # MR
    12: (0, 1),  # PTR
    14: (0, 2),  # MINFO
    15: (2, 1),  # MX
    17: (0, 2),  # RP
    18: (2, 1),  # AFSDB
    21: (2, 1),  # RT
    24: (18, 1),  # SIG
    26: (2, 2),  # PX
    30: (0, 1),  # NXT
    33: (6, 1),  # SRV
    36: (2, 1),  # KX
    39: (0, 1),  # DNAME
}


class Rewriter:
    """The sections of a response to one question, record by record.

    Owners that stand there already are pointers; all names in data are whole.
    """

    def __init__(self, qname: bytes) -> None:
        """`qname` is lower-case wire form."""
        self.body = b""
        self.ttl_offsets: list[int] = []
        self._first = HEADER + len(qname) + TYPE_AND_CLASS
        self._pointers: dict[bytes, bytes] = {qname: POINTER_TO_QUESTION}

    def add(self, names: Names, record: Record) -> None:
        """Write a record. Raises FormatError where it cannot be read, or has no room in a message."""
        at = len(self.body)
        owner = self._pointers.get(record.owner)
        if owner is None:
            owner = names.as_written(record.begin)
            self._note(record.owner, at)
        data = _data(names, record)
        self.ttl_offsets.append(at + len(owner) + TYPE_AND_CLASS)
        head = names.message[record.ttl_at - TYPE_AND_CLASS : record.ttl_at + 4]
        self.body += owner + head + len(data).to_bytes(2, "big") + data
        if record.rtype == _CNAME:
            self._note(data.lower(), len(self.body) - len(data))
        if self._first + len(self.body) > MAX_MESSAGE:
            raise FormatError("an answer that is too long without its foreign records")

    def _note(self, name: bytes, at: int) -> None:
        place = self._first + at
        if place <= _FARTHEST and name not in self._pointers:
            self._pointers[name] = (POINTER << 8 | place).to_bytes(2, "big")


def _data(names: Names, record: Record) -> bytes:
    """The record's data with whole names."""
    message = names.message
    at, end = record.rdata, record.end
    places = _NAMES_IN.get(record.rtype)
    if places is None:
        return message[at:end]
    before, count = places
    data = message[at : at + before]
    at += before
    for _ in range(count):
        data += names.as_written(at)
        at = names.behind(at)
    if at > end:
        raise FormatError("a name in a record's data that is cut off")
    return data + message[at:end]
