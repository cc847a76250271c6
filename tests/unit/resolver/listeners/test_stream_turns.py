"""A connection with thousands of queries at once takes no more than its turns, and no more than it may."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest

from resolver.answering.client_networks import Networks
from resolver.answering.pipeline import Pending, Pipeline, Transport
from resolver.config.settings import ClientNetworks, Limits
from resolver.listeners.connection import ClientConnection, ListenerContext
from resolver.listeners.connections import Connections
from resolver.listeners.stream import speak_tcp
from resolver.listeners.turns import IN_A_ROW, TURN, Turns
from resolver.telemetry.counters import Counters

from .test_any_bytes import QUERY, Wire

AT_ONCE = 5  # queries in flight on a connection


class Office:
    """A pipeline that answers at once where `ready`; else the first few wait, and all others are told: busy."""

    def __init__(self, *, ready: bool, places: int = 0) -> None:
        self.waiting: list[Callable[[], None]] = []
        self.breaks_once = False
        self.answer = b""  # else the query is sent back
        self._ready = ready
        self._places = places
        self.clients = SimpleNamespace(at=lambda *_: SimpleNamespace(words=0, network=b""))

    def answer_now(self, query: bytes, client: object, transport: Transport) -> bytes | Pending | None:
        if self.breaks_once:
            self.breaks_once = False
            raise ZeroDivisionError
        self._query = query
        return (self.answer or query) if self._ready else object.__new__(Pending)

    def resolve(self, pending: Pending, reply: Callable[[bytes], None]) -> None:
        query = self._query
        if len(self.waiting) < self._places:
            self.waiting.append(lambda: reply(query))
        else:
            reply(query)


def context_of(office: Office, networks: Networks | None = None) -> ListenerContext:
    """What all connections to an office share."""
    loop = asyncio.get_running_loop()
    limits, counters = Limits(tcp_queries_per_connection=AT_ONCE), Counters()
    connections = Connections(limits, counters.dropped)
    return ListenerContext(
        loop, cast(Pipeline, office), connections, Turns(loop, networks), limits, counters, speak_tcp
    )


class Client:
    """One connection to the office."""

    def __init__(self, context: ListenerContext, address: str = "192.0.2.1") -> None:
        self._wire = Wire(address)
        self._connection = ClientConnection(context)
        self._connection.connection_made(self._wire)

    def says(self, queries: int) -> None:
        self._connection.data_received((struct.pack("!H", len(QUERY)) + QUERY) * queries)

    def leaves(self) -> None:
        self._connection.eof_received()

    @property
    def answers(self) -> int:
        return len(self._wire.sent) // (2 + len(QUERY))

    @property
    def octets(self) -> int:
        return len(self._wire.sent)

    @property
    def writes(self) -> int:
        return self._wire.writes

    @property
    def is_closed(self) -> bool:
        return self._wire.is_closing()


async def test_many_queries_in_one_write_are_answered_in_turns_with_the_rest_of_the_loop() -> None:
    client = Client(context_of(Office(ready=True)))
    client.says(5 * TURN)
    assert client.answers == TURN
    seen = []
    while client.answers < 5 * TURN:
        await asyncio.sleep(0)
        seen.append(client.answers)
    assert seen == [2 * TURN, 3 * TURN, 4 * TURN, 5 * TURN]


async def test_the_answers_of_a_turn_are_one_write() -> None:
    client = Client(context_of(Office(ready=True)))
    client.says(IN_A_ROW)
    assert (client.answers, client.writes) == (IN_A_ROW, 1)
    client.says(2 * TURN)
    for _ in range(5):
        await asyncio.sleep(0)
    assert client.answers == IN_A_ROW + 2 * TURN
    assert client.writes == 1 + 1 + (2 * TURN - (TURN - IN_A_ROW)) // IN_A_ROW


async def test_long_answers_of_a_turn_are_not_gathered_beyond_what_a_message_may_have() -> None:
    office = Office(ready=True)
    office.answer = bytes(20_000)
    client = Client(context_of(office))
    client.says(12)
    assert client.octets == 12 * 20_002
    assert client.writes == 3


async def test_a_client_that_leaves_between_turns_gets_all_answers() -> None:
    client = Client(context_of(Office(ready=True)))
    client.says(3 * TURN)
    client.leaves()
    for _ in range(5):
        await asyncio.sleep(0)
    assert client.answers == 3 * TURN
    assert client.is_closed


@pytest.mark.parametrize("queries", [AT_ONCE + 1, 3000])
async def test_thousands_that_are_told_at_once_that_all_is_busy_are_told_so_one_after_the_other(queries: int) -> None:
    office = Office(ready=False, places=AT_ONCE)
    client = Client(context_of(office))
    client.says(queries)
    assert client.answers == 0
    office.waiting[0]()  # its answer lets the others be asked, and they are refused within the asking
    for _ in range(3000 // TURN + 2):
        await asyncio.sleep(0)
    assert client.answers == queries - AT_ONCE + 1
    for landed in office.waiting[1:]:
        landed()
    assert client.answers == queries


async def test_connections_share_a_turn_and_one_client_s_many_delay_no_other_s_one() -> None:
    context = context_of(Office(ready=True))
    greedy = [Client(context) for _ in range(50)]
    other = Client(context, "192.0.2.2")
    for client in greedy:
        client.says(TURN)
    other.says(IN_A_ROW)
    assert sum(client.answers for client in (*greedy, other)) == TURN
    seen = []
    while not other.answers:
        await asyncio.sleep(0)
        seen.append(sum(client.answers for client in (*greedy, other)))
    assert seen == [2 * TURN]
    assert other.answers == IN_A_ROW
    while any(client.answers < TURN for client in greedy):
        before = sum(client.answers for client in greedy)
        await asyncio.sleep(0)
        assert before < sum(client.answers for client in greedy) <= before + TURN


async def test_an_error_that_nobody_expected_costs_one_connection_and_no_other_its_turn() -> None:
    troubles: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context["exception"]))
    office = Office(ready=True)
    context = context_of(office)
    first, broken, last = Client(context), Client(context), Client(context)
    first.says(TURN)
    broken.says(1)
    last.says(1)
    office.breaks_once = True
    await asyncio.sleep(0)
    assert broken.is_closed
    assert (broken.answers, last.answers) == (0, 1)
    assert [type(error) for error in troubles] == [ZeroDivisionError]


async def test_of_a_network_few_clients_are_in_turn_at_once_so_that_others_wait_for_no_more() -> None:
    context = context_of(Office(ready=True), networks=Networks(ClientNetworks(64, 2)))
    crowd = [Client(context, f"2001:db8::{number:x}") for number in range(1, 41)]
    other = Client(context, "2001:db8:0:1::1")
    for client in crowd:
        client.says(TURN)
    other.says(IN_A_ROW)
    while not other.answers:
        before = sum(client.answers for client in crowd)
        await asyncio.sleep(0)
    assert before <= 2 * TURN
    while any(client.answers < TURN for client in crowd):
        before = sum(client.answers for client in crowd)
        await asyncio.sleep(0)
        assert sum(client.answers for client in crowd) > before
    waiting = [client.answers for client in crowd]
    assert waiting == [TURN] * 40


async def test_within_a_network_all_have_their_turn() -> None:
    context = context_of(Office(ready=True), networks=Networks(ClientNetworks(64, 2)))
    crowd = [Client(context, f"2001:db8::{number:x}") for number in range(1, 9)]
    for client in crowd:
        client.says(4 * IN_A_ROW)
    for _ in range(3):
        await asyncio.sleep(0)
    assert all(client.answers for client in crowd), [client.answers for client in crowd]
