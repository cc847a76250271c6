"""Answer of an upstream, as it is kept: what of it, for how long, and which names it leads to."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from resolver.wire.codes import HEADER, Type
from resolver.wire.reading import Names
from resolver.wire.remarks import Remark

_TTL: Final = struct.Struct("!I")


@dataclass(slots=True, init=False)
class Answer:
    """Answer of an upstream, as it is kept. Nobody changes it; freezing it would cost a missed query a microsecond.

    * `body`: answer and authority sections, to stand behind the question they were asked with.
    * `ttl_seconds`: how long the whole may be kept, the least TTL of its records. In `body` all records have it, so
      that no RRset has two (RFC 2181 section 5.2); `ttl_offsets`: where.
    * `targets`: keys of the names it leads to (CNAME chain, SVCB and HTTPS targets), for the policy to judge.
    * `negative`: NXDOMAIN, or no record of the asked type at the chain's end.
    * `filtered`: records were left out because nobody should be led to what they hold.
    * `aliases`: CNAMEs of its chain; `leads_on`: the end of a chain of which nothing is said, neither data nor that
      there is none (no SOA), in lower-case wire form. It is to be asked for.
    * `is_public`: it was seen, while it was read, that no address in it is private (`address_kinds.is_private`); False
      says nothing.
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
    aliases: int
    leads_on: bytes | None
    remark: Remark | None
    is_public: bool

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
        aliases: int = 0,
        leads_on: bytes | None = None,
        remark: Remark | None = None,
        is_public: bool = False,
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
        self.aliases = aliases
        self.leads_on = leads_on
        self.remark = remark
        self.is_public = is_public


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
