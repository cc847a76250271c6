"""An upstream's answer, read once when it arrives: what of it is kept, for how long, and which names it leads to.

Kept is only what the question asked for: the records of its CNAME chain, the authority section where a negative or
a validating client needs it, never the additional section (CVE-2025-40778, CVE-2025-11411: foreign records).
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from resolver.errors import FormatError
from resolver.names import key_of
from resolver.wire.addresses import addresses_of_record, is_private
from resolver.wire.codes import HEADER, MAX_LABEL, MAX_NAME, Flag, Rcode, Type
from resolver.wire.message import without_foreign_records

MAX_CHAIN: Final = 11  # CNAMEs followed; unbound and BIND stop at about as many
MAX_RECORDS: Final = 1000
_MAX_MENDED: Final = 100  # records of an answer from which foreign ones are taken out; dnslib takes 20 µs for each
_MAX_LABELS: Final = 5000  # labels and pointers that are followed in one message, a few milliseconds' worth
_POINTER: Final = 0xC0
_TTL_SIGN_BIT: Final = 0x80000000
_MORE_THAN_ANY_TTL: Final = 1 << 32
_RRSIG: Final = 46
_SERVICE_TYPES: Final = (Type.SVCB, Type.HTTPS)
_POINTER_TO_QUESTION: Final = b"\xc0\x0c"
_LEADING_TYPES: Final = frozenset(
    {Type.CNAME, Type.DNAME, Type.SVCB, Type.HTTPS, Type.ANY}
)  # lead to names, or are many types
_TTL: Final = struct.Struct("!I")
_PLAIN_RECORD: Final = struct.Struct("!4s2xIH")  # pointer to the question and type; TTL and length
_NOERROR: Final = int(Rcode.NOERROR)  # an enumeration's member costs as much to fetch as a record to read
_AD: Final = int(Flag.AD)
_FEW_RECORDS: Final = 4  # whose offsets cost less in a tuple than in an array


@dataclass(slots=True, init=False)
class Answer:
    """What is kept of an upstream's answer. Nobody changes it; freezing it would cost a missed query a microsecond.

    * `body`: answer and authority sections, to stand behind the question they were asked with.
    * `ttl_seconds`: how long the whole may be kept, the least TTL of its records. In `body` all records have it, so
      that no RRset has two (RFC 2181 section 5.2); `ttl_offsets`: where.
    * `targets`: keys of the names it leads to (CNAME chain, SVCB and HTTPS targets), for the policy to judge.
    * `negative`: NXDOMAIN, or no record of the asked type at the chain's end.
    * `filtered`: records were left out because nobody should be led to what they hold.
    """

    rcode: int
    authenticated: bool
    body: bytes
    answers: int
    authorities: int
    ttl_offsets: Sequence[int]
    ttl_seconds: int
    negative: bool
    targets: tuple[bytes, ...]
    filtered: bool

    # By hand: one that `dataclass` makes is never compiled, and one is made for each answer.
    def __init__(
        self,
        rcode: int,
        authenticated: bool,
        body: bytes,
        answers: int,
        authorities: int,
        ttl_offsets: Sequence[int],
        ttl_seconds: int,
        negative: bool,
        targets: tuple[bytes, ...],
        filtered: bool = False,
    ) -> None:
        self.rcode = rcode
        self.authenticated = authenticated
        self.body = body
        self.answers = answers
        self.authorities = authorities
        self.ttl_offsets = ttl_offsets
        self.ttl_seconds = ttl_seconds
        self.negative = negative
        self.targets = targets
        self.filtered = filtered


class _Record:
    __slots__ = ("end", "owner", "rdata", "rtype", "ttl", "ttl_at")

    def __init__(self, names: _Names, at: int) -> None:
        """Read the record at `at`; raises FormatError, or IndexError where the message ends too soon."""
        message = names.message
        self.owner, at = names.read(at)
        self.rtype = message[at] << 8 | message[at + 1]
        self.ttl_at = at + 4
        ttl = int.from_bytes(message[at + 4 : at + 8], "big")
        self.ttl = 0 if ttl & _TTL_SIGN_BIT else ttl  # RFC 2181 section 8
        self.rdata = at + 10
        self.end = self.rdata + (message[at + 8] << 8 | message[at + 9])
        if self.end > len(message):
            raise FormatError("a record is cut off")


class _Names:
    """The names of one message, decompressed. A message that wants too much work is refused."""

    def __init__(self, message: bytes) -> None:
        self.message = message
        self._known: dict[int, bytes] = {}  # pointer target → name
        self._labels_left = _MAX_LABELS

    def read(self, at: int) -> tuple[bytes, int]:
        """The lower-case wire name at `at`, and the offset behind it. A pointer may only point backwards."""
        message = self.message
        if message[at] >= _POINTER:
            target = (message[at] & 0x3F) << 8 | message[at + 1]
            name = self._known.get(target)
            if name is None:
                name = self._known[target] = self._follow(at)
            return name, at + 2
        end = at
        while length := message[end]:
            if length >= _POINTER:
                return self._follow(at), end + 2
            end += 1 + length
        return self._follow(at), end + 1

    def _follow(self, at: int) -> bytes:
        message = self.message
        labels = b""
        lowest = at
        while length := message[at]:
            self._labels_left -= 1
            if self._labels_left < 0:
                raise FormatError("more names than a message needs")
            if length >= _POINTER:
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
        return labels.lower() + b"\x00"


def read_answer(message: bytes, qname: bytes, qtype: int, *, keep_authority: bool) -> Answer:
    """Read an answer whose ID and question were checked before. `qname` is lower-case wire form.

    `keep_authority` is for clients that validate (DO). Raises FormatError, and nothing else, on any bytes.
    """
    start = HEADER + len(qname) + 4
    try:
        plain = None if keep_authority else _read_plain(message, start, qtype)
        return _read_any(message, start, qname, qtype, keep_authority) if plain is None else plain
    except IndexError:
        raise FormatError("an answer that is cut off") from None


def _read_any(message: bytes, start: int, qname: bytes, qtype: int, keep_authority: bool) -> Answer:
    answer_count = message[6] << 8 | message[7]
    authority_count = message[8] << 8 | message[9]
    if answer_count + authority_count > MAX_RECORDS:
        raise FormatError(f"more than {MAX_RECORDS} records")
    names = _Names(message)
    records, at = _read_records(names, start, answer_count)
    chain = _chain(names, qname, records)
    chain_keys = [key_of(name) for name in chain]
    keep = [record.owner in chain or _is_dname_of(record, message, chain_keys) for record in records]
    if not all(keep):
        if answer_count > _MAX_MENDED:
            raise FormatError("foreign records among too many")
        message = without_foreign_records(message, keep)
        answer_count = sum(keep)
        names = _Names(message)
        records, at = _read_records(names, start, answer_count)
    rcode = message[3] & 0xF
    negative = rcode == Rcode.NXDOMAIN or not _has_data(records, chain[-1], qtype)
    authority, authority_end = _read_records(names, at, authority_count)
    if not (negative or keep_authority):
        authority, authority_end = [], at
    kept = records + authority
    lifetime = min((record.ttl for record in kept), default=0)
    if negative:
        lifetime = min(lifetime, _negative_lifetime(message, authority))
    offsets = array("H", [record.ttl_at - start for record in kept])
    body = message[start:authority_end]
    return Answer(
        rcode=rcode,
        authenticated=bool(message[3] & Flag.AD),
        body=body if all(record.ttl == lifetime for record in kept) else with_ttl(body, offsets, lifetime),
        answers=answer_count,
        authorities=len(authority),
        ttl_offsets=offsets,
        ttl_seconds=lifetime,
        negative=negative,
        targets=tuple(dict.fromkeys((*chain_keys[1:], *_service_targets(names, records)))),
    )


def with_ttl(body: bytes, ttl_offsets: Sequence[int], ttl_seconds: int) -> bytes:
    """`body` with this TTL in all its records."""
    changed = bytearray(body)
    for offset in ttl_offsets:
        _TTL.pack_into(changed, offset, ttl_seconds)
    return bytes(changed)


def for_name_below(answer: Answer, qname: bytes) -> Answer:
    """A negative answer for `qname` (lower-case wire form) made one for a name below it (RFC 8020).

    Its SOA record alone is left, with whole names: pointers into the question would point elsewhere.
    """
    start = HEADER + len(qname) + 4
    message = bytes(HEADER) + qname + bytes(4) + answer.body
    names = _Names(message)
    records, _ = _read_records(names, start, answer.authorities)
    soa = next((record for record in records if record.rtype == Type.SOA), None)
    if soa is None:
        return replace(answer, body=b"", authorities=0, ttl_offsets=())
    primary, at = names.read(soa.rdata)
    mailbox, at = names.read(at)
    rdata = primary + mailbox + message[at : soa.end]
    head = soa.owner + message[soa.ttl_at - 4 : soa.ttl_at + 4] + len(rdata).to_bytes(2, "big")
    return replace(answer, body=head + rdata, authorities=1, ttl_offsets=(len(soa.owner) + 4,))


def without_private_addresses(message: bytes, qname: bytes) -> bytes:
    """A message, read before, without the answer records that hold private addresses. Raises FormatError."""
    count = message[6] << 8 | message[7]
    if count > _MAX_MENDED:
        raise FormatError("private addresses among too many records")
    records, _ = _read_records(_Names(message), HEADER + len(qname) + 4, count)
    keep = [
        not any(is_private(address) for address in addresses_of_record(message, record.rtype, record.rdata, record.end))
        for record in records
    ]
    return without_foreign_records(message, keep)


def _read_plain(message: bytes, start: int, qtype: int) -> Answer | None:
    """Most answers: only records of the asked type and name, which lead to no other name. None: any other answer."""
    count = message[6] << 8 | message[7]
    flags = message[3]
    if not count or count > MAX_RECORDS or flags & 0xF or qtype in _LEADING_TYPES:
        return None
    head = _POINTER_TO_QUESTION + qtype.to_bytes(2, "big")
    at = start
    lifetime = _MORE_THAN_ANY_TTL
    offsets: list[int] = []
    differ = False
    try:
        for _ in range(count):
            begins, ttl, length = _PLAIN_RECORD.unpack_from(message, at)
            if begins != head:
                return None
            if ttl != lifetime:
                if ttl >= _TTL_SIGN_BIT:
                    lifetime, differ = 0, True  # RFC 2181 section 8
                else:
                    differ = differ or bool(offsets)
                    lifetime = min(lifetime, ttl)
            offsets.append(at + 6 - start)
            at += 12 + length
    except struct.error:
        raise FormatError("a record is cut off") from None
    if at > len(message):
        raise FormatError("a record is cut off")
    body = message[start:at]
    places: Sequence[int] = tuple(offsets) if count <= _FEW_RECORDS else array("H", offsets)
    if differ:
        body = with_ttl(body, places, lifetime)
    # By position: an object made with keywords costs twice as much.
    return Answer(_NOERROR, bool(flags & _AD), body, count, 0, places, lifetime, False, ())


def _read_records(names: _Names, at: int, count: int) -> tuple[list[_Record], int]:
    records = []
    for _ in range(count):
        record = _Record(names, at)
        records.append(record)
        at = record.end
    return records, at


def _chain(names: _Names, qname: bytes, records: list[_Record]) -> list[bytes]:
    """The names from the question to the end of its CNAME chain, in order."""
    aliases = {r.owner: names.read(r.rdata)[0] for r in records if r.rtype == Type.CNAME}
    chain = [qname]
    while (target := aliases.get(chain[-1])) is not None:
        if target in chain or len(chain) > MAX_CHAIN:
            raise FormatError(f"a CNAME chain with a loop or of more than {MAX_CHAIN}")
        chain.append(target)
    return chain


def _is_dname_of(record: _Record, message: bytes, chain_keys: list[bytes]) -> bool:
    """Whether a record is the DNAME, or its signature, that a CNAME of the chain comes from (RFC 6672 section 3.1)."""
    covered = record.rtype
    if covered == _RRSIG:
        covered = message[record.rdata] << 8 | message[record.rdata + 1]
    if covered != Type.DNAME:
        return False
    owner = key_of(record.owner)
    return any(key.startswith(owner) for key in chain_keys)


def _has_data(records: list[_Record], name: bytes, qtype: int) -> bool:
    return any(r.owner == name and qtype in (r.rtype, Type.ANY) for r in records) or (
        qtype == Type.CNAME and bool(records)
    )


def _negative_lifetime(message: bytes, authority: list[_Record]) -> int:
    """How long a negative answer may be kept: by its SOA's MINIMUM, else not at all (RFC 2308 section 5)."""
    for record in authority:
        if record.rtype == Type.SOA:
            return int.from_bytes(message[record.end - 4 : record.end], "big")
    return 0


def _service_targets(names: _Names, records: list[_Record]) -> list[bytes]:
    """Keys of where SVCB and HTTPS records lead; the root means the owner itself (RFC 9460 section 2.5)."""
    targets = []
    for record in records:
        if record.rtype in _SERVICE_TYPES:
            target, _ = names.read(record.rdata + 2)
            if target != b"\x00":
                targets.append(key_of(target))
    return targets
