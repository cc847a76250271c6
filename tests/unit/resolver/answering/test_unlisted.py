"""Names that no rule matches, as a worker tells the inbox of them: of missed queries alone, bounded, never waiting."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.unlisted.reading import ListedName, SeenName, read_names, text_of
from resolver.answering.near_listed import NEAR_SECONDS, NearListed
from resolver.answering.unlisted import UnlistedNames
from resolver.telemetry.counters import Counters
from resolver.telemetry.query_events import UNLISTED_HEAD
from resolver.telemetry.recording import Recording
from resolver.wire.names import key_of, parse_name

from .test_pipeline import Served, policy


def _key(name: str) -> str:
    return key_of(parse_name(name)).decode("latin-1")


class Told:
    """A served pipeline whose missed queries are told to a socket."""

    def __init__(self, queries_per_second: int = 100, names_per_second: int = 100, *, clients: str = "full") -> None:
        self.served = Served(policy(), asyncio.get_running_loop())
        ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.served.counters.recording = Recording(clients)
        self.names = UnlistedNames(ours, self.served.counters, queries_per_second, names_per_second)
        self.served.pipeline.unlisted = self.names
        self._ours = ours

    def ask(self, name: str, *records: str, client: str = "127.0.0.1", rcode: int = 0) -> None:
        """Have a client ask, and an upstream answer with records."""
        self.served.ask(name, client)
        if self.served.upstream.asked:
            self.served.upstream.answer(*(records or (f"{name}. 60 IN A 192.0.2.1",)), rcode=rcode)

    def heard(self) -> list[SeenName | ListedName]:
        """The news that is told now."""
        self.names.flush(self.served.now)
        found: list[SeenName | ListedName] = []
        while True:
            try:
                found += read_names(self.theirs.recv(65_536))
            except BlockingIOError:
                return found

    def close(self) -> None:
        """Give the sockets back."""
        self._ours.close()
        self.theirs.close()


@pytest.fixture
async def told() -> Any:
    one = Told()
    yield one
    one.close()


async def test_a_missed_query_is_told_with_its_client_and_where_it_led(told: Told) -> None:
    told.ask("www.new.example", "www.new.example. 60 IN CNAME edge.example.", "edge.example. 60 IN A 192.0.2.7")
    (one,) = told.heard()
    assert one == SeenName(_key("www.new.example"), "127.0.0.1", 1, False, (_key("edge.example"),), ("c0000207",))
    assert text_of(one.key) == "www.new.example"


async def test_a_repeated_query_a_blocked_one_and_a_name_that_is_not_there_are_not_told(told: Told) -> None:
    told.ask("www.new.example")
    told.heard()
    told.ask("www.new.example")
    told.ask("acme.ai")
    told.ask("gone.example", rcode=3)
    assert told.heard() == []


async def test_a_listed_name_that_is_let_through_is_told_as_listed(told: Told) -> None:
    told.ask("api.acme.ai", client="127.0.0.2")
    assert told.heard() == [ListedName(_key("api.acme.ai"), ("c0000201",))]


async def test_beyond_so_many_a_second_queries_are_counted_and_not_looked_at() -> None:
    told = Told(queries_per_second=5)
    for number in range(8):
        told.ask(f"n{number}.example")
    assert len(told.heard()) == 5
    assert told.served.counters.dropped["unlisted_queries_per_second"] == 3
    told.ask("another.example")
    assert len(told.heard()) == 1
    told.close()


async def test_new_names_come_at_a_rate_and_those_beyond_it_are_counted_and_may_come_again() -> None:
    told = Told(names_per_second=1)
    for number in range(15):
        told.ask(f"n{number}.example")
    assert len(told.heard()) == 10
    assert told.served.counters.dropped["unlisted_names_per_second"] == 5
    told.served.now += 400
    told.ask("n14.example")
    told.ask("n0.example")
    assert {text_of(one.key) for one in told.heard()} == {"n14.example", "n0.example"}
    told.close()


async def test_a_name_that_is_asked_for_often_is_told_of_ever_more_seldom_and_none_is_lost(told: Told) -> None:
    heard: list[SeenName | ListedName] = []
    for _ in range(100):
        told.served.now += 10  # so that the cache has none of it
        told.ask("www.new.example", "www.new.example. 1 IN A 192.0.2.1")
        heard += told.heard()
    assert len(heard) == 11
    told.served.now += 3600
    heard += told.heard()
    assert sum(one.queries for one in heard if isinstance(one, SeenName)) == 100
    assert isinstance(heard[-1], SeenName)
    assert heard[-1].client == ""


@pytest.mark.parametrize(("clients", "shown"), [("full", "127.0.0.1"), ("network", "127.0.0.0/24"), ("hidden", "")])
async def test_of_a_client_no_more_is_told_than_the_query_log_may_have(clients: str, shown: str) -> None:
    told = Told(clients=clients)
    told.ask("www.new.example")
    (one,) = told.heard()
    assert isinstance(one, SeenName)
    assert one.client == shown
    told.close()


async def test_nothing_waits_for_a_control_process_that_is_away(told: Told) -> None:
    for turn in range(3000):
        told.ask(f"n{turn}.example")
        told.names.flush(told.served.now)
        if told.served.counters.dropped["unlisted"]:
            break
    assert told.served.counters.dropped["unlisted"] > 0


class _Clients:
    """Counters with a client each, and the inbox's look at them."""

    def __init__(self, clients: str = "full", *, detailed: bool = True) -> None:
        self.counters = Counters(detailed=detailed, recording=Recording(clients))
        self.near = NearListed(self.counters)

    def hit(self, cell: int) -> None:
        """Count a blocked query of a client."""
        self.counters.cells[cell] += 1


