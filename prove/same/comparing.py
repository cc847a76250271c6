"""Differences between two answers to one question, and the rules by which some are as they should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from prove.same.answers import Section, Seen, sets_of
from resolver.answering.local_names import LocalNames
from resolver.wire.address_kinds import is_private
from resolver.wire.addresses import addresses_of_record
from resolver.wire.chain import MAX_CHAIN
from resolver.wire.codes import is_meta
from resolver.wire.names import key_of

FLAGS = {
    "QR": dns.flags.QR,
    "AA": dns.flags.AA,
    "TC": dns.flags.TC,
    "RD": dns.flags.RD,
    "RA": dns.flags.RA,
    "AD": dns.flags.AD,
    "CD": dns.flags.CD,
    "Z": 0x40,
}
_LOCAL = LocalNames()
_SERVICES = (dns.rdatatype.HTTPS, dns.rdatatype.SVCB)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and its answers. `ours` and `theirs` are whole: where one was cut, what came over TCP."""

    query: dns.message.Message
    ours: Seen
    theirs: Seen
    ours_at_first: Seen
    theirs_at_first: Seen
    theirs_with_rd: tuple[Seen, Seen] | None  # where it was asked without RD: unbound's with it, whole and at first
    origin: Seen | None  # what the upstream says itself

    @property
    def name(self) -> dns.name.Name:
        """The name in the question."""
        return self.query.question[0].name

    @property
    def rtype(self) -> int:
        """Of what type."""
        return int(self.query.question[0].rdtype)

    @property
    def is_in(self) -> bool:
        """Whether it is of class IN."""
        return self.query.question[0].rdclass == dns.rdataclass.IN

    @property
    def is_local(self) -> bool:
        """Whether the name is one that every resolver answers by itself."""
        return self.is_in and _LOCAL.zone_of(key_of(self.name.to_digestable())) is not None


def differences(exchange: Exchange) -> list[str]:
    """The kinds of difference, but for the TTLs."""
    found = _in_sections(exchange.ours, exchange.theirs)
    ours, theirs = exchange.ours_at_first, exchange.theirs_at_first
    found += [f"flag {name}" for name, bit in FLAGS.items() if (ours.flags ^ theirs.flags) & bit]
    if ours.rcode != theirs.rcode:
        found.append(f"rcode {ours.rcode.name} for {theirs.rcode.name}")
    if ours.question != theirs.question:
        found.append("question")
    if ours.edns != theirs.edns:
        found.append("EDNS")
    return found


def _in_sections(ours: Seen, theirs: Seen) -> list[str]:
    found = []
    if sets_of(ours.answer) != sets_of(theirs.answer):
        found.append("answer")
    if sets_of(ours.telling_authority) != sets_of(theirs.telling_authority):
        found.append("authority")
    return found


def ttl_differences(exchange: Exchange, originals: dict[tuple[str, object], int], elapsed_seconds: float) -> list[str]:
    """TTLs above those of the upstream, or below what is left of its least one. `originals`: by section and set."""
    found: list[str] = []
    ours = exchange.ours
    if exchange.rtype == dns.rdatatype.ANY:
        return found  # the record is our own
    for where, section in (("answer", ours.answer), ("authority", ours.telling_authority)):
        for key, (_, ttl) in section.items():
            original = originals.get((where, key))
            if original is not None and ttl > original:
                found.append("TTL above the original")
    origin = exchange.origin
    is_negative = exchange.rtype not in {key[2] for key in ours.answer}
    has_soa = dns.rdatatype.SOA in {key[2] for key in ours.authority}
    if is_negative and not has_soa:
        return found  # not kept, so it has no TTL (RFC 2308 section 5)
    if origin is not None and ours.answer and sets_of(ours.answer) == sets_of(origin.answer):
        least = min(ttl for section in (origin.answer, origin.telling_authority) for _, ttl in section.values())
        if min(ttl for _, ttl in ours.answer.values()) < min(least, 86_400) - elapsed_seconds - 1:
            found.append("TTL below the least original")
    return found


