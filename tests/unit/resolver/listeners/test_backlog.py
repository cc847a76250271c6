"""What is not answered at sight: in order while a worker keeps up, else by domain in turn."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import dns.message
from hypothesis import given
from hypothesis import strategies as st

from resolver.answering.pipeline import Pipeline, Transport
from resolver.listeners.backlog import Backlog, Waiting, domain_asked_for
from resolver.listeners.udp import udp_listener
from resolver.telemetry.counters import Counters
from resolver.wire.proxy_header import SIGNATURE

ALL = 1000


class Served:
    """A backlog, and the names that were answered."""

    def __init__(self, most: int = 40, *, seconds_each: float = 0.0) -> None:
        self.answered: list[str] = []
        self.dropped: Counter[str] = Counter()
        self.backlog = Backlog(self._answer, most, self.dropped, lambda: seconds_each * len(self.answered))

    def comes(self, *names: str, network: bytes = b"") -> None:
        for name in names:
            query = dns.message.make_query(name, "A").to_wire()
            self.backlog.fresh.append((query, "127.0.0.1", network, True, lambda _: None))

    def _answer(self, one: Waiting) -> None:
        self.answered.append(dns.message.from_wire(one[0]).question[0].name.to_text(omit_final_dot=True))


def test_a_worker_that_keeps_up_answers_in_order() -> None:
    served = Served(most=1)
    names = [f"{number}.flooded.example" for number in range(20)]
    served.comes(*names)
    assert not served.backlog.work(most=ALL)
    assert served.answered == names
    assert not served.dropped


def test_a_turn_is_half_a_millisecond_however_long_an_answer_takes() -> None:
    for microseconds, answered_in_a_turn in ((1, 504), (10, 56), (40, 16), (5000, 8)):
        served = Served(most=1000, seconds_each=microseconds / 1e6)
        served.comes(*(f"{number}.example" for number in range(600)))
        turns = []
        goes_on = True
        while goes_on:
            before = len(served.answered)
            goes_on = served.backlog.work()
            turns.append(len(served.answered) - before)
        assert max(turns) == answered_in_a_turn
        assert sum(turns) == 600


def test_a_turn_has_an_end() -> None:
    served = Served()
    served.comes("a.example", "b.example")
    assert served.backlog.work(most=1)
    assert served.answered == ["a.example"]
    assert len(served.backlog) == 1


def test_behind_a_flood_other_domains_take_turns() -> None:
    served = Served()
    served.comes(*(f"{number}.flooded.example" for number in range(9)), "www.one.test", "www.two.test")
    assert served.backlog.work(most=1)
    served.comes("www.three.test")
    assert not served.backlog.work(most=ALL)
    assert served.answered[:5] == [
        "0.flooded.example",
        "1.flooded.example",
        "www.one.test",
        "www.two.test",
        "www.three.test",
    ]
    assert len(served.answered) == 12
    assert not served.dropped


def test_a_flooded_domain_has_its_share_of_the_places_and_all_have_an_end() -> None:
    served = Served(most=40)
    served.comes("first.example", *(f"{number}.flooded.example" for number in range(25)))
    served.backlog.work(most=1)
    assert served.dropped == {"queries_put_off": 15}  # a quarter of 40 waits
    served.comes(*(f"www.{number}.test" for number in range(100)))
    served.backlog.work(most=0)
    assert served.dropped == {"queries_put_off": 85}
    assert len(served.backlog) == 40
    assert not served.backlog.work(most=ALL)
    assert len(served.answered) == 41


def test_a_network_has_half_of_the_places_whatever_it_asks_for() -> None:
    served = Served(most=40)
    served.comes("first.example", *(f"www.{number}.test" for number in range(50)), network=b"net")
    served.comes("other.test", network=b"other")
    served.comes("plain.test")
    served.backlog.work(most=1)
    assert served.dropped == {"queries_put_off_per_network": 30}
    assert not served.backlog.work(most=ALL)
    assert {"other.test", "plain.test"} < set(served.answered)
    served.comes("second.example", *(f"www.{number}.test" for number in range(20)), network=b"net")
    served.backlog.work(most=ALL)
    assert served.dropped == {"queries_put_off_per_network": 30}


def test_behind_a_proxys_header_the_query_is_found() -> None:
    query = dns.message.make_query("www.Flooded.example", "A").to_wire()
    header = SIGNATURE + b"\x21\x12" + (12).to_bytes(2, "big") + bytes(12)
    assert domain_asked_for(header + query) == domain_asked_for(query) == b"\x07example\x07flooded"


@given(st.binary(max_size=600) | st.binary(max_size=600).map(lambda rest: SIGNATURE + rest))
def test_any_octets_ask_for_a_domain_or_none(datagram: bytes) -> None:
    assert len(domain_asked_for(datagram)) <= 256


class Fragile:
    """A pipeline that answers with the query, and fails at one name."""

    clients = SimpleNamespace(next_change=math.inf, known={}, by_octets={}, at=lambda _: None, met=lambda *_: None)
    ready = SimpleNamespace(answer=lambda *_: None)

    def answer_now(self, query: bytes, client: object, transport: Transport) -> bytes:
        if b"broken" in query:
            raise ZeroDivisionError
        return query


@contextlib.contextmanager
def two_sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A server's, and a client's that is connected to it."""
    with contextlib.ExitStack() as both:
        server, client = (
            both.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
            for _ in range(2)
        )
        server.bind(("127.0.0.1", 0))
        client.connect(server.getsockname())
        yield server, client


async def test_an_error_that_nobody_expected_costs_one_query_and_no_other() -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    with two_sockets() as (server, client):
        names = [f"{number}.example" for number in range(100)]
        names[3] = names[50] = names[-2] = "broken.example"
        for name in names:
            client.send(dns.message.make_query(name, "A").to_wire())
        listener = udp_listener(loop, server, cast(Pipeline, Fragile()), Counters())
        answered = []
        while len(answered) < 97:
            wire = await asyncio.wait_for(loop.sock_recv(client, 4096), 5)
            answered.append(dns.message.from_wire(wire).question[0].name.to_text(omit_final_dot=True))
        listener.stop()
    assert sorted(answered) == sorted(name for name in names if name != "broken.example")


async def test_errors_that_nobody_expected_take_no_turns_and_each_is_reported() -> None:
    loop = asyncio.get_running_loop()
    troubles: list[object] = []
    loop.set_exception_handler(lambda _, context: troubles.append(context["exception"]))
    with two_sockets() as (server, client):
        for _ in range(15):
            client.send(dns.message.make_query("broken.example", "A").to_wire())
        client.send(dns.message.make_query("www.example", "A").to_wire())
        listener = udp_listener(loop, server, cast(Pipeline, Fragile()), Counters())
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the reader has been woken once
        assert b"www" in client.recv(4096)
        listener.stop()
    assert [type(error) for error in troubles] == [ZeroDivisionError] * 15
