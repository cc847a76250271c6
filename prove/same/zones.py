"""The zones that both resolvers are asked about: every type and shape of record that matters, made from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

ZONES = {"plain.example": "", "nsec.example": "NSEC", "nsec3.example": "NSEC3"}
"""The three that are alike, and how each proves that there is nothing; "" is unsigned."""
OTHER = "other.example"
"""Where aliases of the three lead to."""
CHAINS = (1, 2, 3, 5, 8, 9, 10, 11, 12, 15)
"""CNAME chains: how many aliases."""
SERVED_CHILD, UNSERVED_CHILD = "child", "away"
"""Delegations: to a zone on the same server, and to servers that nobody reaches."""

_TTLS = (0, 1, 2, 30, 300, 3600, 86_400, 604_800, 2_147_483_647)
_WORDS = ("www", "mail", "api", "cdn", "db", "Edge", "NODE", "xn--bcher-kva", "_spf", "_443._tcp", "a-b", "0", "x")
_ODD_LABELS = (
    r"with\.dot",
    r"with\032space",
    r"nul\000octet",
    r"high\255\254",
    r"back\\slash",
    r"semi\;colon",
    r"at\@sign",
    r"star.\*.inside",
    "l" * 63,
    r"\192\012",  # a compression pointer's octets
    r"\001",
)
_ODD_UNSIGNED_LABEL = r"quote\"d"  # ldns-signzone writes it so that no server can read it
# Sizes of answers around the bounds of 512 and 1,232 octets.
_SIZES = (*range(380, 520, 4), *range(1080, 1240, 4))


@dataclass(frozen=True, slots=True)
class Record:
    """One record; `owner` is relative to its zone, '@' for the zone itself, escaped as in a zone file."""

    owner: str
    ttl: int
    rtype: str
    rdata: str


@dataclass(slots=True)
class Zone:
    """One zone. `denial` is NSEC or NSEC3 where it is signed."""

    origin: str
    denial: str = ""
    records: list[Record] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The zone file."""
        lines = [f"{r.owner} {r.ttl} IN {r.rtype} {r.rdata}\n" for r in self.records]
        return f"$ORIGIN {self.origin}.\n{''.join(lines)}"

    def add(self, owner: str, rtype: str, *rdata: str, ttl: int) -> None:
        """Add a set of records."""
        self.records += [Record(owner, ttl, rtype, data) for data in dict.fromkeys(rdata)]

    @property
    def data(self) -> dict[str, list[str]]:
        """The owners, with the types that each has, signatures left out."""
        found: dict[str, list[str]] = {}
        for record in self.records:
            types = found.setdefault(record.owner, [])
            if record.rtype not in types:
                types.append(record.rtype)
        return found


def zones(seed: int, names: int) -> list[Zone]:
    """All of them; `names` is how many ordinary names each of the three has."""
    made = [Zone(OTHER)]
    _apex(made[0], random.Random(seed))
    made[0].add("www", "A", "198.51.100.80", ttl=300)
    made[0].add("alias", "CNAME", f"www.{next(iter(ZONES))}.", ttl=300)
    made[0].add("*.wild", "A", "198.51.100.81", ttl=60)
    for origin, denial in ZONES.items():
        chance = random.Random(f"{seed} {origin}")
        zone = Zone(origin, denial)
        _apex(zone, chance)
        _ordinary(zone, chance, names)
        _odd(zone, chance)
        _large(zone)
        _aliases(zone)
        _wildcards(zone)
        _delegations(zone)
        _private(zone)
        child = Zone(f"{SERVED_CHILD}.{origin}")
        _apex(child, chance)
        child.add("www", "A", "198.51.100.90", ttl=300)
        child.add("a.b", "TXT", '"below an empty name"', ttl=300)
        made += [zone, child]
    return made


def _apex(zone: Zone, chance: random.Random) -> None:
    zone.add("@", "SOA", "ns Host\\.Master 1 3600 600 86400 60", ttl=chance.choice((30, 300)))
    zone.add("@", "NS", "ns", "NS.second", ttl=3600)
    zone.add("ns", "A", "198.51.100.1", ttl=3600)
    zone.add("ns.second", "AAAA", "2600::53", ttl=3600)
    zone.add("@", "MX", "10 mail", "20 MAIL.other.example.", ttl=300)
    zone.add("@", "TXT", '"v=spf1 -all"', ttl=300)


def _ordinary(zone: Zone, chance: random.Random, names: int) -> None:
    for number in range(names):
        labels = [f"{chance.choice(_WORDS)}{number}", *chance.choices(_WORDS, k=chance.choice((0, 0, 0, 1, 2)))]
        owner = ".".join(labels)
        for rtype in chance.sample(tuple(_MAKERS), k=chance.choice((1, 1, 2, 3, 5))):
            data = [_MAKERS[rtype](chance) for _ in range(chance.choice((1, 1, 2, 4)))]
            zone.add(owner, rtype, *data, ttl=chance.choice(_TTLS))


