"""What one client may ask over UDP bounds how many of its queries wait, so that it takes no others' places."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator

import dns.message
import dns.rcode
import pytest

from resolver.config.settings import Limits
from resolver.listeners.packet_info import ask_for_packet_info
from resolver.listeners.udp import udp_listener

from ..answering.test_pipeline_rates import BLOCKED, Asked

PLACES = 300
SHARE = PLACES // 4  # of the places, for one domain
AT_ONCE = 100  # datagrams, which any receive buffer holds


class Office:
    """A pipeline behind a UDP socket, with clients that are addresses of their own."""

    def __init__(self, open_sockets: contextlib.ExitStack, bind: str, **rates: int) -> None:
        self._open_sockets = open_sockets
        self.limits = Limits(queries_put_off=PLACES)
        self.asked = Asked(clock=time.monotonic, limits=self.limits, **rates)
        self._server = self._socket(bind)
        self.port = self._server.getsockname()[1]
        self.listener = udp_listener(
            asyncio.get_running_loop(), self._server, self.asked.pipeline, self.asked.counters, self.limits
        )

    def _socket(self, address: str) -> socket.socket:
        one = self._open_sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
        one.bind((address, 0))
        ask_for_packet_info(one)
        return one

    def client(self, address: str) -> socket.socket:
        """A client that the worker knows."""
        one = self._socket(address)
        one.connect(("127.0.0.1", self.port))
        self.asked.pipeline.clients.at(address)
        return one


async def rcodes(client: socket.socket, answers: int) -> list[dns.rcode.Rcode]:
    """What so many answers say, in the order in which they come."""
    loop = asyncio.get_running_loop()
    return [
        dns.message.from_wire(await asyncio.wait_for(loop.sock_recv(client, 4096), 5)).rcode() for _ in range(answers)
    ]


@pytest.fixture
def open_sockets() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def query(name: str) -> bytes:
    return dns.message.make_query(name, "A", use_edns=0).to_wire()


@pytest.mark.slow
@pytest.mark.parametrize("bind", ["127.0.0.1", "0.0.0.0"])
async def test_a_client_that_floods_names_of_ever_new_domains_takes_no_places_of_others(
    bind: str, open_sockets: contextlib.ExitStack
) -> None:
    office = Office(open_sockets, bind, queries_per_second=20)
    greedy, other = office.client("127.0.0.4"), office.client("127.0.0.5")
    for turn in range(20):
        for number in range(AT_ONCE):
            greedy.send(query(f"www.flood-{turn}-{number}.example{turn}-{number}"))
        await asyncio.sleep(0)  # the worker falls behind: a turn is sixteen, and there are a hundred more
    for number in range(10):
        other.send(query(f"{number}.{BLOCKED}"))
    assert await rcodes(other, 10) == [dns.rcode.NOERROR] * 10
    office.listener.stop()
    assert not office.asked.counters.dropped["queries_put_off"]
    assert office.asked.counters.dropped["queries_per_second"] > 20 * AT_ONCE - 2 * PLACES


async def test_queries_that_wait_count_once_and_what_is_beyond_is_refused_where_there_is_time(
    open_sockets: contextlib.ExitStack,
) -> None:
    office = Office(open_sockets, "127.0.0.1", queries_per_second=20)
    client = office.client("127.0.0.4")
    for number in range(40):
        client.send(query(f"{number}.example.{BLOCKED}"))
    said = await rcodes(client, 40)
    office.listener.stop()
    assert said[:20] == [dns.rcode.NOERROR] * 20
    refused = said.count(dns.rcode.REFUSED)
    assert refused == office.asked.counters.dropped["queries_per_second"]
    assert 10 <= refused <= 20


async def test_a_client_without_a_limit_waits_for_as_many_places_as_there_are(
    open_sockets: contextlib.ExitStack,
) -> None:
    office = Office(open_sockets, "127.0.0.1", queries_per_second=0)
    client = office.client("127.0.0.4")
    for number in range(SHARE):
        client.send(query(f"{number}.example.{BLOCKED}"))
    assert await rcodes(client, SHARE) == [dns.rcode.NOERROR] * SHARE
    office.listener.stop()
    assert not office.asked.counters.dropped