def test_a_client_is_near_for_seconds_after_it_asked_for_a_listed_name() -> None:
    clients = _Clients()
    cell, other = clients.counters.client("10.0.0.1"), clients.counters.client("10.0.0.2")
    assert not clients.near.is_near(cell, 0.0)
    assert not clients.near.is_near(other, 0.0)
    clients.hit(cell)
    clients.near.look(1.0)
    assert clients.near.is_near(cell, 1.0 + NEAR_SECONDS)
    assert not clients.near.is_near(cell, 2.0 + NEAR_SECONDS)
    assert not clients.near.is_near(other, 1.0), "another client asked"


def test_a_client_that_asks_nothing_new_for_a_minute_is_forgotten() -> None:
    clients = _Clients()
    cell = clients.counters.client("10.0.0.1")
    clients.near.is_near(cell, 0.0)
    clients.near.look(61.0)
    clients.hit(cell)
    clients.near.look(62.0)
    assert not clients.near.is_near(cell, 62.0), "it is a new one"


@pytest.mark.parametrize(("clients", "detailed"), [("network", True), ("hidden", True), ("full", False)])
def test_where_a_cell_is_not_one_clients_nobody_is_near(clients: str, detailed: bool) -> None:
    one = _Clients(clients, detailed=detailed)
    cell = one.counters.client("10.0.0.1")
    one.near.is_near(cell, 0.0)
    one.hit(cell)
    one.near.look(1.0)
    assert not one.near.is_near(cell, 1.0)


def test_clients_beyond_the_bound_are_counted() -> None:
    clients = _Clients()
    for number in range(2_100):
        clients.near.is_near(clients.counters.client(f"10.0.{number >> 8}.{number & 255}"), 0.0)
    assert clients.counters.dropped["unlisted_clients"] == 100


@given(st.binary(max_size=400))
def test_any_octets_are_read_or_passed_over(octets: bytes) -> None:
    for one in read_names(UNLISTED_HEAD + octets):
        text_of(one.key)


@given(st.lists(st.one_of(st.text(max_size=20), st.integers(), st.lists(st.text(max_size=5), max_size=3)), max_size=8))
def test_any_json_is_read_or_passed_over(row: list[object]) -> None:
    for first in ("seen", "listed"):
        for one in read_names(UNLISTED_HEAD + json.dumps([first, *row]).encode() + b"\n"):
            text_of(one.key)