def _odd(zone: Zone, chance: random.Random) -> None:
    for label in _ODD_LABELS if zone.denial else (*_ODD_LABELS, _ODD_UNSIGNED_LABEL):
        zone.add(label, "A", _address(chance), ttl=300)
        zone.add(label, "TXT", _text(chance), ttl=30)
    # NSD ends when it hashes the wildcard below a name that has no room for one (4.6.1).
    longest = longest_name(zone.origin, 253 if zone.denial == "NSEC3" else 255)
    zone.add(longest, "A", _address(chance), ttl=300)
    zone.add("to-longest", "CNAME", longest, ttl=300)
    zone.add("mixed.CASE.Name", "A", _address(chance), ttl=300)
    zone.add("mixed.CASE.Name", "MX", "10 Mixed.CASE.name", ttl=300)
    zone.add("a.b.c.empty", "A", _address(chance), ttl=300)


def longest_name(origin: str, octets: int = 255) -> str:
    """An owner that makes a name of so many octets below `origin`."""
    room = octets - (len(origin) + 2)  # octets of labels with their lengths
    labels = []
    while room > 1:
        size = min(63, room - 1 if room - 1 <= 63 or room - 64 > 1 else room - 3)
        labels.append("n" * size)
        room -= size + 1
    return ".".join(labels)


def _large(zone: Zone) -> None:
    zone.add("large", "TXT", *(f'"{n:02} {"x" * 60}"' for n in range(60)), ttl=300)
    zone.add("very-large", "TXT", *(f'"{n:03} {"x" * 250}"' for n in range(150)), ttl=300)
    zone.add("many-a", "A", *(f"198.51.{100 + n // 250}.{n % 250}" for n in range(400)), ttl=300)
    zone.add("many-aaaa", "AAAA", *(f"2600::{n:x}" for n in range(200)), ttl=300)
    zone.add("many-mx", "MX", *(f"{n} mx{n}" for n in range(80)), ttl=300)
    zone.add("many-strings", "TXT", " ".join(f'"{n}"' for n in range(300)), ttl=300)
    for size in _SIZES:
        strings = [f'"{"s" * min(255, size - at)}"' for at in range(0, size, 256)]
        zone.add(f"size-{size}", "TXT", " ".join(strings), ttl=300)


def _aliases(zone: Zone) -> None:
    for length in CHAINS:
        for number in range(length):
            following = f"chain-{length}-{number + 1}"
            zone.add(f"chain-{length}-{number}", "CNAME", following, ttl=(300, 30, 86_400)[number % 3])
        zone.add(f"chain-{length}-{length}", "A", "198.51.100.7", ttl=3600)
    zone.add("loop-a", "CNAME", "loop-b", ttl=300)
    zone.add("loop-b", "CNAME", "loop-a", ttl=300)
    zone.add("loop", "CNAME", "loop", ttl=300)
    for name, target in {
        "to-nothing": "nothing-is-here",
        "to-empty": "b.c.empty",
        "to-no-data": "size-380",
        "to-wild": "any.wild",
        "to-wild-alias": "any.wild-alias",
        "to-old": "a.old",
        "to-child": f"www.{SERVED_CHILD}",
        "to-no-child": f"nothing.{SERVED_CHILD}",
        "to-other": f"www.{OTHER}.",
        "to-other-and-back": f"alias.{OTHER}.",
        "to-other-wild": f"any.wild.{OTHER}.",
        "to-other-nothing": f"nothing.{OTHER}.",
        "to-nowhere": "www.nowhere.invalid-tld.",
    }.items():
        zone.add(name, "CNAME", target, ttl=300)
    zone.add("old", "DNAME", "new", ttl=300)
    zone.add("old", "TXT", '"beside a DNAME"', ttl=300)
    zone.add("a.new", "A", "198.51.100.8", ttl=300)
    zone.add("b.new", "CNAME", "chain-2-0", ttl=300)
    zone.add("*.deep.new", "A", "198.51.100.9", ttl=300)
    zone.add("old-long", "DNAME", ".".join(["t" * 60] * 3), ttl=300)
    zone.add("old-other", "DNAME", OTHER + ".", ttl=300)


def _wildcards(zone: Zone) -> None:
    zone.add("*.wild", "A", "198.51.100.20", "198.51.100.21", ttl=300)
    zone.add("*.wild", "TXT", '"of the wildcard"', ttl=30)
    zone.add("there.wild", "TXT", '"hides the wildcard"', ttl=300)
    zone.add("x.empty.wild", "A", "198.51.100.22", ttl=300)
    zone.add("*.wild-alias", "CNAME", "chain-1-0", ttl=300)
    zone.add("*.wild-mx", "MX", "10 mail", ttl=3600)
    zone.add("*.wild-nothing", "CNAME", "nothing-is-here", ttl=300)
    zone.add("*.*.wild-two", "A", "198.51.100.23", ttl=300)


