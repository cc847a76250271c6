"""Local names by key: which of them a question is for, and the answer. No I/O.

A local name answers every type itself: what it does not have is NODATA. Its siblings and what is below it are not
ours, but for a wildcard, which owns all that is below its base: there the rules of a zone hold (RFC 4592 section
3.3.1).
A name that exists, or has local names below it, is not the wildcard's, nor is anything below such a name.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from resolver.wire.codes import HEADER, POINTER, POINTER_TO_QUESTION, Class, Ede, Flag, Rcode, Type
from resolver.wire.local_records import MOST_ALIASES, WILDCARD, LocalRecord
from resolver.wire.message import soa_record
from resolver.wire.names import ancestors_of, key_of, parse_name
from resolver.wire.question import Question
from resolver.wire.response import compose, ede_option

_Address = IPv4Address | IPv6Address
_A: Final = int(Type.A)
_AAAA: Final = int(Type.AAAA)
_CNAME: Final = int(Type.CNAME)
_PTR: Final = int(Type.PTR)
_NOERROR: Final = int(Rcode.NOERROR)
_NXDOMAIN: Final = int(Rcode.NXDOMAIN)
_SERVFAIL: Final = int(Rcode.SERVFAIL)
_AA: Final = int(Flag.AA)
_IN_ADDR: Final = b"\x04arpa\x07in-addr"
_IP6: Final = b"\x04arpa\x03ip6"
_CIRCLE: Final = ede_option(Ede.OTHER, "local names lead to each other for ever, or by too many aliases")
_CLASS_IN: Final = int(Class.IN).to_bytes(2, "big")


_Way = tuple[tuple[LocalRecord, bool, bool], ...]
Ways = dict[LocalRecord, _Way]
"""By alias, the local names that it leads by: each record, whether the name exists, and whether it has data."""


class LocalName:
    """A local name, ready to be answered. `records` has packed records without their owner, by type.

    `zone` is the name, in wire form, that owns the SOA where it has no data; b"": the name above it.
    """

    __slots__ = ("alias", "alias_key", "exists", "record", "records", "zone")

    def __init__(
        self,
        record: LocalRecord,
        records: dict[int, tuple[bytes, ...]],
        alias: bytes = b"",
        *,
        exists: bool = True,
        zone: bytes = b"",
    ) -> None:
        """`alias` is the name that it stands for, in lower-case wire form; b"" where it has data of its own."""
        self.record = record
        self.records = records
        self.alias = alias
        self.alias_key = key_of(alias) if alias else b""
        self.exists = exists
        self.zone = zone


class _Wildcard:
    """Names below the base of a wildcard: the wildcard's own, empty ones between, and those that are not there."""

    __slots__ = ("absent", "empty", "name")

    def __init__(self, name: LocalName) -> None:
        self.name = name
        self.empty = LocalName(name.record, {}, zone=name.zone)
        self.absent = LocalName(name.record, {}, exists=False, zone=name.zone)


