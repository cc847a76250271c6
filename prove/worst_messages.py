"""The messages that cost a parser most, each of up to 64 KiB: answers of an upstream, and queries. Pure."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from prove.messages import wire_name

MAX_MESSAGE = 65535
_A, _NS, _CNAME, _SOA, _TXT, _AAAA, _DNAME, _RRSIG, _NSEC, _HTTPS = 1, 2, 5, 6, 16, 28, 39, 46, 47, 65
_TTL = 300
_DEEP = b"\x01a" * 127 + b"\x00"  # as many labels as a name can have
_QNAME = b"\xc0\x0c"
_PUBLIC = bytes((203, 0, 113, 1))
_PRIVATE = bytes((10, 0, 0, 1))
_NUMBERS = struct.pack("!5I", 1, 3600, 600, 86400, 300)


@dataclass(frozen=True, slots=True)
class Worst:
    """An answer that costs much: to which question, and its sections."""

    qname: bytes
    qtype: int
    answers: tuple[bytes, ...]
    authorities: tuple[bytes, ...] = ()
    additionals: tuple[bytes, ...] = ()
    dnssec_ok: bool = False
    rcode: int = 0

    @property
    def question(self) -> bytes:
        """Its question section."""
        return self.qname + struct.pack("!HH", self.qtype, 1)

    def message(self, message_id: bytes, question: bytes = b"") -> bytes:
        """The answer, cut to whole records; to another question than its own where one is given."""
        question = question or self.question
        counts = []
        records = bytearray()
        room = MAX_MESSAGE - 12 - len(question)
        for section in (self.answers, self.authorities, self.additionals):
            taken = 0
            for record in section:
                if len(records) + len(record) > room:
                    break
                records += record
                taken += 1
            counts.append(taken)
        head = message_id + struct.pack("!HH", 0x8180 | self.rcode, 1) + struct.pack("!3H", *counts)
        return head + question + bytes(records)

    @property
    def query(self) -> bytes:
        """The query that it answers, without an ID."""
        opt = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0" if self.dnssec_ok else b""
        return b"\1\0\0\1\0\0\0\0" + (b"\0\1" if opt else b"\0\0") + self.question + opt


def _record(owner: bytes, rtype: int, data: bytes) -> bytes:
    return owner + struct.pack("!HHIH", rtype, 1, _TTL, len(data)) + data


def _chain(links: int, *, padding: int) -> tuple[bytes, ...]:
    """A chain of so many CNAMEs with names as long as can be, an address at its end, and addresses beside it."""
    owner = _QNAME
    records = []
    for number in range(links):
        target = wire_name(f"{number}." + ".".join(["x" * 60] * 4))
        records.append(_record(owner, _CNAME, target))
        owner = target
    return (*records, *[_record(owner, _A, _PUBLIC)] * padding)


def _svcb(number: int, target: bytes, parameters: bytes = b"") -> bytes:
    return _record(_QNAME, _HTTPS, struct.pack("!H", number % 65535 + 1) + target + parameters)


_EXAMPLE = wire_name("www.example")
_TINY = _record(b"\x00", _A, b"")  # eleven octets, the least that a record can have
_SMALL = _record(b"\x00", _A, _PUBLIC)
_BESIDE = _record(wire_name("beside.example"), _A, _PUBLIC)  # nobody has asked for it
_SIGNED = struct.pack("!HBBIIIH", _A, 13, 2, _TTL, 2**31, 1, 1) + b"\x00" + bytes(64)
_SIGNED_DNAME = struct.pack("!H", _DNAME) + _SIGNED[2:]
_ADDRESSES = [_record(_QNAME, _A, _PUBLIC[:2] + struct.pack("!H", number)) for number in range(4000)]
_HINTS = struct.pack("!HH", 4, 65000 // 4 * 4) + b"".join(struct.pack("!I", 0xCB000000 + n) for n in range(65000 // 4))
_SOA_RECORD = _record(_QNAME, _SOA, _QNAME * 2 + _NUMBERS)
_DEEP_SOA = _record(_DEEP, _SOA, _DEEP * 2 + _NUMBERS)

ANSWERS: dict[str, Worst] = {
    "1,000 addresses": Worst(_EXAMPLE, _A, tuple(_ADDRESSES[:1000])),
    "4,000 addresses": Worst(_EXAMPLE, _A, tuple(_ADDRESSES)),
    "1,000 addresses, for a client that validates": Worst(_EXAMPLE, _A, tuple(_ADDRESSES[:1000]), dnssec_ok=True),
    "500 addresses and their signatures (KeyTrap)": Worst(
        _EXAMPLE, _A, (*_ADDRESSES[:500], *[_record(_QNAME, _RRSIG, _SIGNED)] * 500), dnssec_ok=True
    ),
    "a private address among 100 records, 4,000 beside them": Worst(
        _EXAMPLE, _A, (*_ADDRESSES[:99], _record(_QNAME, _A, _PRIVATE)), additionals=(_SMALL,) * 4200
    ),
    "a private address among 1,000": Worst(_EXAMPLE, _A, (*_ADDRESSES[:999], _record(_QNAME, _A, _PRIVATE))),
    "foreign records among 100, 4,000 beside them": Worst(
        _EXAMPLE, _A, (*_ADDRESSES[:50], *[_BESIDE] * 50), additionals=(_SMALL,) * 4200
    ),
    "foreign records, 900 of authority": Worst(
        _EXAMPLE, _A, (*_ADDRESSES[:50], *[_BESIDE] * 50), (_record(_QNAME, _NS, _QNAME),) * 900
    ),
    "foreign records with the longest names": Worst(
        _EXAMPLE, _A, (_ADDRESSES[0], *[_record(_DEEP, _SOA, _DEEP * 2 + _NUMBERS)] * 80)
    ),
    "foreign records among 1,000": Worst(_EXAMPLE, _A, (*_ADDRESSES[:500], *[_BESIDE] * 500)),
    "an address of another name, 5,900 times": Worst(_EXAMPLE, _A, (_TINY,) * 5900),
    "1,000 CNAMEs to themselves": Worst(_EXAMPLE, _A, (_record(_QNAME, _CNAME, _QNAME),) * 1000),
    "1,000 CNAMEs of names in their own right": Worst(
        _EXAMPLE,
        _A,
        tuple(_record(wire_name(f"a{n}.example"), _CNAME, wire_name(f"a{n + 1}.example")) for n in range(1000)),
    ),
    "a chain of 11 CNAMEs, then 900 addresses": Worst(_EXAMPLE, _A, _chain(11, padding=900)),
    "a chain of 12 CNAMEs": Worst(_EXAMPLE, _A, _chain(12, padding=900)),
    "a chain of 200 CNAMEs": Worst(_EXAMPLE, _A, _chain(200, padding=0)),
    "1,000 DNAMEs of the longest name": Worst(_DEEP, _A, (_record(_QNAME, _DNAME, _QNAME),) * 1000),
    "1,000 signed DNAMEs of the root": Worst(
        _DEEP, _A, (_record(b"\x00", _RRSIG, _SIGNED_DNAME[:18] + b"\x00"),) * 1000, dnssec_ok=True
    ),
    "1,000 services at the longest name": Worst(_DEEP, _HTTPS, tuple(_svcb(n, _QNAME) for n in range(1000))),
    "1,000 services at as many names": Worst(
        _EXAMPLE, _HTTPS, tuple(_svcb(n, wire_name(f"s{n}.example")) for n in range(1000))
    ),
    "100 services at as many names, 10 hints each": Worst(
        _EXAMPLE,
        _HTTPS,
        tuple(_svcb(n, wire_name(f"s{n}.example"), struct.pack("!HH", 4, 40) + _PUBLIC * 10) for n in range(100)),
    ),
    "a service with 16,000 address hints": Worst(_EXAMPLE, _HTTPS, (_svcb(1, b"\x00", _HINTS),)),
    "no such name, 1,000 records of authority": Worst(
        _EXAMPLE, _A, (), (_record(_QNAME, _NS, _QNAME),) * 999 + (_SOA_RECORD,), rcode=3
    ),
    "no such name, proofs with the longest names": Worst(
        _EXAMPLE, _A, (), (_SOA_RECORD, *[_record(_DEEP, _NSEC, _DEEP)] * 120), rcode=3, dnssec_ok=True
    ),
    "no such name, SOA records of the longest names": Worst(_EXAMPLE, _A, (), (_DEEP_SOA,) * 80, rcode=3),
    "1,000 servers of a delegation, each elsewhere (NXNS)": Worst(
        _EXAMPLE, _A, (), tuple(_record(_QNAME, _NS, wire_name(f"ns{n}.victim.example")) for n in range(1000))
    ),
    "a text of 64 KiB": Worst(_EXAMPLE, _TXT, (_record(_QNAME, _TXT, (b"\xff" + b"x" * 255) * 255),)),
    "any bytes": Worst(_EXAMPLE, _A, (b"\xff" * 60000,)),
    "pointers that lead back one by one": Worst(
        _EXAMPLE,
        _A,
        (_record(_QNAME, _TXT, b"".join((0xC000 | 35 + n).to_bytes(2, "big") for n in range(0, 8000, 2))),)
        + (_record(b"\xdf\x00", _A, _PUBLIC),) * 999,
    ),
}


def _query(additionals: bytes, count: int) -> bytes:
    question = _EXAMPLE + b"\0\1\0\1"
    return (b"\0\7\1\0\0\1\0\0\0\0" + count.to_bytes(2, "big") + question + additionals)[:MAX_MESSAGE]


def _with_options(options: bytes) -> bytes:
    return _query(b"\0\0\x29\x04\xd0\0\0\0\0" + len(options).to_bytes(2, "big") + options, 1)


def _full(record: bytes) -> bytes:
    count = (MAX_MESSAGE - 12 - len(_EXAMPLE) - 4) // len(record)
    return _query(record * count, count)


QUERIES: dict[str, Callable[[], bytes]] = {
    "5,900 additional records": lambda: _full(_TINY),
    "16,000 EDNS options": lambda: _with_options(b"\xfd\xe9\0\0" * 16_300),
    "16,000 cookies": lambda: _with_options(b"\0\x0a\0\0" * 16_300),
    "one option of 64 KiB": lambda: _with_options(b"\xfd\xe9\xfe\x00" + bytes(0xFE00)),
    "a name of 127 labels": lambda: b"\0\7\1\0\0\1\0\0\0\0\0\0" + _DEEP + b"\0\1\0\1",
    "a name without an end": lambda: b"\0\7\1\0\0\1\0\0\0\0\0\0" + b"\x01a" * 32_000,
    "pointers to themselves": lambda: b"\0\7\1\0\0\1\0\0\0\0\0\0" + b"\xc0\x0c" * 32_000,
}


def question_for(number: int, round_: int) -> bytes:
    """The question by which the answer of that number is asked for, another one each round."""
    worst = list(ANSWERS.values())[number]
    if worst.qname == _DEEP:
        labels = (number % 26, number // 26, round_)
        return b"".join(bytes((1, ord("a") + label)) for label in labels) + _DEEP[6:] + _tail(worst)
    return wire_name(f"worst-{number}-{round_}.example") + _tail(worst)


def _tail(worst: Worst) -> bytes:
    return struct.pack("!HH", worst.qtype, 1)


def number_of(question: bytes) -> int | None:
    """Number of the answer that a question of `question_for` asks for; None for any other."""
    if question[0] == 1:
        return question[1] - ord("a") + 26 * (question[3] - ord("a"))
    label = question[1 : 1 + question[0]]
    return int(label.split(b"-")[1]) if label.startswith(b"worst-") else None
