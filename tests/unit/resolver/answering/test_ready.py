"""Answers that are ready are those that the whole way through the pipeline gives, octet for octet."""

from __future__ import annotations

import random

import dns.edns
import dns.message
import dns.rcode
import pytest

from prove.mutations import mutated, seeds
from resolver.answering.pipeline import Pending, Transport
from resolver.config.settings import Limits

from .test_pipeline_rates import BLOCKED, COOKIE, Asked, cookie_of

UDP = Transport.UDP
BLOCKED_HERE, EXEMPT = "127.0.0.1", "127.0.0.2"
FORWARDED = "www.example"


def ready(asked: Asked, query: bytes, client: str = BLOCKED_HERE, transport: Transport = UDP) -> bytes | None:
    """Answers at sight."""
    return asked.pipeline.ready.answer(query, asked.pipeline.clients.at(client), transport, asked.now)


def whole_way(asked: Asked, query: bytes, client: str = BLOCKED_HERE) -> bytes | Pending | None:
    """Answers of the pipeline that has nothing ready."""
    asked.pipeline.use(asked.pipeline.snapshot)
    return asked.pipeline.answer_now(query, asked.pipeline.clients.at(client), UDP)


def forwarded(asked: Asked, name: str = FORWARDED, client: str = BLOCKED_HERE, ttl: int = 300) -> None:
    """Have an upstream answer a name, so that it is in the cache; its answer is not ready yet."""
    query = dns.message.make_query(name, "A").to_wire()
    pending = asked.pipeline.answer_now(query, asked.pipeline.clients.at(client), UDP)
    assert isinstance(pending, Pending)
    asked.pipeline.resolve(pending, lambda _: None)
    asked.upstream.answer(f"{name}. {ttl} IN A 192.0.2.1")


def varied(name: str, number: int, cookie: bytes = b"") -> bytes:
    """A query with EDNS, in a letter case of its own."""
    text = "".join(char.upper() if number >> place & 1 else char for place, char in enumerate(name))
    options: list[dns.edns.Option] = [dns.edns.GenericOption(COOKIE, cookie)] if cookie else []
    return dns.message.make_query(text, "A", use_edns=0, payload=1232, options=options).to_wire()


async def test_a_name_in_any_letter_case_is_one_entry_and_answered_in_the_client_s_own() -> None:
    asked = Asked(queries_per_second=0)
    asked.pipeline.answer_now(varied(BLOCKED, 0b101), asked.pipeline.clients.at(BLOCKED_HERE), UDP)
    for number in range(64):
        query = varied(BLOCKED, number)
        answer = ready(asked, query)
        assert answer is not None
        assert answer[:2] == query[:2]
        assert answer[12 : 12 + len(BLOCKED) + 2] == query[12 : 12 + len(BLOCKED) + 2]
    assert len(asked.pipeline.clients.at(BLOCKED_HERE).answers.tables[UDP].entries) == 1


async def test_a_type_is_no_letter_whatever_its_octets() -> None:
    asked = Asked(queries_per_second=0)
    https, other = (dns.message.make_query(BLOCKED, qtype).to_wire() for qtype in ("TYPE65", "TYPE97"))
    asked.pipeline.answer_now(https, asked.pipeline.clients.at(BLOCKED_HERE), UDP)
    assert ready(asked, https) is not None
    assert ready(asked, other) is None


async def test_a_cookie_is_answered_at_sight_and_checked() -> None:
    asked = Asked(queries_per_second=0)
    first = asked.ask(cookie=b"abcdefgh")
    good = cookie_of(first)
    for _ in range(3):  # the first is checked, the others are believed
        answer = ready(asked, varied(BLOCKED, 3, good))
        assert answer is not None
        assert cookie_of(dns.message.from_wire(answer)) == good
    forged = ready(asked, varied(BLOCKED, 3, good[:-1] + bytes((good[-1] ^ 1,))))
    assert forged is not None
    assert cookie_of(dns.message.from_wire(forged)) == good  # made anew
    assert ready(asked, varied(BLOCKED, 3, good), client="127.0.0.3") is not None
    stolen = dns.message.from_wire(ready(asked, varied(BLOCKED, 3, good), client="127.0.0.3") or b"")
    assert cookie_of(stolen) != good
    assert ready(asked, varied(BLOCKED, 3, b"short")) is None