class LocalData:
    """All local names, and the reverse names of their addresses."""

    def __init__(self, records: Iterable[LocalRecord], ttl_seconds: int = 300, kept: Iterable[bytes] = ()) -> None:
        """The names of `records`, the first of which to name an address is its reverse name.

        `kept` are keys of names that no wildcard takes. Raises RuleError for what is no name.
        """
        self._ttl = ttl_seconds.to_bytes(4, "big")
        self._soa = soa_record(ttl_seconds).removeprefix(POINTER_TO_QUESTION)
        self._kept = frozenset(kept)
        self._names: dict[bytes, LocalName] = {}
        self._wildcards: dict[bytes, _Wildcard] = {}  # by the key of their base
        self.records = tuple(records)
        self.canonical: dict[str, str] = {}  # by address: the name that its reverse name leads to
        read = [(one, parse_name(one.base), [ip_address(text) for text in one.addresses]) for one in self.records]
        for record, name, addresses in read:
            self._add(record, name, addresses)
        for record, name, addresses in read:
            if not record.is_wildcard:
                self._add_reverse(record, name, addresses)
        self._sizes = sorted({len(base) for base in self._wildcards})
        self._between = self._names_between()
        self._sorted = sorted([*self._names, *self._wildcards])
        self.ways: Ways = {record: self._way_of(record) for record in self.records if record.alias}

    def _add(self, record: LocalRecord, wire: bytes, addresses: list[_Address]) -> None:
        records: dict[int, tuple[bytes, ...]] = {}
        for address in addresses:
            packed = address.packed
            qtype = _A if len(packed) == 4 else _AAAA
            records[qtype] = (*records.get(qtype, ()), self._record(qtype, packed))
        # A name between might not exist: the one that surely does, below a wildcard, is its base.
        zone = wire if record.is_wildcard else b""
        name = LocalName(record, records, parse_name(record.alias) if record.alias else b"", zone=zone)
        key = key_of(wire)
        if record.is_wildcard:
            self._wildcards.setdefault(key, _Wildcard(name))
        elif key not in self._kept:
            self._names.setdefault(key, name)

    def _add_reverse(self, record: LocalRecord, wire: bytes, addresses: list[_Address]) -> None:
        """The reverse names of a name's addresses, but for addresses that are no host's."""
        for text, address in zip(record.addresses, addresses, strict=True):
            if address.is_loopback or address.is_unspecified or text in self.canonical:
                continue
            self.canonical[text] = record.name
            pointer = self._record(_PTR, wire)
            key = reverse_key(address.packed)
            self._names.setdefault(key, LocalName(record, {_PTR: (pointer,)}))

    def _record(self, rtype: int, rdata: bytes) -> bytes:
        return rtype.to_bytes(2, "big") + _CLASS_IN + self._ttl + len(rdata).to_bytes(2, "big") + rdata

    def _names_between(self) -> frozenset[bytes]:
        """Names below a wildcard's base that exist, by themselves or by what is below them."""
        if not self._wildcards:
            return frozenset()
        found: set[bytes] = set()
        for key in (*self._names, *self._wildcards):
            is_below = False
            for above in ancestors_of(key):
                if is_below:
                    found.add(above)
                is_below = is_below or above in self._wildcards
        return frozenset(found)

    def _way_of(self, alias: LocalRecord) -> _Way:
        """The local names that an alias leads by, itself first."""
        way: list[tuple[LocalRecord, bool, bool]] = []
        found = self.at(alias.name)
        while found is not None and len(way) <= MOST_ALIASES:
            way.append((found.record, found.exists, bool(found.records)))
            found = self.find(found.alias_key) if found.alias else None
        return tuple(way)

    @property
    def aliases(self) -> list[LocalRecord]:
        """The names that stand for another one."""
        return [record for record in self.records if record.alias]

    def find(self, key: bytes) -> LocalName | None:
        """The local name that answers for a name, by its key; None for all others. One look-up, and one a wildcard."""
        found = self._names.get(key)
        if found is not None:
            return found
        for size in self._sizes:  # of bases, the shortest first: it owns those below it
            if size < len(key) and key[:size] in self._wildcards:
                return self._below(key, key[:size])
        return None

    def find_text(self, name: str) -> LocalName | None:
        """The same by a name as people write it."""
        return self.find(key_of(parse_name(name)))

    def at(self, name: str) -> LocalName | None:
        """The local name for a name as people write it; for all below a name, where it begins with a wildcard."""
        if not name.startswith(WILDCARD):
            return self.find_text(name)
        wildcard = self._wildcards.get(key_of(parse_name(name.removeprefix(WILDCARD))))
        return None if wildcard is None else wildcard.name

    def end_of(self, found: LocalName) -> LocalName:
        """The last local name that a local name's aliases lead to, as far as they are followed."""
        for _ in range(MOST_ALIASES):
            following = self.find(found.alias_key) if found.alias else None
            if following is None:
                break
            found = following
        return found

    def _below(self, key: bytes, base: bytes) -> LocalName | None:
        """Records at a name below the base of a wildcard (RFC 4592 section 3.3.1: the closest encloser decides)."""
        if key in self._kept:
            return None
        closest = base
        for above in ancestors_of(key):
            if above in self._between:
                closest = above
        owner = self._wildcards[base]
        if closest == key:
            return owner.empty
        wildcard = self._wildcards.get(closest)
        return owner.absent if wildcard is None else wildcard.name

    def has_below(self, key: bytes) -> bool:
        """Whether a local name is this name, or below it."""
        at = bisect_left(self._sorted, key)
        return at < len(self._sorted) and self._sorted[at].startswith(key)

    def target_outside(self, found: LocalName) -> bytes | None:
        """The name, in wire form, that a local name's aliases lead to and that is not local; None where there is none.

        None, too, where they are more than there may be.
        """
        for _ in range(MOST_ALIASES):
            if not found.alias:
                return None
            following = self.find(found.alias_key)
            if following is None:
                return found.alias
            found = following
        return None

    def answer(self, question: Question, found: LocalName) -> tuple[bytes, bool]:
        """The response to a question for a local name; True where its aliases lead on to a name that is not local.

        SERVFAIL where they go in a circle, or are too many: names of the config and of a policy may come to that.
        """
        qtype = question.qtype
        owner = POINTER_TO_QUESTION
        parts: list[bytes] = []
        while found.alias:
            parts.append(owner + self._record(_CNAME, found.alias))
            owner = found.alias
            if qtype == _CNAME:
                return compose(question, _NOERROR, b"".join(parts), answers=len(parts), flags=_AA), False
            following = self.find(found.alias_key)
            if following is None:
                return compose(question, _NOERROR, b"".join(parts), answers=len(parts)), True
            if following.alias and len(parts) == MOST_ALIASES:
                return compose(question, _SERVFAIL, options=_CIRCLE), False
            found = following
        records = found.records.get(qtype)
        if records is not None:
            parts += [owner + record for record in records]
            return compose(question, _NOERROR, b"".join(parts), answers=len(parts), flags=_AA), False
        body = b"".join(parts) + (found.zone or _parent(owner, question)) + self._soa
        rcode = _NOERROR if found.exists else _NXDOMAIN
        return compose(question, rcode, body, answers=len(parts), authorities=1, flags=_AA), False


def reverse_key(packed: bytes) -> bytes:
    """The key of an address's reverse name (RFC 1035 section 3.5, RFC 3596 section 2.5)."""
    if len(packed) == 4:
        return _IN_ADDR + b"".join(bytes((len(str(octet)),)) + str(octet).encode() for octet in packed)
    return _IP6 + b"".join(b"\x01" + nibble.encode() for nibble in packed.hex())


def _parent(owner: bytes, question: Question) -> bytes:
    """The name above an owner, as the zone that says no (RFC 2308 section 3)."""
    if owner == POINTER_TO_QUESTION:
        at = HEADER + 1 + question.query[HEADER] if question.query[HEADER] else HEADER
        return (POINTER << 8 | at).to_bytes(2, "big")
    return owner[1 + owner[0] :]
