"""What a reply carries for its client alone, read back by an independent library."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answering.accounts import Accounts
from resolver.answering.client import Client
from resolver.answering.client_bounds import ClientBounds
from resolver.answering.clients import Clients
from resolver.answering.replies import PADDING_BLOCK, Replies
from resolver.errors import FormatError
from resolver.policy.compiler import compile_groups, compile_rules, policy_in_memory
from resolver.policy.groups import CompiledGroup
from resolver.snapshot.clocks import now
from resolver.telemetry.counters import Counters
from resolver.telemetry.query_events import QueryEvents
from resolver.wire.codes import MAX_MESSAGE, Rcode
from resolver.wire.cookies import CookieProof, ServerCookies
from resolver.wire.message import address_record
from resolver.wire.question import Question, parse_question
from resolver.wire.response import compose
from resolver.wire.transport import Transport

REPLIES = Replies(ServerCookies([bytes(16)], clock=lambda: 1e9), "east-1", idle_seconds=6.5)
NSID, COOKIE, KEEPALIVE, PADDING = 3, 10, 11, 12
ENCRYPTED = [Transport.TLS, Transport.HTTPS]
CLEAR = [Transport.UDP, Transport.TCP]


def ask(*options: tuple[int, bytes], payload: int = 1232) -> Question:
    made = [dns.edns.GenericOption(code, data) for code, data in options]
    query = dns.message.make_query("plain.example", "A", use_edns=0, payload=payload, options=made)
    return parse_question(query.to_wire())


def someone() -> Client:
    """A client that has not asked before."""
    counters = Counters()
    clients = Clients(
        ClientBounds(("127.0.0.0/8",)),
        Accounts(counters, QueryEvents(None, "off", counters.dropped)),
        counters.dropped,
        clock=lambda: 0.0,
        moment=now,
    )
    clients.use(policy_in_memory(compile_rules([]), compile_groups([CompiledGroup("default")], [])))
    return clients.at("127.0.0.1")


def finished(question: Question, transport: Transport, records: int = 1, replies: Replies = REPLIES) -> bytes:
    body = address_record("192.0.2.1", 60) * records
    return replies.of(question, someone(), transport, 0.0).finish(compose(question, 0, body, answers=records), question)


def options_of(answer: bytes) -> dict[int, bytes]:
    return {int(option.otype): option.to_wire() or b"" for option in dns.message.from_wire(answer).options}


@pytest.mark.parametrize("transport", Transport)
def test_a_client_cookie_is_answered_over_every_transport(transport: Transport) -> None:
    cookie = options_of(finished(ask((COOKIE, b"abcdefgh")), transport))[COOKIE]
    assert len(cookie) == 24
    assert cookie.startswith(b"abcdefgh")
    assert REPLIES.of(ask((COOKIE, cookie)), someone(), transport, 0.0).cookie is CookieProof.GOOD


def test_a_good_cookie_is_checked_once_a_minute_a_bad_one_each_time_and_a_new_one_made_once_a_second() -> None:
    times: list[float] = []

    def clock() -> float:
        times.append(1e9)
        return 1e9

    replies, client = Replies(ServerCookies([bytes(16)], clock=clock)), someone()

    def looked(data: bytes, now: float) -> tuple[CookieProof | None, bytes, bool]:
        """The proof that a cookie is, its answer, and whether it was looked at."""
        times.clear()
        reply = replies.of(ask((COOKIE, data)), client, Transport.UDP, now)
        return reply.cookie, reply.options[4:], bool(times)

    proof, given, was_looked_at = looked(b"abcdefgh", 0.0)
    assert (proof, was_looked_at) == (CookieProof.UNKNOWN, True)
    assert looked(b"abcdefgh", 0.9) == (CookieProof.UNKNOWN, given, False)
    assert looked(b"abcdefgh", 1.0) == (CookieProof.UNKNOWN, given, True)
    assert looked(given, 2.0) == (CookieProof.GOOD, given, True)
    assert looked(given, 61.0) == (CookieProof.GOOD, given, False)
    assert looked(given, 62.0) == (CookieProof.GOOD, given, True)
    for _ in range(2):
        proof, _, was_looked_at = looked(given[:-1] + bytes((given[-1] ^ 1,)), 64.0)
        assert (proof, was_looked_at) == (CookieProof.BAD, True)
    assert looked(given, 65.0) == (CookieProof.GOOD, given, False)


def test_without_cookies_the_option_is_ignored_whatever_it_holds() -> None:
    question = ask((COOKIE, b"x"))
    assert Replies().of(question, someone(), Transport.UDP, 0.0).cookie is None
    assert not options_of(finished(question, Transport.UDP, replies=Replies()))


def test_keepalive_tells_the_idle_timeout_over_tcp_and_tls_and_nowhere_else() -> None:
    for transport in Transport:
        told = options_of(finished(ask((KEEPALIVE, b"")), transport))
        assert told == ({KEEPALIVE: b"\x00\x41"} if transport in (Transport.TCP, Transport.TLS) else {})
    assert not options_of(finished(ask(), Transport.TCP))


@pytest.mark.parametrize("transport", Transport)
def test_a_client_that_tells_a_timeout_is_a_format_error_where_keepalive_means_something(transport: Transport) -> None:
    question = ask((KEEPALIVE, b"\x00\x01"))
    if transport.has_connections:
        with pytest.raises(FormatError) as caught:
            REPLIES.of(question, someone(), transport, 0.0)
        assert caught.value.rcode == Rcode.FORMERR
    else:
        assert not options_of(finished(question, transport))


@pytest.mark.parametrize("transport", ENCRYPTED)
@given(st.integers(1, 200))
def test_answers_are_padded_to_whole_blocks_where_nobody_sees_their_content(transport: Transport, records: int) -> None:
    answer = finished(ask((PADDING, bytes(20)), (COOKIE, b"abcdefgh"), (NSID, b"")), transport, records)
    assert len(answer) % PADDING_BLOCK == 0
    options = [int(option.otype) for option in dns.message.from_wire(answer).options]
    assert options[-1] == PADDING
    assert set(options) == {COOKIE, NSID, PADDING}


def test_answers_are_not_padded_in_clear_nor_unasked() -> None:
    for transport in CLEAR:
        assert not options_of(finished(ask((PADDING, bytes(20))), transport))
    for transport in ENCRYPTED:
        assert not options_of(finished(ask(), transport))


@pytest.mark.parametrize("records", [4089, 4090, 4091, 4092, 4093])
def test_no_option_makes_a_message_longer_than_a_stream_can_carry(records: int) -> None:
    question = ask((PADDING, b""), (COOKIE, b"abcdefgh"), (NSID, b""))
    answer = finished(question, Transport.TLS, records)
    assert len(compose(question, 0, address_record("192.0.2.1", 60) * records)) <= len(answer) <= MAX_MESSAGE
    assert len(dns.message.from_wire(answer).answer[0]) == 1


def test_nsid_tells_the_identity_if_there_is_one() -> None:
    assert options_of(finished(ask((NSID, b"")), Transport.UDP)) == {NSID: b"east-1"}
    assert not options_of(finished(ask((NSID, b"")), Transport.UDP, replies=Replies()))


def test_an_answer_that_no_longer_fits_a_datagram_with_its_cookie_is_truncated_and_keeps_it() -> None:
    question = ask((COOKIE, b"abcdefgh"), payload=512)
    sizes = {}
    for records in range(20, 35):
        answer = finished(question, Transport.UDP, records)
        response = dns.message.from_wire(answer)
        assert COOKIE in options_of(answer)
        assert len(answer) <= 512
        sizes[records] = bool(response.flags & dns.flags.TC)
        assert sizes[records] != bool(response.answer)
    assert set(sizes.values()) == {True, False}


def test_an_identity_gives_way_where_it_has_no_room() -> None:
    replies = Replies(identity="x" * 255)
    for records in range(10, 28):
        answer = finished(ask((NSID, b""), payload=512), Transport.UDP, records, replies)
        assert len(answer) <= 512
        assert not dns.message.from_wire(answer).flags & dns.flags.TC
