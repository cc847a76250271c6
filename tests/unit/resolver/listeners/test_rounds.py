"""Answers of one round leave together at its end, each to who asked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import dns.message
import pytest

from resolver.upstream.rounds import ROUNDS, Rounds

from .test_udp_readers import Office, heard, query

_QUERIES = 50


@pytest.fixture
def open_sockets() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


async def _asked(office: Office, clients: list[socket.socket]) -> None:
    """Each client has asked half of the names, whose questions wait for the upstream."""
    for number in range(_QUERIES):
        clients[number % 2].send(query(number, f"{number}.zone{number % 5}.example"))
    for _ in range(5000):
        if len(office.asked.upstream.asked) == _QUERIES:
            return
        await asyncio.sleep(0.001)
    pytest.fail("not all queries came")


def _answer_all(office: Office) -> None:
    for name in office.asked.upstream.names:
        office.asked.upstream.answer(f"{name}. 300 IN A 192.0.2.{name.partition('.')[0]}")


async def test_what_upstreams_answer_in_a_round_reaches_each_client(open_sockets: contextlib.ExitStack) -> None:
    office = Office(open_sockets, by_batch=True)
    clients = [office.client("127.0.0.1"), office.client("127.0.0.2")]
    await _asked(office, clients)
    ROUNDS.begin()
    _answer_all(office)
    ROUNDS.end()
    for place, client in enumerate(clients):
        for answer in await heard(client, _QUERIES // 2):
            message = dns.message.from_wire(answer)
            assert message.id % 2 == place
            assert message.answer[0][0].to_text() == f"192.0.2.{message.id}"
    office.listener.stop()


async def test_the_last_of_a_round_are_held_back_until_it_ends(open_sockets: contextlib.ExitStack) -> None:
    office = Office(open_sockets, by_batch=True)
    client = office.client()
    await _asked(office, [client, client])
    came = []
    ROUNDS.begin()
    _answer_all(office)
    with contextlib.suppress(BlockingIOError):
        while True:
            came.append(client.recv(4096))
    assert 0 < len(came) < _QUERIES  # no answer waits for more than some others
    ROUNDS.end()
    came += await heard(client, _QUERIES - len(came))
    assert {int.from_bytes(answer[:2], "big") for answer in came} == set(range(_QUERIES))
    office.listener.stop()


async def test_a_reader_whose_socket_is_closed_sends_nothing_and_counts_it(open_sockets: contextlib.ExitStack) -> None:
    office = Office(open_sockets, by_batch=True)
    client = office.client()
    await _asked(office, [client, client])
    office.listener.stop()
    office.close()
    ROUNDS.begin()
    _answer_all(office)
    ROUNDS.end()
    with pytest.raises(BlockingIOError):
        client.recv(4096)
    assert office.asked.counters.dropped["send_failed"] == _QUERIES


def test_a_round_without_answers_ends_and_each_is_its_own() -> None:
    rounds = Rounds()
    sent: list[int] = []
    rounds.begin()
    rounds.at_end(lambda: sent.append(1))
    assert rounds.is_open
    rounds.end()
    rounds.begin()
    rounds.end()
    assert (sent, rounds.is_open) == ([1], False)
