"""Requests over HTTP take turns as queries over TCP do: one connection with many of them holds up no others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from resolver.listeners.application import Application
from resolver.listeners.connection import ClientConnection, ListenerContext
from resolver.listeners.turns import IN_A_ROW, TURN
from tests.support.http2_frames import HELLO, post, raw, told

from .test_any_bytes import QUERY, Wire, http1, http2
from .test_stream_turns import Office, context_of

STREAMS = 100  # that may be open at once
HEAD = "POST /dns-query HTTP/1.1\r\nhost: x\r\ncontent-type: application/dns-message\r\ncontent-length: {}\r\n\r\n"


class Client:
    """One connection to an office, over either HTTP."""

    def __init__(self, context: ListenerContext, address: str = "192.0.2.1") -> None:
        self.wire = Wire(address)
        self.connection = ClientConnection(context)
        self.connection.connection_made(self.wire)


def context_for(speak: Callable[[ClientConnection], Application], office: Office | None = None) -> ListenerContext:
    """A listener of HTTP on the running loop."""
    return replace(context_of(office or Office(ready=True)), speak=speak)


def over_http1(context: ListenerContext, requests: int, address: str = "192.0.2.1") -> Client:
    """A client that has sent so many requests in one write."""
    client = Client(context, address)
    client.connection.data_received((HEAD.format(len(QUERY)).encode() + QUERY) * requests)
    return client


def over_http2(context: ListenerContext, requests: int, address: str = "192.0.2.1") -> Client:
    """The same."""
    client = Client(context, address)
    client.connection.data_received(HELLO + b"".join(post(2 * number + 1, QUERY) for number in range(requests)))
    return client


def answers(client: Client) -> int:
    """How many answers it has."""
    return client.wire.sent.count(QUERY)


@pytest.mark.parametrize(("speak", "says"), [(http1, over_http1), (http2, over_http2)])
async def test_many_requests_in_one_write_are_answered_in_turns_with_the_rest_of_the_loop(
    speak: Callable[[ClientConnection], Application], says: Callable[..., Client]
) -> None:
    client = says(context_for(speak), STREAMS)
    assert answers(client) == TURN
    await asyncio.sleep(0)
    assert answers(client) == STREAMS


@pytest.mark.parametrize(("speak", "says"), [(http1, over_http1), (http2, over_http2)])
async def test_clients_take_turns_however_much_one_of_them_asks(
    speak: Callable[[ClientConnection], Application], says: Callable[..., Client]
) -> None:
    context = context_for(speak)
    greedy = [says(context, STREAMS) for _ in range(5)]
    modest = says(context, 3, "192.0.2.2")
    assert answers(modest) == 0
    await asyncio.sleep(0)
    assert answers(modest) == 3
    assert sum(map(answers, greedy)) <= 2 * TURN
    for _ in range(10):
        await asyncio.sleep(0)
    assert [answers(client) for client in greedy] == [STREAMS] * 5


async def test_what_is_taken_back_before_its_turn_is_not_answered() -> None:
    context = context_for(http2)
    first = over_http2(context, TURN)
    second = over_http2(context, IN_A_ROW)
    second.connection.data_received(raw(3, 0, 1, bytes(4)))
    await asyncio.sleep(0)
    assert answers(first) == TURN
    assert answers(second) == IN_A_ROW - 1
    assert 1 not in told(bytes(second.wire.sent)).bodies


@pytest.mark.parametrize(("speak", "says"), [(http1, over_http1), (http2, over_http2)])
async def test_who_says_no_more_is_answered_to_the_end(
    speak: Callable[[ClientConnection], Application], says: Callable[..., Client]
) -> None:
    client = says(context_for(speak), STREAMS)
    client.connection.eof_received()
    for _ in range(5):
        await asyncio.sleep(0)
    assert answers(client) == STREAMS
    assert client.wire.is_closing()


@pytest.mark.parametrize(("speak", "says"), [(http1, over_http1), (http2, over_http2)])
async def test_an_error_costs_one_connection_and_others_have_their_turn(
    speak: Callable[[ClientConnection], Application], says: Callable[..., Client]
) -> None:
    office = Office(ready=True)
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told_of: reported.append(told_of))
    context = context_for(speak, office)
    office.breaks_once = True
    assert says(context, 1).wire.is_closing()
    assert answers(says(context, 1)) == 1
    assert len(reported) == 1


async def test_a_silent_client_hears_of_the_end_when_another_needs_its_place() -> None:
    client = over_http2(context_for(http2), 1)
    client.connection.make_room()
    found = told(bytes(client.wire.sent))
    assert (found.goodbye, found.last_stream) == (0, 1)
    assert client.wire.is_closing()
