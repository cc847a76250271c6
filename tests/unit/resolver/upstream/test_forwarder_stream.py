"""Upstreams over TCP: one connection for many questions, and what happens when it ends."""

from __future__ import annotations

import asyncio
import socket

import pytest

from resolver.config.settings import UpstreamServer
from resolver.errors import UpstreamBadAnswer, UpstreamTimeout, UpstreamUnreachable
from resolver.upstream import connection
from tests.unit.resolver.upstream.stub import answers, ask, eventually, question, reply, stays_silent


def write(stub, *messages: bytes) -> None:
    for message in messages:
        stub.connections[-1].write(len(message).to_bytes(2, "big") + message)


async def test_many_questions_share_one_connection(start_stub, forwarder_for) -> None:
    stub = await start_stub(stays_silent, answers)
    forwarder = forwarder_for(stub.settings("tcp"), timeout_seconds=2.0)
    for _ in range(3):
        batch = [ask(forwarder, question(f"n{i}.example")) for i in range(100)]
        for i, asked in enumerate(batch):
            assert question(f"n{i}.example") in await asked.answer()
    assert len(stub.connections) == 1
    assert stub.queries == []
    assert len({query[:2] for query in stub.tcp_queries}) > 290


async def test_answers_may_come_in_any_order_and_in_any_pieces(start_stub, forwarder_for) -> None:
    def collects(query: bytes) -> list[bytes]:
        if len(stub.tcp_queries) == 20:
            stream_of = b"".join(len(each).to_bytes(2, "big") + each for each in map(reply, reversed(stub.tcp_queries)))
            for i in range(0, len(stream_of), 7):
                stub.connections[0].write(stream_of[i : i + 7])
        return []

    stub = await start_stub(stays_silent, collects)
    forwarder = forwarder_for(stub.settings("tcp"))
    for i, asked in enumerate([ask(forwarder, question(f"n{i}.example")) for i in range(20)]):
        assert question(f"n{i}.example") in await asked.answer()


async def test_a_large_answer_comes_whole(start_stub, forwarder_for) -> None:
    stub = await start_stub(stays_silent, lambda query: [(reply(query) + bytes(65_535))[:65_535]])
    assert len(await ask(forwarder_for(stub.settings("tcp"))).answer()) == 65_535


async def test_replies_are_checked_as_they_are_over_udp(start_stub, forwarder_for) -> None:
    stub = await start_stub(
        stays_silent,
        lambda query: [
            reply(query, message_id=bytes([query[0] ^ 1, query[1]])),
            reply(query.replace(b"example", b"exbmple")),
            query,
            reply(query),
        ],
    )
    forwarder = forwarder_for(stub.settings("tcp"))
    assert await ask(forwarder).answer() == reply(stub.tcp_queries[0])
    assert forwarder.counts["wrong_replies"] == 3


async def test_what_is_not_dns_fails_the_questions_at_once(start_stub, forwarder_for) -> None:
    stub = await start_stub(stays_silent, lambda _query: [b"HTTP/1.1"])
    asked = ask(forwarder_for(stub.settings("tcp")))
    error = await asked.error()
    assert isinstance(error, UpstreamBadAnswer)
    assert error.rcode is None
    assert asked.fair_seconds < 0.3


async def test_questions_on_a_connection_that_the_server_closes_are_asked_once_more(start_stub, forwarder_for) -> None:
    def closes_the_first(query: bytes) -> list[bytes]:
        if len(stub.connections) == 1:
            stub.connections[0].transport.abort()
            return []
        return [reply(query)]

    stub = await start_stub(stays_silent, closes_the_first)
    asked = ask(forwarder_for(stub.settings("tcp")))
    await asked.answer()
    assert asked.fair_seconds < 0.3
    assert len(stub.connections) == 2


async def test_a_server_that_closes_again_has_failed(start_stub, forwarder_for) -> None:
    def closes(_query: bytes) -> list[bytes]:
        stub.connections[-1].transport.abort()
        return []

    stub = await start_stub(stays_silent, closes)
    good = await start_stub()
    forwarder = forwarder_for(stub.settings("tcp"))
    asked = ask(forwarder)
    assert isinstance(await asked.error(), UpstreamUnreachable)
    assert asked.fair_seconds < 0.3
    assert len(stub.tcp_queries) == 2
    await ask(forwarder_for(stub.settings("tcp"), good)).answer()


async def test_a_connection_that_is_refused_fails_over_at_once(start_stub, forwarder_for, refused_server) -> None:
    good = await start_stub()
    over_tcp = UpstreamServer("tcp", refused_server.host, refused_server.port)
    asked = ask(forwarder_for(over_tcp, good, timeout_seconds=4, max_seconds=4))
    await asked.answer()
    assert asked.fair_seconds < 0.5
    assert isinstance(await ask(forwarder_for(over_tcp)).error(), UpstreamUnreachable)


async def test_a_connection_that_does_not_open_is_a_timeout(forwarder_for) -> None:
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)  # its queue is full when one is in it: the next connection attempts are not answered
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        forwarder = forwarder_for(UpstreamServer("tcp", *listener.getsockname()), timeout_seconds=0.2)
        asked = ask(forwarder)
        assert isinstance(await asked.error(), UpstreamTimeout)
        assert asked.fair_seconds < 0.8


@pytest.mark.slow
async def test_an_idle_connection_is_closed_and_a_new_one_opened_when_needed(
    start_stub, forwarder_for, monkeypatch
) -> None:
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.5)
    stub = await start_stub(stays_silent, answers)
    forwarder = forwarder_for(stub.settings("tcp"))
    loop = asyncio.get_running_loop()
    for _ in range(4):  # together longer than it may be idle
        asked = ask(forwarder)
        await asked.answer()
        asked_at = loop.time()
        await asyncio.sleep(0.15)
    assert len(stub.connections) == 1
    await eventually(stub.connections[0].is_closing)
    assert loop.time() - asked_at > 0.49
    await ask(forwarder).answer()
    assert len(stub.connections) == 2


async def test_a_late_answer_is_ignored_and_the_connection_lives(start_stub, forwarder_for) -> None:
    stub = await start_stub(stays_silent, lambda query: [] if b"late" in query else [reply(query)])
    forwarder = forwarder_for(stub.settings("tcp"), timeout_seconds=2, max_seconds=0.1)
    late = ask(forwarder, question("late.example"))
    assert isinstance(await late.error(), UpstreamTimeout)
    write(stub, reply(stub.tcp_queries[0]))
    await ask(forwarder).answer()
    assert forwarder.counts["wrong_replies"] == 1
    assert len(stub.connections) == 1
    assert len(late.calls) == 1


@pytest.mark.parametrize("in_flight", [3 * connection.MAX_IN_FLIGHT // 2])
async def test_more_than_one_connection_can_take_goes_over_another(start_stub, forwarder_for, in_flight: int) -> None:
    stub = await start_stub(stays_silent, answers)
    forwarder = forwarder_for(stub.settings("tcp"), timeout_seconds=4, max_seconds=4)
    for asked in [ask(forwarder, question(f"n{i}.example")) for i in range(in_flight)]:
        await asked.answer()
    assert len(stub.connections) == 2
