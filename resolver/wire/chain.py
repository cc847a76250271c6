"""The way from a question through its aliases, and which records of an answer are on it.

Passed on is only what was followed: of several CNAMEs at one name the first, of a DNAME the CNAME that follows from it
(RFC 6672 section 3.4), at the end the asked type alone. So whoever judges the names of the chain has judged all of it.
"""

from __future__ import annotations

from typing import Final

from resolver.errors import FormatError
from resolver.wire.codes import MAX_NAME, Class, Type
from resolver.wire.reading import Names, Record

MAX_CHAIN: Final = 11  # CNAMEs followed; unbound and BIND stop at about as many
_CNAME: Final = int(Type.CNAME)  # an enumeration's member costs as much to fetch as a record to read
_DNAME: Final = int(Type.DNAME)
_RRSIG: Final = int(Type.RRSIG)
_ANY: Final = int(Type.ANY)
_IN: Final = int(Class.IN)
_CNAME_HEAD: Final = _CNAME.to_bytes(2, "big") + _IN.to_bytes(2, "big")


class Chain:
    """Chain of aliases from a question, as an answer section has it.

    * `names`: from the question to the end, lower-case wire form.
    * `kept`: the records that say so, in this order; with DNSSEC, their signatures behind each set.
    * `has_data`: the asked type is at the end. `is_too_long`: a DNAME makes a name that cannot be (YXDOMAIN).
    * `is_altered`: a record was left out that signatures and AD were about.
    """

    __slots__ = ("has_data", "is_altered", "is_too_long", "kept", "names")

    def __init__(self, qname: bytes) -> None:
        self.names: list[bytes] = [qname]
        self.kept: list[Record] = []
        self.has_data = False
        self.is_too_long = False
        self.is_altered = False


def follow(names: Names, records: list[Record], qname: bytes, qtype: int, *, dnssec: bool) -> Chain:
    """Follow the aliases of an answer section from `qname`, in lower-case wire form, to the type that is asked for.

    Raises FormatError where they go in a circle, or on and on.
    """
    chain = Chain(qname)
    at: dict[bytes, list[Record]] = {}
    dnames: list[Record] = []
    for record in records:
        if record.rclass == _IN:
            there = at.get(record.owner)
            if there is None:
                at[record.owner] = [record]
            else:
                there.append(record)
            if record.rtype == _DNAME:
                dnames.append(record)
    name = qname
    while True:
        here = at.get(name, [])
        dname = _above(dnames, names, name)
        # A CNAME below a DNAME is the one that follows from that, also where it is asked for itself.
        data = _data_of(here, qtype) if dname is None or qtype != _CNAME else []
        if data:
            _keep(chain, names, data, here if dnssec and qtype != _ANY else [])
            chain.has_data = True
            for record in data:
                if record.rtype == _CNAME:  # asked for itself, and not followed (RFC 1034 section 3.6.2)
                    chain.is_altered = _count_of(here, _CNAME) > 1
                    chain.names.append(names.read(record.rdata)[0])
            return chain
        if dname is None:
            aliases = [record for record in here if record.rtype == _CNAME]
            if not aliases:
                return chain
            alias = aliases[0]
            chain.is_altered = chain.is_altered or len(aliases) > 1
            target = names.read(alias.rdata)[0]
        else:
            if not any(record is dname for record in chain.kept):
                _keep(chain, names, [dname], at[dname.owner] if dnssec else [])
            target = name[: len(name) - len(dname.owner)] + names.read(dname.rdata)[0]
            if len(target) > MAX_NAME:
                chain.is_too_long = True
                return chain
            alias = _alias_to(chain, names, here, name, target, dname)
        _keep(chain, names, [alias], here if dnssec else [])
        if qtype == _CNAME:
            chain.names.append(target)
            chain.has_data = True
            return chain
        if target in chain.names or len(chain.names) > MAX_CHAIN:
            raise FormatError(f"a CNAME chain with a loop or of more than {MAX_CHAIN}")
        chain.names.append(target)
        name = target


def covered(signature: Record, message: bytes) -> int:
    """The type that an RRSIG record signs (RFC 4034 section 3.1.1). Raises FormatError."""
    if signature.end < signature.rdata + 2:
        raise FormatError("a signature without the type that it covers")
    return message[signature.rdata] << 8 | message[signature.rdata + 1]


def _data_of(here: list[Record], qtype: int) -> list[Record]:
    """The records at a name that are asked for; of CNAMEs one alone, since a name has no more (RFC 2181 10.1)."""
    if qtype not in (_CNAME, _ANY):
        return [record for record in here if record.rtype == qtype]
    data: list[Record] = []
    has_alias = False
    for record in here:
        if record.rtype == _CNAME:
            if has_alias:
                continue
            has_alias = True
        elif qtype == _CNAME:
            continue
        data.append(record)
    return data


def _count_of(here: list[Record], rtype: int) -> int:
    return sum(1 for record in here if record.rtype == rtype)


def _keep(chain: Chain, names: Names, data: list[Record], here: list[Record]) -> None:
    """Keep records of one type, and behind them their signatures among `here`."""
    chain.kept += data
    rtype = data[0].rtype
    for record in here:
        if record.rtype == _RRSIG and rtype != _RRSIG and covered(record, names.message) == rtype:
            chain.kept.append(record)


def _above(dnames: list[Record], names: Names, name: bytes) -> Record | None:
    """The first DNAME of an ancestor of the name; at the name itself it leads nowhere (RFC 6672 section 2.3)."""
    if not dnames:
        return None
    key = names.key(name)
    for record in dnames:
        owner = names.key(record.owner)
        if len(owner) < len(key) and key.startswith(owner):
            return record
    return None


def _alias_to(chain: Chain, names: Names, here: list[Record], name: bytes, target: bytes, dname: Record) -> Record:
    """The CNAME that follows from a DNAME: the upstream's if it is that, else one of our own (RFC 6672 section 3.4)."""
    for record in here:
        if record.rtype == _CNAME:
            if names.read(record.rdata)[0] == target:
                return record
            chain.is_altered = True  # its own signature, or AD, was about another one
    return names.add(name + _CNAME_HEAD + dname.ttl.to_bytes(4, "big") + len(target).to_bytes(2, "big") + target)