# Differences that are meant: each rule looks at all that differs, so that it cannot hide anything else.


def _is_any(exchange: Exchange, kinds: set[str]) -> bool:
    records = [record.to_text() for records, _ in exchange.ours.answer.values() for record in records]
    return (
        exchange.rtype == dns.rdatatype.ANY
        and exchange.ours.rcode == dns.rcode.NOERROR
        and records == ['"RFC8482" ""']
        and not any(kind.startswith("flag") and kind != "flag TC" for kind in kinds)
    )


def _is_meta(exchange: Exchange, kinds: set[str]) -> bool:
    ours = exchange.ours
    is_form_error = exchange.rtype in (dns.rdatatype.OPT, dns.rdatatype.NXNAME)
    right = dns.rcode.FORMERR if is_form_error else dns.rcode.NOTIMP
    return (
        (is_form_error or is_meta(exchange.rtype))
        and ours.rcode == (dns.rcode.BADVERS if exchange.query.edns > 0 else right)
        and not ours.answer
        and not ours.authority
        and not exchange.ours_at_first.is_cut
        and not kinds & {"question", "flag QR", "flag RD", "flag CD"}
    )


def _is_any_class(exchange: Exchange, kinds: set[str]) -> bool:
    return (
        exchange.query.question[0].rdclass == dns.rdataclass.ANY
        and exchange.ours.rcode == dns.rcode.REFUSED
        and not exchange.ours.answer
        and not any(kind.startswith("flag") and kind != "flag TC" for kind in kinds)
    )


def _is_local(exchange: Exchange, kinds: set[str]) -> bool:
    """Only what SOA and NS say of such a zone may differ."""
    may_differ = {"authority", "answer"} if exchange.rtype in (dns.rdatatype.SOA, dns.rdatatype.NS) else {"authority"}
    return exchange.is_local and kinds <= may_differ and _is_soa_alone(exchange.ours.authority)


def _is_resolver_arpa(exchange: Exchange, _: set[str]) -> bool:
    ours = exchange.ours
    return (
        exchange.is_in
        and exchange.name.is_subdomain(_RESOLVER_ARPA)
        and exchange.theirs.rcode == dns.rcode.SERVFAIL
        and bool(ours.answer or ours.authority)
        and _is_soa_alone(ours.answer)
        and _is_soa_alone(ours.authority)
    )


def _is_soa_alone(section: Section) -> bool:
    return {key[2] for key in section} <= {dns.rdatatype.SOA}


def _is_long_chain(exchange: Exchange, _: set[str]) -> bool:
    origin = exchange.origin
    return (
        exchange.ours.rcode == dns.rcode.SERVFAIL
        and origin is not None
        and sum(key[2] == dns.rdatatype.CNAME for key in origin.answer) > MAX_CHAIN
    )


def _is_behind_an_alias(exchange: Exchange, kinds: set[str]) -> bool:
    return (
        any(key[2] == dns.rdatatype.CNAME for key in exchange.ours.answer)
        and _is_the_upstreams(exchange)
        and all(kind in {"answer", "authority", "flag TC"} or kind.startswith("rcode") for kind in kinds)
    )


def _is_beside_an_alias(exchange: Exchange, kinds: set[str]) -> bool:
    return (
        exchange.rtype in (dns.rdatatype.RRSIG, dns.rdatatype.NSEC)
        and _is_the_upstreams(exchange)
        and all(kind in {"answer", "authority", "flag TC"} or kind.startswith("rcode") for kind in kinds)
    )


def _is_the_upstreams(exchange: Exchange) -> bool:
    """Whether our answer is what the upstream itself says, to the letter."""
    ours, origin = exchange.ours, exchange.origin
    return origin is not None and ours.rcode == origin.rcode and not _in_sections(ours, origin)


def _is_private_hint(exchange: Exchange, kinds: set[str]) -> bool:
    left = {}
    for key, (records, _) in exchange.theirs.answer.items():
        if some := frozenset(record for record in records if not _holds_private(key[2], record)):
            left[key] = some
    return exchange.rtype in _SERVICES and kinds == {"answer"} and left == sets_of(exchange.ours.answer)


