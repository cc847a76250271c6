"""Sinkhole answers: what a blocked name is answered with. Built when a snapshot is loaded; a query splices bytes."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from resolver.wire.codes import Class, Ede, Rcode, Type
from resolver.wire.message import address_record, soa_record
from resolver.wire.question import Question
from resolver.wire.response import compose, ede_option

MODES = ("zero-ip", "nxdomain", "nodata", "refused", "address")

_ZEROS = ("0.0.0.0", "::")  # noqa: S104 (answered, not listened on)


@dataclass(frozen=True, slots=True)
class Sinkhole:
    """One way to answer a blocked name: an rcode, records for the types that have some, authority for all others."""

    rcode: Rcode
    records: dict[int, bytes]  # qtype → answer section of one record
    authority: bytes  # the SOA of negative answers; empty for REFUSED, which is not cached

    @classmethod
    def build(cls, mode: str, ttl_seconds: int, ipv4: str | None = None, ipv6: str | None = None) -> Sinkhole:
        """The sinkhole for a response mode of the config; `ipv4` and `ipv6` are used by mode `address`."""
        soa = soa_record(ttl_seconds)
        if mode == "refused":
            return cls(Rcode.REFUSED, {}, b"")
        if mode == "nxdomain":
            return cls(Rcode.NXDOMAIN, {}, soa)
        addresses = {"zero-ip": _ZEROS, "nodata": (None, None), "address": (ipv4, ipv6)}[mode]
        records = {
            int(rtype): address_record(address, ttl_seconds)
            for rtype, address in zip((Type.A, Type.AAAA), addresses, strict=True)
            if address
        }
        return cls(Rcode.NOERROR, records, soa)

    def answer(self, question: Question, ede: bytes) -> bytes:
        """The response to a blocked question; `ede` is the option that says why."""
        record = self.records.get(question.qtype) if question.qclass == Class.IN else None
        if record is not None:
            return compose(question, self.rcode, record, answers=1, options=ede)
        return compose(question, self.rcode, self.authority, authorities=1 if self.authority else 0, options=ede)


@functools.lru_cache(maxsize=4096)
def blocked_option(what: str, group: str) -> bytes:
    """The EDE of a sinkhole answer, naming what was blocked (a service, else a list) and for which group."""
    return ede_option(Ede.BLOCKED, f"{what} is blocked for group {group}")
