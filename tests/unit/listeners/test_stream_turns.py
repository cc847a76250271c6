"""A connection with thousands of queries at once takes no more than its turns, and no more than it may."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any, cast

import pytest

from resolver.config.settings import Limits
from resolver.listeners.connection import Connection, Door
from resolver.listeners.connections import Connections, Handshakes
from resolver.listeners.stream import TURN, DnsStream
from resolver.pipeline import Pending, Pipeline, Transport
from resolver.telemetry.counters import Counters

from .test_any_bytes import QUERY, Wire

AT_ONCE = 5  # queries in flight on a connection


class Office:
    """A pipeline that answers at once where `ready`; else the first few wait, and all others are told: busy."""

    def __init__(self, *, ready: bool, places: int = 0) -> None:
        self.waiting: list[Callable[[], None]] = []
        self._ready = ready
        self._places = places

    def client(self, address: str, name: str = "") -> Any:
        return type("Client", (), {"is_proxy": False, "name": name})

    def answer_now(self, query: bytes, client: object, transport: Transport) -> bytes | Pending | None:
        self._query = query
        return query if self._ready else object.__new__(Pending)

    def resolve(self, pending: Pending, reply: Callable[[bytes], None]) -> None:
        query = self._query
        if len(self.waiting) < self._places:
            self.waiting.append(lambda: reply(query))
        else:
            reply(query)


class Client:
    """One connection to the office."""

    def __init__(self, office: Office) -> None:
        self.loop = asyncio.get_running_loop()
        limits, counters = Limits(tcp_queries_per_connection=AT_ONCE), Counters()
        connections = Connections(limits, counters.dropped)
        handshakes = Handshakes(limits.tls_handshakes, counters.dropped)
        pipeline = cast(Pipeline, office)
        speak = lambda connection: DnsStream(connection, Transport.TCP)  # noqa: E731
        door = Door(self.loop, pipeline, connections, limits, counters, speak, None, handshakes)
        self._wire = Wire("192.0.2.1")
        self._connection = Connection(door)
        self._connection.connection_made(self._wire)

    def says(self, queries: int) -> None:
        self._connection.data_received((struct.pack("!H", len(QUERY)) + QUERY) * queries)

    def leaves(self) -> None:
        self._connection.eof_received()

    @property
    def answers(self) -> int:
        return len(self._wire.sent) // (2 + len(QUERY))

    @property
    def is_closed(self) -> bool:
        return self._wire.is_closing()


async def test_many_queries_in_one_write_are_answered_in_turns_with_the_rest_of_the_loop() -> None:
    client = Client(Office(ready=True))
    client.says(5 * TURN)
    assert client.answers == TURN
    seen = []
    while client.answers < 5 * TURN:
        await asyncio.sleep(0)
        seen.append(client.answers)
    assert seen == [2 * TURN, 3 * TURN, 4 * TURN, 5 * TURN]


async def test_a_client_that_leaves_between_turns_gets_all_answers() -> None:
    client = Client(Office(ready=True))
    client.says(3 * TURN)
    client.leaves()
    for _ in range(5):
        await asyncio.sleep(0)
    assert client.answers == 3 * TURN
    assert client.is_closed


@pytest.mark.parametrize("queries", [AT_ONCE + 1, 3000])
async def test_thousands_that_are_told_at_once_that_all_is_busy_are_told_so_one_after_the_other(queries: int) -> None:
    office = Office(ready=False, places=AT_ONCE)
    client = Client(office)
    client.says(queries)
    assert client.answers == 0
    office.waiting[0]()  # its answer lets the others be asked, and they are refused within the asking
    for _ in range(3000 // TURN + 2):
        await asyncio.sleep(0)
    assert client.answers == queries - AT_ONCE + 1
    for landed in office.waiting[1:]:
        landed()
    assert client.answers == queries