def _is_emptied(exchange: Exchange, kinds: set[str]) -> bool:
    """Only our own SOA, where the guard has taken all addresses out of what the upstream says."""
    origin, ours = exchange.origin, exchange.ours
    has_private = origin is not None and any(
        _holds_private(key[2], record) for key, (records, _) in origin.answer.items() for record in records
    )
    servers = [record.to_text().split()[0] for records, _ in ours.authority.values() for record in records]
    return has_private and kinds == {"authority"} and _is_soa_alone(ours.authority) and servers == [_OURSELVES]


def _is_referral(exchange: Exchange, kinds: set[str]) -> bool:
    """SERVFAIL where the upstream refers to other servers: a lame answer for a forwarder, and no proof of no data."""
    origin, ours = exchange.origin, exchange.ours
    if origin is None or origin.rcode != dns.rcode.NOERROR or origin.answer or origin.flags & dns.flags.AA:
        return False
    types = {key[2] for key in origin.authority}
    owners = [key[0] for key in origin.authority if key[2] == dns.rdatatype.NS]
    return (
        dns.rdatatype.SOA not in types
        and any(exchange.name.is_subdomain(owner) for owner in owners)
        and ours.rcode == dns.rcode.SERVFAIL
        and not ours.answer
        and all(kind in {"answer", "authority", "flag TC"} or kind.startswith("rcode") for kind in kinds)
    )


def _holds_private(rtype: int, record: dns.rdata.Rdata) -> bool:
    rdata = record.to_wire() or b""
    return any(is_private(address) for address in addresses_of_record(rdata, rtype, 0, len(rdata)))


_OURSELVES = "moatdns.invalid."
_RESOLVER_ARPA = dns.name.from_text("resolver.arpa.")
_WITHOUT_RD = "without RD, moatdns answers as with it; unbound: REFUSED"
_RULES: dict[str, Callable[[Exchange, set[str]], bool]] = {
    "ANY: one HINFO record (RFC 8482)": _is_any,
    "types that are no data: NOTIMP, FORMERR": _is_meta,
    "class ANY: REFUSED": _is_any_class,
    "names answered here: what their SOA and NS say": _is_local,
    "resolver.arpa: answered here (RFC 9462)": _is_resolver_arpa,
    f"more than {MAX_CHAIN} CNAMEs: SERVFAIL": _is_long_chain,
    "behind an alias: just what the upstream says; unbound asks it anew": _is_behind_an_alias,
    "RRSIG, NSEC, which may stand beside an alias: just what the upstream says": _is_beside_an_alias,
    "SVCB, HTTPS with private addresses as hints: left out": _is_private_hint,
    "private addresses left out, and nothing left: an SOA of our own": _is_emptied,
    "the upstream refers to other servers: SERVFAIL": _is_referral,
}
EXPLANATIONS = (_WITHOUT_RD, *_RULES)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One difference, and the rule by which it is meant; None: by none."""

    kinds: tuple[str, ...]
    explanation: str | None = None


def judge(exchange: Exchange) -> Verdict:
    """Compare, and explain."""
    kinds = differences(exchange)
    explanation = None
    if kinds and exchange.theirs_with_rd is not None and exchange.theirs.rcode == dns.rcode.REFUSED:
        whole, at_first = exchange.theirs_with_rd
        exchange = replace(exchange, theirs=_without_rd(whole), theirs_at_first=_without_rd(at_first))
        kinds = differences(exchange)
        if not kinds:
            return Verdict(("rcode",), _WITHOUT_RD)
    if kinds:
        explanation = next((name for name, applies in _RULES.items() if applies(exchange, set(kinds))), None)
    return Verdict(tuple(kinds), explanation)


def _without_rd(seen: Seen) -> Seen:
    return replace(seen, flags=seen.flags & ~dns.flags.RD)
