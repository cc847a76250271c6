"""An answer as a value that can be compared: what stands in it, without order, compression and letter case of names."""

from __future__ import annotations

from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset

Key = tuple[dns.name.Name, int, int, int]  # owner, class, type, and what is signed where it is a signature
Section = dict[Key, tuple[frozenset[dns.rdata.Rdata], int]]  # the records of each set, and their TTL
_PROOFS = frozenset({dns.rdatatype.NSEC, dns.rdatatype.NSEC3})


@dataclass(frozen=True, slots=True)
class Seen:
    """Content of an answer, to be compared: header, question, EDNS, answer and authority."""

    rcode: dns.rcode.Rcode
    flags: int
    question: bytes  # as it stands there, letter case included
    edns: tuple[int, bool, int] | None  # version, DO, and the size that is told; None: no OPT record
    answer: Section
    authority: Section

    @property
    def is_cut(self) -> bool:
        """TC is set."""
        return bool(self.flags & dns.flags.TC)

    @property
    def telling_authority(self) -> Section:
        """Of the authority section what a client needs: SOA, and the proofs with their signatures."""
        return {
            key: value
            for key, value in self.authority.items()
            if key[2] == dns.rdatatype.SOA or key[3] == dns.rdatatype.SOA or {key[2], key[3]} & _PROOFS
        }


def read(wire: bytes) -> Seen:
    """Read an answer. Raises ValueError for one that is malformed."""
    try:
        message = dns.message.from_wire(wire)
    except dns.exception.DNSException as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return Seen(
        rcode=message.rcode(),
        flags=message.flags & ~0xF,
        question=_question(wire),
        edns=(message.edns, bool(message.ednsflags & dns.flags.DO), message.payload) if message.edns >= 0 else None,
        answer=_section(message.answer),
        authority=_section(message.authority),
    )


def _question(wire: bytes) -> bytes:
    if wire[4:6] != b"\0\1":
        return b""
    at = 12
    while wire[at]:
        at += 1 + wire[at]
    return wire[12 : at + 5]


def _section(rrsets: list[dns.rrset.RRset]) -> Section:
    found: Section = {}
    for rrset in rrsets:
        key = (rrset.name, int(rrset.rdclass), int(rrset.rdtype), int(rrset.covers))
        found[key] = (frozenset(rrset), rrset.ttl)
    return found


def sets_of(section: Section) -> dict[Key, frozenset[dns.rdata.Rdata]]:
    """A section without TTLs."""
    return {key: records for key, (records, _) in section.items()}
