"""A message without some of its answer records, and without what nobody reads. Names that pointed into it are whole."""

from __future__ import annotations

from resolver.errors import FormatError
from resolver.wire.codes import HEADER, MAX_MESSAGE
from resolver.wire.reading import Names, Record

_TYPE_AND_CLASS = 4
_NO_ADDITIONAL = b"\x00\x00"

# Types whose data may hold compressed names (RFC 1035 section 3.3, RFC 3597 section 4): the octets before them, and how
# many there are. By number, since most have no other use here.
_NAMES_IN = {
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


def without_foreign_records(message: bytes, keep: list[bool], keep_authority: list[bool]) -> bytes:
    """The message again with only those records whose place is true, and no additional section.

    `keep` is about all of the answer section, `keep_authority` about the authority section from its beginning; what is
    behind its end is left out. All names are whole. Raises FormatError where it cannot be read, or would be longer than
    a message may be.
    """
    try:
        mended = _mended(message, keep, keep_authority)
    except IndexError:
        raise FormatError("an answer that is cut off") from None
    if len(mended) > MAX_MESSAGE:
        raise FormatError("an answer that is too long without its foreign records")
    return mended


def _mended(message: bytes, keep: list[bool], keep_authority: list[bool]) -> bytes:
    names = Names(message)
    start = names.behind(HEADER) + _TYPE_AND_CLASS
    answers, at = names.records(start, len(keep))
    authorities, _ = names.records(at, len(keep_authority))
    kept = _where(answers, keep)
    kept_below = _where(authorities, keep_authority)
    counts = len(kept).to_bytes(2, "big") + len(kept_below).to_bytes(2, "big") + _NO_ADDITIONAL
    records = b"".join(_whole(names, record) for record in (*kept, *kept_below))
    return message[:6] + counts + message[HEADER:start] + records


def _where(records: list[Record], keep: list[bool]) -> list[Record]:
    return [record for record, is_kept in zip(records, keep, strict=True) if is_kept]


def _whole(names: Names, record: Record) -> bytes:
    """The record with whole names."""
    message = names.message
    at, end = record.rdata, record.end
    data = message[at:end]
    if record.rtype in _NAMES_IN:
        before, count = _NAMES_IN[record.rtype]
        data = message[at : at + before]
        at += before
        for _ in range(count):
            data += names.as_written(at)
            at = names.behind(at)
        if at > end:
            raise FormatError("a name in a record's data that is cut off")
        data += message[at:end]
    head = message[record.ttl_at - 4 : record.ttl_at + 4]
    return names.as_written(record.begin) + head + len(data).to_bytes(2, "big") + data
