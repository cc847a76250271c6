"""Negative answers that are made here: each has an SOA, so that stubs keep it (RFC 2308 sections 3 and 5)."""

from __future__ import annotations

import asyncio

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import pytest

from resolver.answering.local_names import LocalNames
from resolver.answering.rebinding import RebindingGuard
from resolver.answering.server_names import ServerNames
from resolver.wire.question import Question, parse_question
from resolver.wire.sinkhole import MODES, Sinkhole
from tests.unit.resolver.answering.test_pipeline import Served, policy


def question(name: str, qtype: str, qclass: str = "IN") -> Question:
    return parse_question(dns.message.make_query(name, qtype, qclass, use_edns=0).to_wire())


def assert_has_soa(response: dns.message.Message, most_seconds: int = 3600) -> None:
    """One SOA, at the name that is denied or above it."""
    assert response.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
    (soa,) = response.authority
    assert soa.rdtype == dns.rdatatype.SOA
    end = response.answer[-1][0].target if response.answer else response.question[0].name
    assert isinstance(end, dns.name.Name)
    assert end.is_subdomain(soa.name)
    assert soa.ttl <= soa[0].minimum <= most_seconds


@pytest.mark.parametrize("qtype", ["A", "AAAA", "HTTPS", "TXT", "SOA", "DS", "ANY", "TYPE65280"])
@pytest.mark.parametrize("mode", MODES)
def test_a_blocked_name(mode: str, qtype: str) -> None:
    response = dns.message.from_wire(Sinkhole.build(mode, 10).answer(question("a.blocked.example", qtype), b""))
    if mode == "refused":
        assert (response.rcode(), response.authority) == (dns.rcode.REFUSED, [])  # nobody keeps it
    elif not response.answer:
        assert_has_soa(response, 10)


@pytest.mark.parametrize(
    ("name", "qtype"),
    [
        ("localhost", "TXT"),
        ("a.localhost", "HTTPS"),
        ("x.onion", "A"),
        ("home.arpa", "A"),
        ("1.168.192.in-addr.arpa", "PTR"),
        ("0.127.in-addr.arpa", "PTR"),
        ("_dns.resolver.arpa", "SVCB"),
        ("resolver.arpa", "A"),
        ("ip6.arpa.home.arpa", "ANY"),
    ],
)
def test_a_name_that_is_answered_here(name: str, qtype: str) -> None:
    response = LocalNames().answer(question(name, qtype))
    assert response is not None
    assert_has_soa(dns.message.from_wire(response))


def test_what_the_server_does_not_tell_of_itself() -> None:
    response = ServerNames("east-1").answer(question("id.server", "A", "CH"))
    assert response is not None
    assert_has_soa(dns.message.from_wire(response))


@pytest.mark.parametrize(
    ("qtype", "lines"),
    [
        ("A", ("www.example. 300 IN A 10.0.0.1",)),
        ("AAAA", ("www.example. 300 IN AAAA 64:ff9b::10.0.0.1", "www.example. 300 IN AAAA fd00::1")),
        ("A", ("www.example. 300 IN CNAME b.test1.", "b.test1. 20 IN A 127.0.0.1")),
        ("AAAA", ("old.www.example. 300 IN CNAME x.", "www.example. 300 IN CNAME b.test1.", "b.test1. 9 IN AAAA ::1")),
        ("HTTPS", ("www.example. 300 IN HTTPS 1 . ipv4hint=192.168.0.1",)),
        ("HTTPS", ("www.example. 300 IN HTTPS 1 svc.acme.ai. alpn=h2",)),
        ("SVCB", ("www.example. 300 IN SVCB 1 svc.acme.ai. alpn=h2",)),
    ],
)
@pytest.mark.parametrize("dnssec", [False, True])
async def test_an_answer_that_was_emptied_or_blocked(qtype: str, lines: tuple[str, ...], dnssec: bool) -> None:
    served = Served(policy(), asyncio.get_running_loop(), guard=RebindingGuard(()))
    for _ in range(2):  # when it comes, and from the cache
        waiting = served.ask("www.example", qtype=qtype, dnssec=dnssec)
        if not waiting:
            served.upstream.answer(*lines, authority=("example. 300 IN NS ns.example.",))
        (response,) = waiting
        assert qtype not in {dns.rdatatype.to_text(rrset.rdtype) for rrset in response.answer}
        assert_has_soa(response, 60)
        served.now += 3
