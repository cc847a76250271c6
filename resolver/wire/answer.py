"""An upstream's answer, read once when it arrives: what of it is kept, for how long, and which names it leads to.

Kept is only what the question asked for: the records of its CNAME chain, the authority section where a negative answer
needs it, or a client that validates; never the additional section (CVE-2025-40778, CVE-2025-11411: foreign records).
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from resolver.errors import FormatError
from resolver.wire.addresses import addresses_of_record, is_private
from resolver.wire.codes import HEADER, Flag, Rcode, Type
from resolver.wire.mending import without_foreign_records
from resolver.wire.reading import TTL_SIGN_BIT, Names, Record
from resolver.wire.remarks import Remark

MAX_CHAIN: Final = 11  # CNAMEs followed; unbound and BIND stop at about as many
MAX_RECORDS: Final = 1000
MAX_TARGETS: Final = 100  # names that SVCB and HTTPS records lead to
_MAX_MENDED: Final = 100  # records of an answer from which foreign ones are taken out
_MORE_THAN_ANY_TTL: Final = 1 << 32
_RRSIG: Final = 46
_PROOF_TYPES: Final = frozenset({47, 50})  # NSEC, NSEC3
_SERVICE_TYPES: Final = (Type.SVCB, Type.HTTPS)
_POINTER_TO_QUESTION: Final = b"\xc0\x0c"
_LEADING_TYPES: Final = frozenset(
    {Type.CNAME, Type.DNAME, Type.SVCB, Type.HTTPS, Type.ANY}
)  # lead to names, or are many types
_TTL: Final = struct.Struct("!I")
_PLAIN_RECORD: Final = struct.Struct("!4s2xIH")  # pointer to the question and type; TTL and length
_NOERROR: Final = int(Rcode.NOERROR)  # an enumeration's member costs as much to fetch as a record to read
_AD: Final = int(Flag.AD)
_SOA_NUMBERS: Final = 20  # octets of serial, refresh, retry, expire and minimum (RFC 1035 section 3.3.13)
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
    * `remark`: what clients and the query log are told of it (`resolver.wire.remarks`).
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
    remark: Remark | None

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
        remark: Remark | None = None,
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
        self.remark = remark


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
    names = Names(message)
    records, at = names.records(start, answer_count)
    chain = _chain(names, qname, records, 1 if qtype == Type.CNAME else MAX_CHAIN)
    chain_keys = [names.key(name) for name in chain]
    if qtype == Type.CNAME:
        chain = [qname]  # the alias itself is asked for, not what it leads to (RFC 1034 section 3.6.2)
    keep = [record.owner in chain or _is_dname_of(record, names, chain_keys) for record in records]
    own = [record for record, is_kept in zip(records, keep, strict=True) if is_kept]
    rcode = message[3] & 0xF
    negative = rcode == Rcode.NXDOMAIN or not _has_data(own, chain[-1], qtype)
    authority, authority_end = names.records(at, authority_count)
    if not negative:
        authority = _proofs(message, authority) if keep_authority else []
        authority_end = authority[-1].end if authority else at
    keep_below = [
        not negative or _says_no(record, names, chain_keys, keep_authority=keep_authority) for record in authority
    ]
    if not (all(keep) and all(keep_below)):
        if answer_count + len(authority) > _MAX_MENDED:
            raise FormatError("foreign records among too many")
        mended = without_foreign_records(message, keep, keep_below)
        return _read_any(mended, start, qname, qtype, keep_authority)
    kept = records + authority
    lifetime = min((record.ttl for record in kept), default=0)
    if negative:
        lifetime = min(lifetime, _negative_lifetime(names, authority))
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
    names = Names(message)
    records, _ = names.records(start, answer.authorities)
    soa = next((record for record in records if record.rtype == Type.SOA), None)
    if soa is None:
        return replace(answer, body=b"", authorities=0, ttl_offsets=())
    primary, at = names.read(soa.rdata)
    mailbox, at = names.read(at)
    rdata = primary + mailbox + message[at : soa.end]
    head = soa.owner + message[soa.ttl_at - 4 : soa.ttl_at + 4] + len(rdata).to_bytes(2, "big")
    return replace(answer, body=head + rdata, authorities=1, ttl_offsets=(len(soa.owner) + 4,))


def without_private_addresses(message: bytes, qname: bytes) -> bytes:
    """A message, read before, without the answer records that hold private addresses. Raises FormatError.

    Its authority section goes, too: NS records beside an answer that is empty now would look like a delegation.
    """
    count = message[6] << 8 | message[7]
    if count > _MAX_MENDED:
        raise FormatError("private addresses among too many records")
    records, _ = Names(message).records(HEADER + len(qname) + 4, count)
    keep = [
        not any(is_private(address) for address in addresses_of_record(message, record.rtype, record.rdata, record.end))
        for record in records
    ]
    left = {(record.owner, record.rtype) for record, is_kept in zip(records, keep, strict=True) if is_kept}
    for place, record in enumerate(records):
        if record.rtype == _RRSIG and (record.owner, _covered(record, message)) not in left:
            keep[place] = False  # it signs nothing that is left
    return without_foreign_records(message, keep, [])


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
                if ttl >= TTL_SIGN_BIT:
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


def _chain(names: Names, qname: bytes, records: list[Record], most: int) -> list[bytes]:
    """The names from the question to the end of its CNAME chain, in order; of one alias alone where `most` is 1."""
    aliases = {r.owner: names.read(r.rdata)[0] for r in records if r.rtype == Type.CNAME}
    if most == 1:
        return [qname, *([aliases[qname]] if qname in aliases else [])]
    chain = [qname]
    while (target := aliases.get(chain[-1])) is not None:
        if target in chain or len(chain) > most:
            raise FormatError(f"a CNAME chain with a loop or of more than {most}")
        chain.append(target)
    return chain


def _is_dname_of(record: Record, names: Names, chain_keys: list[bytes]) -> bool:
    """Whether a record is the DNAME, or its signature, that a CNAME of the chain comes from (RFC 6672 section 3.1)."""
    covered = _covered(record, names.message) if record.rtype == _RRSIG else record.rtype
    if covered != Type.DNAME:
        return False
    owner = names.key(record.owner)
    return any(key.startswith(owner) for key in chain_keys)


def _covered(signature: Record, message: bytes) -> int:
    """The type that an RRSIG record signs (RFC 4034 section 3.1.1). Raises FormatError."""
    if signature.end < signature.rdata + 2:
        raise FormatError("a signature that does not say of what")
    return message[signature.rdata] << 8 | message[signature.rdata + 1]


def _proofs(message: bytes, authority: list[Record]) -> list[Record]:
    """Up to the last record that proves something: that a wildcard may stand for the name (RFC 4035 section 3.1.3.3).

    What else upstreams put there, the zone's NS records, serves nobody, has TTLs of its own and makes answers large.
    """
    proving = [
        place
        for place, record in enumerate(authority)
        if (_covered(record, message) if record.rtype == _RRSIG else record.rtype) in _PROOF_TYPES
    ]
    return authority[: proving[-1] + 1] if proving else []


def _says_no(record: Record, names: Names, chain_keys: list[bytes], *, keep_authority: bool) -> bool:
    """Whether a record of authority belongs to a negative answer: the SOA of a zone of its names (RFC 2308), a proof.

    NS records would be somebody's delegation (CVE-2025-11411): nobody asked for it.
    """
    if record.rtype == Type.SOA:
        owner = names.key(record.owner)
        return any(key.startswith(owner) for key in chain_keys)
    return keep_authority and (record.rtype == _RRSIG or record.rtype in _PROOF_TYPES)


def _has_data(records: list[Record], name: bytes, qtype: int) -> bool:
    return any(r.owner == name and qtype in (r.rtype, Type.ANY) for r in records) or (
        qtype == Type.CNAME and bool(records)
    )


def _negative_lifetime(names: Names, authority: list[Record]) -> int:
    """How long a negative answer may be kept: by its SOA's MINIMUM, else not at all (RFC 2308 section 5).

    Raises FormatError for an SOA that is none: `for_name_below` takes it apart.
    """
    for record in authority:
        if record.rtype == Type.SOA:
            _, at = names.read(record.rdata)
            _, at = names.read(at)
            if at + _SOA_NUMBERS != record.end:
                raise FormatError("an SOA record of another length than its parts have")
            return int.from_bytes(names.message[record.end - 4 : record.end], "big")
    return 0


def _service_targets(names: Names, records: list[Record]) -> list[bytes]:
    """Keys of where SVCB and HTTPS records lead; the root means the owner itself (RFC 9460 section 2.5).

    Raises FormatError where they lead to more names or addresses than can be judged for each client.
    """
    targets: dict[bytes, None] = {}
    hints = 0
    for record in records:
        if record.rtype in _SERVICE_TYPES:
            target, _ = names.read(record.rdata + 2)
            if target != b"\x00":
                targets[names.key(target)] = None
            hints += sum(1 for _ in addresses_of_record(names.message, record.rtype, record.rdata, record.end))
            if len(targets) > MAX_TARGETS or hints > MAX_RECORDS:
                raise FormatError(f"leads to more than {MAX_TARGETS} names, or {MAX_RECORDS} addresses")
    return list(targets)