def _delegations(zone: Zone) -> None:
    for child in (SERVED_CHILD, UNSERVED_CHILD):
        zone.add(child, "NS", f"ns.{child}", ttl=300)
        zone.add(f"ns.{child}", "A", "198.51.100.2", ttl=300)


def _private(zone: Zone) -> None:
    """Records that the guard against rebinding looks at."""
    zone.add("private", "A", "10.1.2.3", "192.168.1.1", ttl=300)
    zone.add("partly-private", "A", "10.1.2.3", "198.51.100.30", "198.51.100.31", ttl=300)
    zone.add("private", "AAAA", "fd00::1", ttl=300)
    zone.add("partly-private", "AAAA", "fd00::1", "2600::30", ttl=300)
    zone.add("to-private", "CNAME", "private", ttl=300)
    zone.add("private", "HTTPS", "1 . alpn=h2 ipv4hint=10.1.2.3", "2 . alpn=h2 ipv4hint=198.51.100.32", ttl=300)


def owners_and_types(made: list[Zone]) -> Iterator[tuple[str, str]]:
    """Every name (absolute, escaped) with every type that it has."""
    for zone in made:
        for owner, types in zone.data.items():
            name = f"{zone.origin}." if owner == "@" else f"{owner}.{zone.origin}."
            for rtype in types:
                yield name, rtype


def _address(chance: random.Random) -> str:
    return f"198.51.{chance.randrange(100, 200)}.{chance.randrange(256)}"


def _address6(chance: random.Random) -> str:
    return f"2600:{chance.randrange(65536):x}::{chance.randrange(65536):x}"


def _hex(chance: random.Random, octets: int) -> str:
    return chance.randbytes(octets).hex()


def _host(chance: random.Random) -> str:
    return chance.choice(
        ("ns", "mail", "MiXed.Case", f"host{chance.randrange(50)}.far", "www.other.example.", "nothing")
    )


def _text(chance: random.Random) -> str:
    strings = [
        "".join(chance.choices("abcXYZ =;.,", k=chance.choice((0, 1, 20, 100, 255)))) + chance.choice(("", r"\000\255"))
        for _ in range(chance.choice((1, 1, 1, 2, 5)))
    ]
    return " ".join(f'"{string[:250]}"' for string in strings)


def _service(chance: random.Random) -> str:
    if chance.random() < 0.2:
        return f"0 {_host(chance)}"
    parameters = [f"alpn={chance.choice(('h2', 'h3', 'h2,h3'))}"]
    if chance.random() < 0.3:
        parameters.append(f"port={chance.randrange(1, 65536)}")
    if chance.random() < 0.5:
        parameters.append(f"ipv4hint={_address(chance)},{_address(chance)}")
    if chance.random() < 0.3:
        parameters.append(f"ipv6hint={_address6(chance)}")
    if chance.random() < 0.2:
        parameters.append("key65333=unknown")
    return f"{chance.randrange(1, 9)} {chance.choice(('.', _host(chance)))} {' '.join(parameters)}"


_MAKERS: dict[str, Callable[[random.Random], str]] = {
    "A": _address,
    "AAAA": _address6,
    "MX": lambda chance: f"{chance.randrange(100)} {_host(chance)}",
    "TXT": _text,
    "SRV": lambda chance: f"{chance.randrange(9)} {chance.randrange(9)} {chance.randrange(65536)} {_host(chance)}",
    "CAA": lambda chance: f'{chance.choice((0, 128))} issue "ca{chance.randrange(9)}.example; a=b"',
    "NAPTR": lambda chance: f'{chance.randrange(9)} 50 "u" "E2U+sip" "!^.*$!sip:x@example.com!" .',
    "TLSA": lambda chance: f"3 1 1 {_hex(chance, 32)}",
    "SSHFP": lambda chance: f"4 2 {_hex(chance, 32)}",
    "HTTPS": _service,
    "SVCB": _service,
    "TYPE65280": lambda chance: rf"\# 3 {_hex(chance, 3)}",
    "PTR": _host,
    "LOC": lambda chance: f"52 {chance.randrange(60)} 0.000 N 4 {chance.randrange(60)} 0.000 E 2.00m 1m 10m 10m",
    "HINFO": lambda _: '"CPU" "OS"',
    "RP": lambda chance: f"{_host(chance)} {_host(chance)}",
    "URI": lambda chance: f'10 {chance.randrange(9)} "https://example.com/{chance.randrange(99)}"',
    "OPENPGPKEY": lambda _: "mQCNAzIBAAAA",
    "AFSDB": lambda chance: f"1 {_host(chance)}",
    "EUI48": lambda _: "00-00-5e-00-53-2a",
}
