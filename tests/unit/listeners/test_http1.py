"""DoH over HTTP/1.1: requests in order on one connection, and octets that are none."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.listeners.http1 import Http1
from tests.unit.listeners.doubles import ANSWER, QUERY, FakeLink

_DNS = base64.urlsafe_b64encode(QUERY).rstrip(b"=")
GET = b"GET /dns-query?dns=" + _DNS + b" HTTP/1.1\r\nHost: dns.example\r\n\r\n"
POST = b"POST /dns-query HTTP/1.1\r\nHost: dns.example\r\nContent-Type: application/dns-message\r\n"
WHOLE_POST = POST + b"Content-Length: %d\r\n\r\n" % len(QUERY) + QUERY


def _session(*, at_once: bool = True) -> tuple[Http1, FakeLink]:
    link = FakeLink(at_once=at_once)
    return Http1(link, 4096), link


def test_get_and_post_are_answered_on_one_connection() -> None:
    session, link = _session()
    for request in (GET, WHOLE_POST, GET):
        session.received(request)
        written = link.taken()
        assert written.startswith(b"HTTP/1.1 200 OK\r\n")
        assert written.endswith(ANSWER)
    assert not link.is_closing
    assert [query for query, _, _ in link.asked] == [QUERY] * 3


def test_a_request_in_single_octets_is_answered_and_partial_until_then() -> None:
    session, link = _session()
    for octet in WHOLE_POST[:-1]:
        session.received(bytes((octet,)))
        assert link.partial_since is not None
    session.received(WHOLE_POST[-1:])
    assert link.partial_since is None
    assert link.taken().endswith(ANSWER)


def test_pipelined_requests_are_answered_in_order_one_at_a_time() -> None:
    session, link = _session(at_once=False)
    session.received(GET * 3)
    assert len(link.asked) == 1
    assert link.is_paused
    for left in (2, 1, 0):
        link.land(session)
        assert len(link.asked) == 3 - max(left - 1, 0)
    assert link.taken().count(b"HTTP/1.1 200") == 3
    assert not link.is_paused


def test_many_pipelined_requests_leave_others_their_turn() -> None:
    session, link = _session()
    session.received(GET * 200)
    turns = 0
    while link.works:
        assert link.is_paused
        link.works.pop(0)()
        turns += 1
    assert turns >= 3
    assert link.taken().count(b"HTTP/1.1 200") == 200
    assert not link.is_paused


def test_a_refused_request_does_not_end_the_connection() -> None:
    session, link = _session()
    session.received(GET.replace(b"/dns-query", b"/other") + GET)
    written = link.taken()
    assert written.startswith(b"HTTP/1.1 404")
    assert written.endswith(ANSWER)
    assert not link.is_closing


def test_a_request_to_go_on_is_answered_before_the_body_comes() -> None:
    session, link = _session()
    session.received(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(QUERY))
    assert link.taken().startswith(b"HTTP/1.1 100")
    session.received(QUERY)
    assert link.taken().endswith(ANSWER)


def test_the_client_and_what_proxies_say_are_handed_on() -> None:
    session, link = _session()
    session.received(
        GET.replace(b"/dns-query", b"/dns-query/laptop").replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n")
    )
    assert link.asked == [(QUERY, "laptop", (b"192.0.2.7",))]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (POST + b"Content-Length: 70000\r\n\r\n", 413),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"ffff\r\n" + b"x" * 65535 + b"\r\n2\r\nxx\r\n", 413),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 1200, 413),
        (b"GET /" + b"x" * 5000, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-Header: value\r\n" * 400 + b"\r\n", 431),
        (b"\x00\x1cgarbage\r\n\r\n", 400),
        (b"GET /dns-query HTTP/1.1\r\n\r\n", 400),  # no Host (RFC 9112 section 3.2)
        (GET.replace(_DNS, base64.urlsafe_b64encode(b"short").rstrip(b"=")), 400),
    ],
)
def test_what_is_no_request_or_too_much_of_one_is_refused(request_: bytes, status: int) -> None:
    session, link = _session()
    session.received(request_)
    while link.works and not link.is_closing:
        link.works.pop(0)()
    assert link.taken().startswith(b"HTTP/1.1 %d " % status)


def test_a_request_that_does_not_come_to_its_end_is_told_so() -> None:
    session, link = _session()
    session.received(POST)
    session.overdue(200.0)
    assert link.taken().startswith(b"HTTP/1.1 408 ")
    assert link.is_closing
    assert link.counted["tcp_query_seconds"] == 1


def test_the_last_response_says_that_it_is_the_last() -> None:
    session, link = _session(at_once=False)
    session.received(GET)
    link.is_finishing = True
    session.finish()
    link.land(session)
    assert b"\r\nconnection: close\r\n" in link.taken().lower()
    assert link.is_closing


def test_a_client_that_sends_no_more_is_still_answered() -> None:
    session, link = _session(at_once=False)
    session.received(GET)
    session.ended()
    session.ended()
    assert not link.is_closing
    link.land(session)
    assert link.taken().endswith(ANSWER)
    assert link.is_closing


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_no_octets_raise_an_error(pieces: list[bytes]) -> None:
    session, link = _session()
    for piece in pieces:
        if not link.is_closing:
            session.received(piece)
    session.ended()


@given(st.data())
def test_no_mutated_requests_raise_an_error(data: st.DataObject) -> None:
    octets = bytearray(GET + WHOLE_POST + data.draw(st.sampled_from((b"HEAD", b"CONNECT", b"GET"))) + GET[3:])
    for _ in range(data.draw(st.integers(1, 5))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(octets)))
    session, link = _session(at_once=data.draw(st.booleans()))
    session.received(bytes(octets[:cut]))
    while link.waiting and not link.is_closing:
        link.land(session)
    if not link.is_closing:
        session.received(bytes(octets[cut:]))
