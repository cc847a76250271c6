"""Questions: hits on the data and near misses, in many forms, drawn from a seed; some again and again."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rdataclass
import dns.rdatatype

from prove.same.zones import CHAINS, OTHER, SERVED_CHILD, UNSERVED_CHILD, ZONES, Zone, owners_and_types

# fmt: off
_TYPES = (
    "A", "AAAA", "A", "AAAA", "MX", "TXT", "HTTPS", "NS", "SOA", "CNAME", "PTR", "SRV", "CAA", "NAPTR", "TLSA", "SSHFP",
    "SVCB", "TYPE65280", "DNAME", "DS", "DNSKEY", "NSEC", "NSEC3PARAM", "RRSIG", "LOC", "HINFO", "URI", "TYPE999",
)
# fmt: on
_SIZES = (None, None, 0, 512, 700, 1232, 1232, 1400, 4096, 65535)  # None: without EDNS
_LOCAL = (
    "localhost.",
    "a.localhost.",
    "1.0.0.127.in-addr.arpa.",
    "2.0.0.127.in-addr.arpa.",
    "10.in-addr.arpa.",
    "3.2.1.10.in-addr.arpa.",
    "168.192.in-addr.arpa.",
    "1.16.172.in-addr.arpa.",
    "f.ip6.arpa.",
    "a.onion.",
    "onion.",
    "b.test.",
    "c.invalid.",
    "home.arpa.",
    "d.home.arpa.",
    "resolver.arpa.",
    "_dns.resolver.arpa.",
)
_OUTSIDE = (".", "example.", "com.", "nobody-has-this.example.", "www.outside.tld.", "8.8.8.8.in-addr.arpa.")
_CHAOS = ("version.bind.", "id.server.", "hostname.bind.", "version.server.", "something.")
_META = ("AXFR", "IXFR", "MAILA", "MAILB", "TYPE0", "TYPE128", "TYPE200", "TSIG", "TKEY", "OPT")
_REPEATED_SHARE = 0.4  # of the questions: asked before
_RECENT = 500
_UNKNOWN_OPTION = dns.edns.GenericOption(dns.edns.OptionType.make(65002), b"\1\2\3")


@dataclass(frozen=True, slots=True)
class Asked:
    """One query: its bytes, with ID 0, and how it goes."""

    wire: bytes
    by_tcp: bool


def questions(seed: int, zones: Sequence[Zone], count: int) -> list[Asked]:
    """So many, in the order in which they are asked."""
    chance = random.Random(f"questions {seed}")
    names = _Names(zones, chance)
    asked: list[Asked] = []
    while len(asked) < count:
        if asked and chance.random() < _REPEATED_SHARE:
            # Of those asked just now, and of all.
            asked.append(chance.choice(asked[-_RECENT:] if chance.random() < 0.7 else asked))
        else:
            asked.append(_formed(*names.draw(), chance))
    return asked


class _Names:
    """Draws names, types and classes."""

    def __init__(self, zones: Sequence[Zone], chance: random.Random) -> None:
        self._chance = chance
        self._data = list(owners_and_types(list(zones)))
        self._special = [f"{owner}.{origin}." for origin in ZONES for owner in _special_owners(chance)]
        self._ways: dict[Callable[[], tuple[str, str, str]], int] = {
            self._hit: 42,
            self._special_name: 22,
            self._other_type: 12,
            self._neighbour: 12,
            self._apex: 3,
            lambda: (chance.choice(_OUTSIDE), chance.choice(_TYPES[:8]), "IN"): 2,
            lambda: (chance.choice(_LOCAL), chance.choice((*_TYPES[:10], "PTR", "SOA", "SVCB")), "IN"): 3,
            lambda: (chance.choice(self._data)[0], "ANY", "IN"): 1,
            lambda: (chance.choice(self._data)[0], chance.choice(_META), "IN"): 1,
            lambda: (chance.choice(_CHAOS), chance.choice(("TXT", "TXT", "A", "SOA")), "CH"): 1,
            lambda: (chance.choice(self._data)[0], "A", chance.choice(("HS", "NONE", "ANY", "CLASS999"))): 1,
        }

    def draw(self) -> tuple[str, str, str]:
        """One of each."""
        (way,) = self._chance.choices(list(self._ways), weights=list(self._ways.values()))
        return way()

    def _hit(self) -> tuple[str, str, str]:
        return *self._chance.choice(self._data), "IN"

    def _special_name(self) -> tuple[str, str, str]:
        types = ("A", "A", "AAAA", "TXT", "MX", "CNAME", "HTTPS")
        return self._chance.choice(self._special), self._chance.choice(types), "IN"

    def _other_type(self) -> tuple[str, str, str]:
        return self._chance.choice(self._data)[0], self._chance.choice(_TYPES), "IN"

    def _neighbour(self) -> tuple[str, str, str]:
        """A name near one that there is: beside it, below it, above it."""
        name, rtype = self._chance.choice(self._data)
        labels = list(dns.name.from_text(name).labels)
        way = self._chance.randrange(4)
        if way == 0:
            labels[0] = b"not-" + labels[0][:50]
        elif way == 1 and sum(map(len, labels)) + len(labels) < 240:
            labels.insert(0, b"below")
        elif way == 2:
            del labels[0]
        else:
            labels[0] = labels[0][:-1] + b"z"
        try:
            return dns.name.Name(labels).to_text(), rtype, "IN"
        except dns.name.NameTooLong:
            return name, rtype, "IN"

    def _apex(self) -> tuple[str, str, str]:
        origin = self._chance.choice((*ZONES, OTHER, *(f"{SERVED_CHILD}.{zone}" for zone in ZONES)))
        return f"{origin}.", self._chance.choice(("SOA", "NS", "DNSKEY", "MX", "TXT", "A", "NSEC3PARAM", "DS")), "IN"


def _special_owners(chance: random.Random) -> list[str]:
    """Names that wildcards, aliases and delegations make, and those beside them."""
    owners = [f"chain-{length}-{number}" for length in CHAINS for number in range(0, length + 2)]
    owners += [f"{word}{number}.{below}" for word in ("Any", "x") for number in range(5) for below in _MADE]
    owners += _PLACES
    # The longest name that a DNAME makes, and one that it cannot make (YXDOMAIN).
    owners += [f"{'y' * size}.{'z' * 40}.old-long" for size in (5, 10, 11, 12, 13, 14, 15, 16, 50)]
    return owners


# fmt: off
_MADE = (
    "wild", "there.wild", "x.empty.wild", "empty.wild", "wild-alias", "wild-mx", "wild-nothing", "deep.wild",
    "wild-two", "y.wild-two", "old", "old-other", "deep.new", "new", SERVED_CHILD, UNSERVED_CHILD, "a.b.c.empty",
)
_PLACES = (
    "wild", "*.wild", "there.wild", "empty.wild", "x.empty.wild", "*.wild-alias", "c.empty", "b.c.empty", "empty",
    "a.old", "b.old", "old", "www.old-other", "alias.old-other", "new", "a.new", "b.new", "loop", "loop-a", "loop-b",
    "large", "very-large", "many-a", "many-aaaa", "many-mx", "many-strings", "private", "partly-private", "to-private",
    "to-nothing", "to-empty", "to-no-data", "to-wild", "to-wild-alias", "to-old", "to-child", "to-no-child", "to-other",
    "to-other-and-back", "to-other-wild", "to-other-nothing", "to-nowhere", "to-longest", SERVED_CHILD, UNSERVED_CHILD,
    f"www.{SERVED_CHILD}", f"b.{SERVED_CHILD}", f"www.{UNSERVED_CHILD}", f"ns.{UNSERVED_CHILD}", "mixed.case.name",
    "MIXED.case.NAME", "nothing-is-here",
)
# fmt: on
_FLAGS = {
    dns.flags.AD: 0.15,
    dns.flags.CD: 0.15,
    dns.flags.AA: 0.01,
    dns.flags.RA: 0.01,
    0x40: 0.01,
}  # and their shares


def _formed(name: str, rtype: str, rclass: str, chance: random.Random) -> Asked:
    """The query, with flags, EDNS and letter case by chance."""
    query = dns.message.QueryMessage(id=0)
    query.flags = dns.flags.RD if chance.random() < 0.92 else 0
    for flag, share in _FLAGS.items():
        if chance.random() < share:
            query.flags |= flag
    size = chance.choice(_SIZES)
    if size is not None:
        version = 1 if chance.random() < 0.005 else 0
        do = dns.flags.DO if chance.random() < 0.5 else 0
        options: list[dns.edns.Option] = [_UNKNOWN_OPTION] if chance.random() < 0.02 else []
        query.use_edns(version, do, size, options=options)
    asked = _in_any_case(dns.name.from_text(name), chance)
    query.question = [dns.rrset.RRset(asked, dns.rdataclass.from_text(rclass), dns.rdatatype.from_text(rtype))]
    return Asked(query.to_wire(), chance.random() < 0.04)


def _in_any_case(name: dns.name.Name, chance: random.Random) -> dns.name.Name:
    if chance.random() > 0.15:
        return name
    return dns.name.Name([bytes(_other_case(octet, chance) for octet in label) for label in name.labels])


def _other_case(octet: int, chance: random.Random) -> int:
    return octet ^ 0x20 if chr(octet).isalpha() and octet < 0x80 and chance.random() < 0.5 else octet
