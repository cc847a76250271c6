"""How long HTTP may keep an answer (RFC 8484 section 5.1)."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.wire.freshness import freshness_seconds


def _response(*answers: str, authority: str = "", rcode: str = "NOERROR") -> bytes:
    message = dns.message.make_response(dns.message.make_query("www.example.com", "A", use_edns=0, id=7))
    message.set_rcode(dns.rcode.from_text(rcode))
    for section, lines in ((message.answer, answers), (message.authority, [authority] if authority else [])):
        for line in lines:
            owner, ttl, kind, rdata = line.split(maxsplit=3)
            section.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, rdata))
    return message.to_wire()


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        (_response("www.example.com. 300 A 192.0.2.1"), 300),
        (_response("www.example.com. 300 CNAME a.example.", "a.example. 20 A 192.0.2.1"), 20),
        (_response("www.example.com. 300 A 192.0.2.1", authority="example.com. 60 NS ns.example."), 60),
        (_response(authority="example.com. 60 SOA a. b. 1 2 3 4 900"), 60),
        (_response(authority="example.com. 60 SOA a. b. 1 2 3 4 30", rcode="NXDOMAIN"), 30),
        (_response("www.example.com. 0 A 192.0.2.1"), 0),
        (_response(), None),
        (_response("www.example.com. 300 A 192.0.2.1", rcode="SERVFAIL"), None),
        (_response(rcode="REFUSED"), None),
        (b"", None),
    ],
)
def test_it_is_the_least_ttl_and_nothing_for_failures(message: bytes, seconds: int | None) -> None:
    assert freshness_seconds(message) == seconds


@given(st.binary(max_size=300))
def test_no_octets_raise_an_error(message: bytes) -> None:
    assert (freshness_seconds(message) or 0) >= 0


@given(st.data())
def test_no_cut_off_or_changed_answer_raises_an_error(data: st.DataObject) -> None:
    message = bytearray(_response("www.example.com. 300 CNAME a.example.", "a.example. 20 A 192.0.2.1"))
    at = data.draw(st.integers(0, len(message) - 1))
    message[at] = data.draw(st.integers(0, 255))
    assert (freshness_seconds(bytes(message[: data.draw(st.integers(0, len(message)))])) or 0) >= 0
