"""Objects of a question are free at once: the collector looks at everything only seldom (answering.garbage)."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from resolver.config.settings import UpstreamServer
from resolver.errors import UpstreamError
from resolver.upstream import connection
from resolver.upstream.forwarder import Forwarder
from tests.unit.resolver.upstream.secure_stub import Authority, DotServing, HttpsServing, SecureStub
from tests.unit.resolver.upstream.stub import Asked, answers, ask, question, reply, says, stays_silent, truncates


async def left_behind(round_of: Callable[[], Awaitable[object]]) -> int:
    """How many objects three rounds leave in cycles. What the first one sets up stays in use."""
    await round_of()
    gc.collect()
    gc.disable()
    try:
        for _ in range(2):  # among the first may be what tests before this one left, whose connections end only now
            for _ in range(3):
                await round_of()
            found = gc.collect()
            if not found:
                break
        return found
    finally:
        gc.enable()


async def answered(forwarder: Forwarder) -> None:
    for asked in [ask(forwarder, question(f"n{i}.example")) for i in range(3)]:
        await asked.answer()


async def failed(forwarder: Forwarder) -> None:
    for asked in [ask(forwarder, question(f"n{i}.example")) for i in range(3)]:
        await asked.error()
        asked.calls.clear()  # an error knows the frames of who asked, which know the error: ours, and no resolver's


@pytest.mark.parametrize("udp", [truncates, stays_silent], ids=["after TC", "alone"])
async def test_a_question_over_tcp(start_stub, forwarder_for, udp) -> None:
    stub = await start_stub(udp, answers)
    forwarder = forwarder_for(stub if udp is truncates else stub.settings("tcp"))
    assert await left_behind(partial(answered, forwarder)) == 0


@pytest.mark.parametrize("transport", ["tls", "https"])
async def test_a_question_over_an_encrypted_connection(forwarder_for, tmp_path: Path, transport: str) -> None:
    authority = Authority(tmp_path)
    stub = SecureStub()
    if transport == "tls":
        await stub.start(DotServing, authority.context())
    else:
        says_it = partial(HttpsServing, behaviour=lambda serving, i, query: serving.say(i, reply(query)))
        await stub.start(says_it, authority.context(protocols=["h2"]))
    try:
        server = stub.dot() if transport == "tls" else stub.doh()
        forwarder = forwarder_for(server, ca_file=str(authority.file), timeout_seconds=2, max_seconds=4)
        assert await left_behind(partial(answered, forwarder)) == 0
        assert len(stub.connections) == 1
    finally:
        await stub.stop()


async def test_an_http_2_connection_that_has_ended(forwarder_for, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(connection, "ENCRYPTED_IDLE_SECONDS", 0.02)
    authority = Authority(tmp_path)
    stub = SecureStub()
    says_it = partial(HttpsServing, behaviour=lambda serving, i, query: serving.say(i, reply(query)))
    await stub.start(says_it, authority.context(protocols=["h2"]))
    try:
        forwarder = forwarder_for(stub.doh(), ca_file=str(authority.file), timeout_seconds=2, max_seconds=4)

        async def served() -> None:
            stub.has_lost_one.clear()
            await answered(forwarder)
            async with asyncio.timeout(6):
                await stub.has_lost_one.wait()
            stub.connections.clear()

        assert await left_behind(served) == 0
        assert len(stub.resumed) >= 4
    finally:
        await stub.stop()


async def test_a_question_that_servers_stay_silent_on(start_stub, forwarder_for) -> None:
    stubs = [await start_stub(stays_silent, stays_silent) for _ in range(2)]
    forwarder = forwarder_for(stubs[0], stubs[1].settings("tcp"), timeout_seconds=0.05, max_seconds=0.1)
    assert await left_behind(partial(failed, forwarder)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("answered", [True, False], ids=["answered there", "answered nowhere"])
async def test_a_question_on_a_silent_connection_and_on_a_fresh_one(start_stub, forwarder_for, answered: bool) -> None:
    def on_the_second(query: bytes) -> list[bytes]:
        stub.asked = getattr(stub, "asked", 0) + 1
        return [reply(query)] if answered and not stub.asked % 2 else []

    stub = await start_stub(stays_silent, on_the_second)
    forwarder = forwarder_for(stub.settings("tcp"), timeout_seconds=0.4, max_seconds=0.4)

    async def asked() -> None:
        await ask(forwarder).result()
        await asyncio.sleep(0.02)

    assert await left_behind(asked) == 0
    assert forwarder.counts["silent_connections"] >= 1


async def test_a_question_that_servers_refuse(start_stub, forwarder_for) -> None:
    stub = await start_stub(says(2), says(5))
    forwarder = forwarder_for(stub, stub.settings("tcp"))
    assert await left_behind(partial(failed, forwarder)) == 0


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_question_that_the_network_refuses(forwarder_for, refused_server, transport: str) -> None:
    forwarder = forwarder_for(UpstreamServer(transport, refused_server.host, refused_server.port))
    assert await left_behind(partial(failed, forwarder)) == 0


async def test_a_question_put_to_a_server_that_is_down_beside_another(start_stub, forwarder_for, clock) -> None:
    silent, good = await start_stub(stays_silent, stays_silent), await start_stub()
    forwarder = forwarder_for(silent.settings("tcp"), good, timeout_seconds=0.05, max_seconds=0.5)
    for _ in range(4):  # the first silence may be the connection's
        await ask(forwarder).answer()
    assert forwarder.servers[0].is_down

    async def probed() -> None:
        clock.ahead_seconds += 1.01
        await ask(forwarder).answer()
        while forwarder.in_flight:  # noqa: ASYNC110 (a deadline that passes sets no event)
            await asyncio.sleep(0.01)

    assert await left_behind(probed) == 0
    assert forwarder.counts["probes"] >= 4


async def test_the_error_of_a_server_that_is_left_alone_for_a_while_does_not_grow(
    forwarder_for, refused_server
) -> None:
    forwarder = forwarder_for(UpstreamServer("tcp", refused_server.host, refused_server.port))

    def depth(error: UpstreamError) -> int:
        frames, at = 0, error.__traceback__
        while at is not None:
            frames, at = frames + 1, at.tb_next
        return frames

    errors: list[Asked] = []
    for _ in range(20):
        errors.append(ask(forwarder))
        await errors[-1].error()
    assert max([depth(await each.error()) for each in errors]) < 10
