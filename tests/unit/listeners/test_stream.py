"""DNS messages on a connection, in whatever pieces they come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from resolver.listeners.stream import DnsStream
from resolver.pipeline import Transport
from resolver.wire.framing import frame
from tests.unit.listeners.doubles import ANSWER, QUERY, FakeLink


def _session(*, at_once: bool = True, most: int = 4) -> tuple[DnsStream, FakeLink]:
    link = FakeLink(at_once=at_once)
    return DnsStream(link, Transport.TLS, most), link


@given(st.lists(st.integers(0, 3 * len(frame(QUERY))), max_size=5))
def test_queries_in_any_pieces_are_answered(cuts: list[int]) -> None:
    session, link = _session()
    whole = frame(QUERY) * 3
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(whole)], strict=True):
        session.received(whole[begin:end])
    assert link.taken() == frame(ANSWER) * 3
    assert link.partial_since is None


def test_the_time_for_a_query_begins_with_its_first_octet_and_not_before() -> None:
    session, link = _session()
    session.received(frame(QUERY)[:5])
    link.time += 3
    session.received(frame(QUERY)[5:6])
    assert link.partial_since == 100.0
    session.received(frame(QUERY)[6:] + b"\0")
    assert link.partial_since == 103.0
    session.overdue(108.0)
    assert link.dropped == ["tcp_query_seconds"]


def test_no_more_is_read_while_as_many_wait_as_may() -> None:
    session, link = _session(at_once=False)
    session.received(frame(QUERY) * 10)
    assert len(link.waiting) == 4
    assert link.is_paused
    assert link.counted["tcp_queries_per_connection"] == 1
    while link.waiting:
        link.land(session)
    assert link.taken() == frame(ANSWER) * 10
    assert not link.is_paused


def test_a_client_that_sends_no_more_gets_all_its_answers_and_then_the_end() -> None:
    session, link = _session(at_once=False)
    session.received(frame(QUERY) * 6)
    session.ended()
    while link.waiting:
        assert not link.is_closing
        link.land(session)
    assert link.is_closing
    assert link.taken() == frame(ANSWER) * 6


@given(st.lists(st.binary(max_size=200), max_size=8), st.booleans())
def test_no_octets_raise_an_error(pieces: list[bytes], at_once: bool) -> None:
    session, link = _session(at_once=at_once)
    for piece in pieces:
        if not link.is_closing:
            session.received(piece)
        if link.waiting and not link.is_closing:
            link.land(session)
    session.ended()
