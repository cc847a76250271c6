"""Clients that ask too often, and networks that are answered too often, through the pipeline's doors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from resolver.answering.answerer import OwnAnswers
from resolver.answering.client_bounds import ClientBounds
from resolver.answering.pipeline import Pending, Pipeline, Transport
from resolver.answering.replies import Replies
from resolver.answering.resolution import Resolver
from resolver.cache.responses import ResponseCache
from resolver.config.settings import CacheSettings, Limits, RateLimits, TrustedProxy
from resolver.telemetry.counters import Counters
from resolver.wire.cookies import ServerCookies

from .test_pipeline import Upstream, policy

BLOCKED = "acme.ai"
COOKIE = 10


class Asked:
    """A pipeline with rate limits, at a time that stands still unless a test moves it."""

    def __init__(self, *, clock: Callable[[], float] | None = None, limits: Limits | None = None, **rates: Any) -> None:
        self.now = 1000.0
        clock = clock or (lambda: self.now)
        self.counters = Counters()
        self.upstream = Upstream()
        settings = CacheSettings()
        resolver = Resolver(
            self.upstream,
            ResponseCache(settings),
            settings,
            max_in_flight=100,
            max_in_flight_per_domain=50,
            dropped=self.counters.dropped,
            loop=asyncio.get_running_loop(),
            clock=clock,
        )
        self.pipeline = Pipeline(
            resolver,
            policy(),
            ClientBounds(
                ("127.0.0.0/8",),
                limits or Limits(),
                RateLimits(**rates),
                (TrustedProxy("127.0.0.9/32", ("proxy", "client-subnet")),),
            ),
            OwnAnswers(replies=Replies(ServerCookies([bytes(16)], clock=lambda: 1_790_000_000 + self.now))),
            self.counters,
            clock=clock,
        )

    def ask(
        self,
        name: str = BLOCKED,
        *,
        client: str = "127.0.0.1",
        cookie: bytes = b"",
        subnet: str = "",
        transport: Transport = Transport.UDP,
    ) -> dns.message.Message | None:
        """What is answered at once; None where nothing is."""
        options: list[dns.edns.Option] = [dns.edns.GenericOption(COOKIE, cookie)] if cookie else []
        if subnet:
            options.append(dns.edns.ECSOption(subnet, 32))
        query = dns.message.make_query(name, "A", use_edns=0, options=options)
        outcome = self.pipeline.answer_now(query.to_wire(), self.pipeline.clients.at(client), transport)
        assert not isinstance(outcome, Pending)
        return dns.message.from_wire(outcome) if outcome is not None else None

    def rcodes(self, times: int, **how: Any) -> list[str]:
        """The rcodes of so many answers."""
        answers = [self.ask(**how) for _ in range(times)]
        return ["silence" if answer is None else dns.rcode.to_text(answer.rcode()) for answer in answers]


def cookie_of(answer: dns.message.Message | None) -> bytes:
    assert answer is not None
    return next(option.to_wire() or b"" for option in answer.options if option.otype == COOKIE)


async def test_a_client_gets_one_second_s_worth_and_then_refused_with_the_reason() -> None:
    asked = Asked(queries_per_second=20)
    assert asked.rcodes(25) == ["NOERROR"] * 20 + ["REFUSED"] * 5
    answer = asked.ask()
    assert answer is not None
    assert [(int(o.code), o.text) for o in answer.options if isinstance(o, dns.edns.EDEOption)] == [
        (0, "more than 20 queries per second")
    ]
    assert asked.counters.dropped["queries_per_second"] == 6
    assert asked.counters.outcomes()["refused"] == 6
    assert asked.counters.outcomes()["blocked"] == 20


async def test_a_budget_comes_back_with_time_and_is_each_client_s_own() -> None:
    asked = Asked(queries_per_second=20)
    asked.rcodes(21)
    assert asked.rcodes(1, client="127.0.0.3") == ["NOERROR"]
    asked.now += 0.26
    assert asked.rcodes(6) == ["NOERROR"] * 5 + ["REFUSED"]


async def test_a_change_of_the_policy_gives_no_client_a_new_budget() -> None:
    asked = Asked(queries_per_second=5)
    asked.rcodes(5)
    asked.pipeline.use(policy())
    assert asked.rcodes(1) == ["REFUSED"]


async def test_all_transports_share_one_budget() -> None:
    asked = Asked(queries_per_second=8)
    rcodes = [code for transport in Transport for code in asked.rcodes(3, transport=transport)]
    assert rcodes == ["NOERROR"] * 8 + ["REFUSED"] * 4


async def test_malformed_queries_count_and_are_dropped_beyond_the_limit() -> None:
    asked = Asked(queries_per_second=3)
    query = dns.message.make_query(BLOCKED, "A").to_wire() + b"x"
    client = asked.pipeline.clients.at("127.0.0.1")
    answers = [asked.pipeline.answer_now(query, client, Transport.UDP) for _ in range(5)]
    assert [answer is not None for answer in answers] == [True] * 3 + [False] * 2


async def test_exempt_clients_and_proxies_have_no_limit_and_those_they_ask_for_have() -> None:
    asked = Asked(queries_per_second=3, exempt=("127.0.0.5/32",))
    assert set(asked.rcodes(50, client="127.0.0.5")) == {"NOERROR"}
    assert set(asked.rcodes(50, client="127.0.0.9")) == {"REFUSED"}, "it does not say for whom it asks"
    assert not asked.counters.dropped["queries_per_second"]
    assert asked.rcodes(5, client="127.0.0.9", subnet="127.0.0.7") == ["NOERROR"] * 3 + ["REFUSED"] * 2
    assert asked.rcodes(1, client="127.0.0.9", subnet="127.0.0.8") == ["NOERROR"]


@pytest.mark.parametrize("order", [("127.0.0.8", "127.0.0.7"), ("127.0.0.7", "127.0.0.8")])
async def test_of_two_client_subnets_that_differ_a_proxy_is_believed_by_none(order: tuple[str, str]) -> None:
    asked = Asked(queries_per_second=0)  # the client may have written one of them, and its proxy the other

    def rcode(*clients: str) -> dns.rcode.Rcode:
        options = [dns.edns.ECSOption(client, 32) for client in clients]
        query = dns.message.make_query(BLOCKED, "A", use_edns=0, options=options).to_wire()
        answer = asked.pipeline.answer_now(query, asked.pipeline.clients.at("127.0.0.9"), Transport.UDP)
        assert isinstance(answer, bytes)
        return dns.message.from_wire(answer).rcode()

    assert rcode(*order) == dns.rcode.REFUSED
    assert asked.counters.dropped["client_subnet"] == 1
    assert rcode(order[0], order[0]) == dns.rcode.NOERROR


@pytest.mark.slow
async def test_zero_queries_per_second_is_no_limit() -> None:
    assert set(Asked(queries_per_second=0).rcodes(5000)) == {"NOERROR"}


async def test_truncate_sends_clients_to_tcp_or_has_them_show_a_cookie() -> None:
    asked = Asked(queries_per_second=1, action="truncate")
    good = cookie_of(asked.ask(cookie=b"abcdefgh"))
    plain = asked.ask()
    assert plain is not None
    assert (plain.rcode(), bool(plain.flags & dns.flags.TC)) == (dns.rcode.NOERROR, True)
    unproven = asked.ask(cookie=b"abcdefgh")
    assert unproven is not None
    assert unproven.rcode() == dns.rcode.BADCOOKIE
    assert cookie_of(unproven) == good or len(cookie_of(unproven)) == 24
    assert asked.rcodes(1, cookie=b"abcdefgh" + bytes(16)) == ["BADCOOKIE"]
    proven = asked.ask(cookie=good)
    assert proven is not None
    assert (proven.rcode(), bool(proven.flags & dns.flags.TC)) == (dns.rcode.NOERROR, True)
    assert asked.rcodes(1, transport=Transport.TCP) == ["REFUSED"]


async def test_responses_of_one_kind_to_a_network_are_rationed() -> None:
    asked = Asked(queries_per_second=0, responses_per_second=2, slip=2)
    answers = [asked.ask(client=f"127.0.0.{number}") for number in (1, 3, 4, 5, 6, 7)]
    assert [answer is not None and bool(answer.flags & dns.flags.TC) for answer in answers] == [
        False, False, False, True, False, True,
    ]  # fmt: skip
    assert [answer is None for answer in answers] == [False, False, True, False, True, False]
    assert asked.counters.dropped["responses_per_second"] == 4
    assert asked.ask(client="127.0.1.1") is not None
    assert asked.ask(f"other.{BLOCKED}", client="127.0.0.1") is not None


async def test_negative_answers_and_errors_are_rationed_by_network_whatever_was_asked() -> None:
    asked = Asked(queries_per_second=0, responses_per_second=2, slip=0)
    assert [asked.ask(f"n{number}.invalid") is None for number in range(4)] == [False, False, True, True]
    query = dns.message.make_query(BLOCKED, "A").to_wire() + b"x"
    client = asked.pipeline.clients.at("127.0.0.1")
    errors = [asked.pipeline.answer_now(query, client, Transport.UDP) for _ in range(4)]
    assert [error is None for error in errors] == [False, False, True, True]


async def test_who_is_where_it_says_is_not_rationed() -> None:
    asked = Asked(queries_per_second=0, responses_per_second=1, slip=0, exempt=("127.0.0.5/32",))
    good = cookie_of(asked.ask(cookie=b"abcdefgh"))
    assert asked.rcodes(2) == ["silence"] * 2
    assert asked.rcodes(20, cookie=good) == ["NOERROR"] * 20
    assert asked.rcodes(20, transport=Transport.TCP) == ["NOERROR"] * 20
    assert asked.rcodes(20, client="127.0.0.5") == ["NOERROR"] * 20


async def test_answers_of_upstreams_are_rationed_too() -> None:
    asked = Asked(queries_per_second=0, responses_per_second=1, slip=0)
    query = dns.message.make_query("plain.example", "A", use_edns=0).to_wire()
    answers: list[bytes] = []
    for _ in range(3):
        pending = asked.pipeline.answer_now(query, asked.pipeline.clients.at("127.0.0.1"), Transport.UDP)
        assert isinstance(pending, Pending)
        asked.pipeline.resolve(pending, answers.append)
    asked.upstream.answer("plain.example. 300 IN A 192.0.2.1")
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("transport", "cookie", "waited", "whole"),
    [
        (Transport.UDP, False, 1.9, True),
        (Transport.UDP, False, 2.1, False),
        (Transport.UDP, True, 2.1, True),
        (Transport.TCP, False, 4.0, True),
    ],
)
async def test_a_large_answer_after_a_long_wait_goes_by_tcp_or_to_who_is_where_it_says(
    transport: Transport, cookie: bool, waited: float, whole: bool
) -> None:
    asked = Asked(queries_per_second=0)
    options = [dns.edns.GenericOption(10, cookie_of(asked.ask(cookie=b"abcdefgh")))] if cookie else []
    query = dns.message.make_query("late.example", "TXT", use_edns=0, options=options)
    answers: list[bytes] = []
    pending = asked.pipeline.answer_now(query.to_wire(), asked.pipeline.clients.at("127.0.0.1"), transport)
    assert isinstance(pending, Pending)
    asked.pipeline.resolve(pending, answers.append)
    asked.now += waited
    asked.upstream.answer(f"late.example. 300 IN TXT {'x' * 250} {'y' * 250}")
    answer = dns.message.from_wire(answers[0])
    assert bool(answer.answer) is whole
    assert bool(answer.flags & dns.flags.TC) is not whole
    assert asked.counters.dropped["late_answer_seconds"] == (not whole)


async def test_a_small_answer_is_given_however_late() -> None:
    asked = Asked(queries_per_second=0)
    query = dns.message.make_query("late.example", "A", use_edns=0).to_wire()
    answers: list[bytes] = []
    pending = asked.pipeline.answer_now(query, asked.pipeline.clients.at("127.0.0.1"), Transport.UDP)
    assert isinstance(pending, Pending)
    asked.pipeline.resolve(pending, answers.append)
    asked.now += 4.0
    asked.upstream.answer("late.example. 300 IN A 192.0.2.1")
    assert dns.message.from_wire(answers[0]).answer


async def test_where_responses_are_rationed_the_udp_reader_has_no_answers_of_its_own() -> None:
    asked = Asked(queries_per_second=0)
    asked.ask()
    assert asked.pipeline.clients.at("127.0.0.1").tables[Transport.UDP]
    asked = Asked(queries_per_second=0, responses_per_second=1)
    asked.ask()
    client = asked.pipeline.clients.at("127.0.0.1")
    assert client.answers.tables[Transport.UDP].entries
    assert not client.tables[Transport.UDP]


async def test_a_cookie_is_answered_from_the_table_and_never_kept_in_it() -> None:
    asked = Asked(queries_per_second=0)
    first, second = asked.ask(cookie=b"abcdefgh"), asked.ask(cookie=b"hgfedcba")
    assert cookie_of(first)[:8] == b"abcdefgh"
    assert cookie_of(second)[:8] == b"hgfedcba"
    entries = asked.pipeline.clients.at("127.0.0.1").answers.tables[Transport.UDP].entries
    assert len(entries) == 1
    plain = asked.ask()
    assert plain is not None
    assert COOKIE not in [int(option.otype) for option in plain.options]


async def test_a_malformed_cookie_is_a_format_error_with_question_and_edns() -> None:
    answer = Asked(queries_per_second=0).ask(cookie=b"short")
    assert answer is not None
    assert (answer.rcode(), answer.edns, len(answer.question)) == (dns.rcode.FORMERR, 0, 1)


async def test_the_udp_reader_has_no_answers_ready_for_a_proxy_whose_word_it_does_not_look_for() -> None:
    asked = Asked(queries_per_second=0)
    asked.ask()
    assert asked.pipeline.clients.at("127.0.0.1").tables[Transport.UDP]
    assert asked.pipeline.clients.at("127.0.0.9").view is asked.pipeline.clients.at("127.0.0.1").view
    assert not asked.pipeline.clients.at("127.0.0.9").tables[Transport.UDP]
