"""Reader of an upstream's answer, which is read once, when it arrives.

Kept is only what question and DO asked for: the CNAME chain and the asked type at its end (resolver.wire.chain), of the
authority section an SOA or proofs, never the additional section (CVE-2025-40778, CVE-2025-11411: foreign records).
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from typing import Final

from resolver.errors import FormatError
from resolver.wire.address_kinds import PERHAPS_PRIVATE, is_private
from resolver.wire.addresses import SERVICE_TYPES, addresses_of_record
from resolver.wire.answer import Answer, with_ttl
from resolver.wire.chain import Chain, covered, follow
from resolver.wire.codes import HEADER, POINTER_TO_QUESTION, Class, Flag, Rcode, Type
from resolver.wire.reading import TTL_SIGN_BIT, Names, Record
from resolver.wire.rewriting import Rewriter

MAX_RECORDS: Final = 1000
MAX_TARGETS: Final = 100  # names that SVCB and HTTPS records lead to
_MORE_THAN_ANY_TTL: Final = 1 << 32
_A: Final = int(Type.A)
_AAAA: Final = int(Type.AAAA)
_SOA: Final = int(Type.SOA)  # an enumeration's member costs as much to fetch as a record to read
_RRSIG: Final = int(Type.RRSIG)
_ANY: Final = int(Type.ANY)
_IN: Final = int(Class.IN)
_CLASS_IN: Final = _IN.to_bytes(2, "big")
_PROOF_TYPES: Final = frozenset({int(Type.NSEC), int(Type.NSEC3)})
# They lead to names, or are many types.
_LEADING_TYPES: Final = frozenset({Type.CNAME, Type.DNAME, Type.SVCB, Type.HTTPS, Type.ANY})
_PLAIN_RECORD: Final = struct.Struct("!6sIH")  # pointer to the question, type and class; TTL and length
_NOERROR: Final = int(Rcode.NOERROR)
_AD: Final = int(Flag.AD)
_SOA_NUMBERS: Final = 20  # octets of serial, refresh, retry, expire and minimum (RFC 1035 section 3.3.13)
_FEW_RECORDS: Final = 4  # whose offsets cost less in a tuple than in an array


def read_answer(
    message: bytes, qname: bytes, qtype: int, *, keep_authority: bool, without_private: bool = False
) -> Answer:
    """Read an answer whose ID and question were checked before. `qname` is lower-case wire form.

    `keep_authority` is for clients that validate (DO): signatures and proofs, which no others get (RFC 4035 section
    3.2.1). `without_private` leaves out records that hold private addresses, and all of authority. Raises FormatError,
    and nothing else, on any bytes.
    """
    start = HEADER + len(qname) + 4
    try:
        plain = None if keep_authority or without_private else _read_plain(message, start, qtype)
        if plain is not None:
            return plain
        return _read_any(message, start, qname, qtype, keep_authority, without_private)
    except IndexError:
        raise FormatError("an answer that is cut off") from None


def _read_any(
    message: bytes, start: int, qname: bytes, qtype: int, keep_authority: bool, without_private: bool
) -> Answer:
    answer_count = message[6] << 8 | message[7]
    authority_count = message[8] << 8 | message[9]
    if answer_count + authority_count > MAX_RECORDS:
        raise FormatError(f"more than {MAX_RECORDS} records")
    names = Names(message)
    records, at = names.records(start, answer_count)
    chain = follow(names, records, qname, qtype, dnssec=keep_authority)
    if without_private:
        _strip(names, chain, qtype)
    chain_keys = [names.key(name) for name in chain.names]
    rcode = Rcode.YXDOMAIN if chain.is_too_long else message[3] & 0xF
    negative = rcode == Rcode.NXDOMAIN or not (chain.has_data or chain.is_too_long)
    authority: list[Record] = []
    proven: list[Record] = []
    if (negative or keep_authority) and not without_private:
        authority, _ = names.records(at, authority_count)
        proven = [
            record
            for record in authority
            if record.rclass == _IN
            and _belongs_below(record, names, chain_keys, negative=negative, proofs=keep_authority)
        ]
    leads_on = None
    says_no = rcode != _NOERROR or without_private or any(record.rtype == _SOA for record in proven)
    if negative and len(chain.names) > 1 and not says_no:
        leads_on, negative = chain.names[-1], False
    kept = chain.kept + proven
    lifetime = min([record.ttl for record in kept], default=0)
    if negative:
        lifetime = min(lifetime, _negative_lifetime(names, proven))
    if _is_beginning(chain.kept, records, whole=True) and _is_beginning(proven, authority, whole=False):
        body = message[start : proven[-1].end if proven else at]
        offsets = [record.ttl_at - start for record in kept]
    else:
        written = Rewriter(qname)
        for record in kept:
            written.add(names, record)
        body, offsets = written.body, written.ttl_offsets
    places = array("H", offsets)
    return Answer(
        rcode=rcode,
        authenticated=bool(message[3] & _AD) and not chain.is_altered,
        body=body if all(record.ttl == lifetime for record in kept) else with_ttl(body, places, lifetime),
        answers=len(chain.kept),
        authorities=len(proven),
        ttl_offsets=places,
        ttl_seconds=lifetime,
        negative=negative,
        targets=tuple(dict.fromkeys((*chain_keys[1:], *_service_targets(names, chain.kept)))),
        aliases=len(chain.names) - 1,
        leads_on=leads_on,
    )


def _is_beginning(some: list[Record], section: list[Record], *, whole: bool) -> bool:
    """Whether records are the first of a section, in its order; with `whole`, all of it."""
    if len(some) > len(section) or (whole and len(some) != len(section)):
        return False
    return all(record is there for record, there in zip(some, section, strict=False))


def _strip(names: Names, chain: Chain, qtype: int) -> None:
    """Take records that hold private addresses out of a chain, and the signatures of sets that are gone with them."""
    message = names.message
    left = [
        record
        for record in chain.kept
        if not any(is_private(each) for each in addresses_of_record(message, record.rtype, record.rdata, record.end))
    ]
    sets = {(record.owner, record.rtype) for record in left}
    chain.kept = [
        record for record in left if record.rtype != _RRSIG or (record.owner, covered(record, message)) in sets
    ]
    end = chain.names[-1]
    chain.has_data = chain.has_data and any(
        record.owner == end and qtype in (record.rtype, _ANY) for record in chain.kept
    )


def _read_plain(message: bytes, start: int, qtype: int) -> Answer | None:
    """Most answers: only records of the asked type and name, which lead to no other name. None: any other answer."""
    count = message[6] << 8 | message[7]
    flags = message[3]
    if not count or count > MAX_RECORDS or flags & 0xF or qtype in _LEADING_TYPES:
        return None
    head = POINTER_TO_QUESTION + qtype.to_bytes(2, "big") + _CLASS_IN
    at = start
    lifetime = _MORE_THAN_ANY_TTL
    offsets: list[int] = []
    differ = False
    is_public = qtype != _AAAA  # whose kinds take longer to tell
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
            at += 12
            if qtype == _A and length == 4 and message[at] in PERHAPS_PRIVATE and is_private(message[at : at + 4]):
                is_public = False
            at += length
    except (struct.error, IndexError):
        raise FormatError("a record is cut off") from None
    if at > len(message):
        raise FormatError("a record is cut off")
    body = message[start:at]
    places: Sequence[int] = tuple(offsets) if count <= _FEW_RECORDS else array("H", offsets)
    if differ:
        body = with_ttl(body, places, lifetime)
    # By position: an object made with keywords costs twice as much.
    authenticated = bool(flags & _AD)
    return Answer(_NOERROR, authenticated, body, count, 0, places, lifetime, False, (), False, 0, None, None, is_public)


def _belongs_below(record: Record, names: Names, chain_keys: list[bytes], *, negative: bool, proofs: bool) -> bool:
    """Whether a record of authority belongs to an answer.

    To a negative one the SOA of a zone of its names (RFC 2308); to clients that validate what proves something: that
    nothing is there, or that a wildcard may stand for the name (RFC 4035 section 3.1.3). NS records would be somebody's
    delegation (CVE-2025-11411), have TTLs of their own and make answers large: nobody asked for them.
    """
    rtype = record.rtype
    if rtype == _RRSIG:
        rtype = covered(record, names.message) if proofs else _RRSIG
    if rtype == _SOA:
        owner = names.key(record.owner)
        return negative and any(key.startswith(owner) for key in chain_keys)
    return proofs and rtype in _PROOF_TYPES


def _negative_lifetime(names: Names, authority: list[Record]) -> int:
    """The seconds that a negative answer may be kept: by its SOA's MINIMUM, else not at all (RFC 2308 section 5).

    Raises FormatError for an SOA that is none: `for_name_below` takes it apart.
    """
    for record in authority:
        if record.rtype == _SOA:
            _, at = names.read(record.rdata)
            _, at = names.read(at)
            if at + _SOA_NUMBERS != record.end:
                raise FormatError("an SOA record whose length does not match its parts")
            return int.from_bytes(names.message[record.end - 4 : record.end], "big")
    return 0


def _service_targets(names: Names, records: list[Record]) -> list[bytes]:
    """Keys of where SVCB and HTTPS records lead; the root means the owner itself (RFC 9460 section 2.5).

    Raises FormatError where they lead to more names or addresses than can be judged for each client.
    """
    targets: dict[bytes, None] = {}
    hints = 0
    for record in records:
        if record.rtype in SERVICE_TYPES:
            target, _ = names.read(record.rdata + 2)
            if target != b"\x00":
                targets[names.key(target)] = None
            hints += sum(1 for _ in addresses_of_record(names.message, record.rtype, record.rdata, record.end))
            if len(targets) > MAX_TARGETS or hints > MAX_RECORDS:
                raise FormatError(f"leads to more than {MAX_TARGETS} names, or {MAX_RECORDS} addresses")
    return list(targets)
