"""Remedies for a refusal: a table, and no remedy twice."""

from __future__ import annotations

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.upstream.remedies import (
    BY_STREAM,
    KNOWS_NO_EDNS,
    NEW_COOKIE,
    NO_REMEDY,
    PLAINLY,
    WITHOUT_OPTIONS,
    remedy_for,
)
from resolver.wire.codes import Rcode
from resolver.wire.query import query_tail

QUESTION = b"\x03www\x07example\x03com\x00\x00\x01\x00\x01"
TAIL = query_tail(QUESTION, dnssec_ok=False, checking_disabled=False)
VALIDATING = query_tail(QUESTION, dnssec_ok=True, checking_disabled=False)


def refusal(*, edns: bool) -> bytes:
    query = dns.message.make_query("www.example.com", "A", use_edns=0 if edns else -1)
    return dns.message.make_response(query).to_wire()


@pytest.mark.parametrize(
    ("rcode", "knows_edns", "taken", "remedy"),
    [
        (Rcode.BADCOOKIE, True, 0, NEW_COOKIE),
        (Rcode.BADCOOKIE, True, NEW_COOKIE, BY_STREAM),
        (Rcode.BADCOOKIE, True, NEW_COOKIE | BY_STREAM, NO_REMEDY),
        (Rcode.FORMERR, True, 0, WITHOUT_OPTIONS),
        (Rcode.FORMERR, True, WITHOUT_OPTIONS, PLAINLY),
        (Rcode.FORMERR, False, 0, PLAINLY | KNOWS_NO_EDNS),
        (Rcode.NOTIMP, False, 0, PLAINLY | KNOWS_NO_EDNS),
        (Rcode.NOTIMP, True, 0, PLAINLY),
        (Rcode.BADVERS, True, 0, PLAINLY | KNOWS_NO_EDNS),
        (Rcode.BADVERS, True, PLAINLY | KNOWS_NO_EDNS, NO_REMEDY),
        (Rcode.SERVFAIL, True, 0, NO_REMEDY),
        (Rcode.REFUSED, False, 0, NO_REMEDY),
    ],
)
def test_a_refusal_over_udp_has_its_remedy(rcode: int, knows_edns: bool, taken: int, remedy: int) -> None:
    response = refusal(edns=knows_edns)
    assert remedy_for(rcode, response, TAIL, taken, is_stream=False, goes_without_edns=False) == remedy


def test_for_a_client_that_validates_edns_is_kept_as_long_as_possible() -> None:
    response = refusal(edns=False)
    first = remedy_for(Rcode.FORMERR, response, VALIDATING, 0, is_stream=False, goes_without_edns=False)
    assert first == WITHOUT_OPTIONS


def test_over_tcp_no_cookie_is_to_blame() -> None:
    response = refusal(edns=True)
    assert remedy_for(Rcode.BADCOOKIE, response, TAIL, 0, is_stream=True, goes_without_edns=False) == NO_REMEDY
    assert remedy_for(Rcode.FORMERR, response, TAIL, 0, is_stream=True, goes_without_edns=False) == PLAINLY


@given(st.integers(0, 31), st.binary(min_size=12, max_size=60), st.booleans(), st.booleans())
def test_remedies_come_to_an_end_whatever_the_server_says(
    rcode: int, response: bytes, is_stream: bool, goes_without_edns: bool
) -> None:
    taken = 0
    for _ in range(4):
        remedy = remedy_for(rcode, response, TAIL, taken, is_stream=is_stream, goes_without_edns=goes_without_edns)
        if remedy == NO_REMEDY:
            return
        assert not taken & remedy
        taken |= remedy
    raise AssertionError(f"four remedies for rcode {rcode}")