async def test_a_cookie_that_was_believed_is_renewed_when_it_grows_old() -> None:
    asked = Asked(queries_per_second=0)
    good = cookie_of(asked.ask(cookie=b"abcdefgh"))
    assert ready(asked, varied(BLOCKED, 0, good)) is not None
    asked.now += 1795
    assert cookie_of(dns.message.from_wire(ready(asked, varied(BLOCKED, 0, good)) or b"")) == good
    asked.now += 6
    answer = ready(asked, varied(BLOCKED, 0, good))
    assert answer is not None
    assert cookie_of(dns.message.from_wire(answer)) != good


async def test_ttls_of_a_ready_answer_count_down_and_it_ends_with_its_entry() -> None:
    asked = Asked(queries_per_second=0)
    forwarded(asked, ttl=8)
    query = dns.message.make_query(FORWARDED, "A").to_wire()
    asked.pipeline.answer_now(query, asked.pipeline.clients.at(BLOCKED_HERE), UDP)
    told = []
    while (answer := ready(asked, query)) is not None:
        told.append(dns.message.from_wire(answer).answer[0].ttl)
        asked.now += 0.5
    assert told == [8, 8, 7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1]


async def test_an_answer_that_is_due_to_be_asked_for_again_goes_through_the_pipeline() -> None:
    asked = Asked(queries_per_second=0)
    forwarded(asked, ttl=100)
    query = dns.message.make_query(FORWARDED, "A").to_wire()
    asked.pipeline.answer_now(query, asked.pipeline.clients.at(BLOCKED_HERE), UDP)
    asked.now += 95
    assert ready(asked, query) is None
    asked.pipeline.answer_now(query, asked.pipeline.clients.at(BLOCKED_HERE), UDP)
    asked.upstream.answer(f"{FORWARDED}. 100 IN A 192.0.2.2")
    asked.now += 1
    assert ready(asked, query) is None, "the entry is another"


async def test_a_ready_answer_takes_of_what_a_client_may_ask() -> None:
    asked = Asked(queries_per_second=20)
    asked.ask()
    given = [ready(asked, varied(BLOCKED, number, b"abcdefgh")) for number in range(25)]
    assert [answer is not None for answer in given] == [True] * 19 + [False] * 6
    assert asked.counters.outcomes()["blocked"] == 20


@pytest.mark.parametrize("transport", list(Transport))
async def test_every_transport_has_its_answers_ready(transport: Transport) -> None:
    asked = Asked(queries_per_second=0)
    asked.ask(transport=transport)
    assert ready(asked, varied(BLOCKED, 5), transport=transport) is not None
    answer = asked.ask(transport=transport)
    assert answer is not None
    assert answer.rcode() == dns.rcode.NOERROR
    assert asked.counters.outcomes()["blocked"] == 3


async def test_mutated_queries_of_two_groups_are_answered_as_if_nothing_were_ready() -> None:
    await answered_as_if_nothing_were_ready(1500)


async def answered_as_if_nothing_were_ready(packets: int, seed: int = 19) -> None:
    """Compare a pipeline whose tables fill with one whose tables are empty, query by query."""
    chance = random.Random(seed)
    limits = Limits(answer_table_entries=200)
    asked, slow = (Asked(queries_per_second=0, limits=limits) for _ in range(2))
    for each in (asked, slow):
        for client in (BLOCKED_HERE, EXEMPT):
            forwarded(each, f"{client}.{FORWARDED}", client, ttl=86_400)
            each.ask(client=client, cookie=b"abcdefgh") if client == BLOCKED_HERE else None
        forwarded(each, BLOCKED, EXEMPT, ttl=86_400)
    good = [cookie_of(asked.ask(cookie=b"abcdefgh"))]
    valid = [varied(name, number, cookie)
             for name in (BLOCKED, f"{EXEMPT}.{FORWARDED}", "a\\000b.acme.ai", "a\\000\\000\\041.acme.ai")
             for number in (0, 5)
             for cookie in (b"", b"abcdefgh", *good)] + seeds()  # fmt: skip
    met = 0
    for number in range(packets):
        query = chance.choice(valid)
        if number % 3:
            query = mutated(query, chance)
        client = chance.choice((BLOCKED_HERE, EXEMPT))
        asked.now = slow.now = 1000.0 + number / 64
        answer: bytes | Pending | None = ready(asked, query, client)
        if answer is None:
            answer = asked.pipeline.answer_now(query, asked.pipeline.clients.at(client), UDP)
        else:
            met += 1
        expected = whole_way(slow, query, client)
        if isinstance(answer, Pending) or isinstance(expected, Pending):
            assert type(answer) is type(expected), query.hex()
        else:
            assert answer == expected, (query.hex(), client)
    assert met > packets // 30
