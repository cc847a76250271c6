"""Connections that fall silent while their server is well: what was asked there is asked again on a fresh one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from resolver.config.settings import UpstreamServer
from resolver.errors import UpstreamTimeout
from resolver.upstream.forwarder import Forwarder
from tests.unit.resolver.upstream.relay import Relay
from tests.unit.resolver.upstream.secure_stub import Authority, DotServing, HttpsServing, SecureStub
from tests.unit.resolver.upstream.stub import answers, ask, question, reply, stays_silent

SOON_SECONDS = 1.5  # 0.3 s and a handshake, on a busy machine; clients wait for some seconds
KINDS = ["tcp", "tls", "https"]


@pytest.fixture
async def start_relay() -> AsyncIterator[Callable[[UpstreamServer], Awaitable[Relay]]]:
    relays: list[Relay] = []

    async def start(server: UpstreamServer) -> Relay:
        relay = Relay(server)
        await relay.start()
        relays.append(relay)
        return relay

    yield start
    for relay in relays:
        await relay.stop()


class Way:
    """A server behind a relay, and who asks it."""

    def __init__(self, relay: Relay, forwarder: Forwarder) -> None:
        self.relay = relay
        self.forwarder = forwarder
        self.delay_seconds = 0.0
        self.is_silent = False
        self.asked = 0

    def answers(self, query: bytes) -> list[bytes]:
        self.asked += 1
        return [] if self.is_silent else [reply(query)]

    async def answer_soon(self, name: str) -> None:
        asked = ask(self.forwarder, question(name))
        assert question(name) in await asked.answer()
        assert asked.fair_seconds < SOON_SECONDS


@pytest.fixture
def patience() -> dict[str, float]:
    """How long a server is waited for; a test that waits in vain may have less."""
    return {"timeout_seconds": 2.0, "max_seconds": 4.5}


@pytest.fixture(params=KINDS)
async def way(
    request: pytest.FixtureRequest,
    start_stub,
    start_relay,
    forwarder_for,
    tmp_path: Path,
    patience: dict[str, float],
) -> AsyncIterator[Way]:
    made: list[Way] = []

    def behaviour(query: bytes) -> list[bytes]:
        return made[0].answers(query)

    def http_behaviour(serving: HttpsServing, stream_id: int, query: bytes) -> None:
        for each in behaviour(query):
            if made[0].delay_seconds:
                asyncio.get_running_loop().call_later(made[0].delay_seconds, serving.say, stream_id, each)
            else:
                serving.say(stream_id, each)

    authority = Authority(tmp_path)
    secure = SecureStub()
    if request.param == "tcp":
        server = (await start_stub(stays_silent, behaviour)).settings("tcp")
    elif request.param == "tls":
        await secure.start(partial(DotServing, behaviour=behaviour), authority.context())
        server = secure.dot()
    else:
        await secure.start(partial(HttpsServing, behaviour=http_behaviour), authority.context(protocols=["h2"]))
        server = secure.doh()
    relay = await start_relay(server)
    forwarder = forwarder_for(relay.settings, ca_file=str(authority.file), **patience)
    made.append(Way(relay, forwarder))
    yield made[0]
    await secure.stop()


async def test_a_question_on_a_connection_that_falls_silent_is_answered_on_a_fresh_one(way: Way) -> None:
    await way.answer_soon("first.example")
    way.relay.freeze()
    await way.answer_soon("second.example")
    assert way.relay.opened == 2
    assert way.forwarder.counts["silent_connections"] == 1
    server = way.forwarder.servers[0]
    assert (server.failures, server.is_down, server.timeouts, server.in_flight) == (0, False, 0, 0)
    asked = ask(way.forwarder, question("third.example"))
    await asked.answer()
    assert asked.fair_seconds < 0.25, "the silent one is not asked any more"
    async with asyncio.timeout(6):
        await way.relay.has_closed_one.wait()
    assert way.relay.opened == 2


async def test_all_that_was_in_flight_is_answered(way: Way) -> None:
    await way.answer_soon("first.example")
    way.relay.freeze()
    batch = [ask(way.forwarder, question(f"n{i}.example")) for i in range(50)]
    for i, asked in enumerate(batch):
        assert question(f"n{i}.example") in await asked.answer()
        assert asked.fair_seconds < SOON_SECONDS
    assert way.relay.opened == 2
    assert way.forwarder.servers[0].in_flight == 0


@pytest.mark.slow
async def test_a_connection_that_was_silent_from_the_start_is_no_better(way: Way) -> None:
    way.relay.frozen.add(0)
    asked = ask(way.forwarder)
    await asked.answer()
    assert asked.fair_seconds < 1.5
    assert not way.forwarder.servers[0].failures


@pytest.mark.slow
async def test_connections_may_fall_silent_time_and_again(way: Way) -> None:
    for i in range(3):
        await way.answer_soon(f"n{i}.example")
        way.relay.freeze()
    await way.answer_soon("last.example")
    assert way.forwarder.counts["silent_connections"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("patience", [{"timeout_seconds": 0.7, "max_seconds": 1.5}], ids=[""])
async def test_a_server_that_is_silent_itself_is_asked_over_two_connections_and_no_more(way: Way) -> None:
    await way.answer_soon("first.example")
    way.is_silent = True
    known = way.asked
    asked = ask(way.forwarder, question("never.example"))
    assert isinstance(await asked.error(), UpstreamTimeout)
    assert asked.fair_seconds < 1.6
    assert way.asked - known == 2
    for i in range(3):
        assert isinstance(await ask(way.forwarder, question(f"n{i}.example")).error(), UpstreamTimeout)
    assert way.relay.opened <= 4
    assert way.forwarder.counts["silent_connections"] == 1
    assert way.forwarder.servers[0].is_down
    way.is_silent = False
    await way.answer_soon("again.example")


@pytest.mark.slow
async def test_a_question_is_asked_once_while_its_server_answers_others(way: Way) -> None:
    await way.answer_soon("first.example")
    way.is_silent = True
    slow = ask(way.forwarder, question("slow.example"))
    await asyncio.sleep(0.05)
    way.is_silent = False
    for i in range(9):
        await asyncio.sleep(0.05)
        await way.answer_soon(f"n{i}.example")
    assert way.relay.opened == 1
    assert not slow.calls


@pytest.mark.parametrize("first", [0, 1], ids=["the silent connection", "the fresh one"])
async def test_whichever_connection_answers_first_has_answered_and_the_other_is_not_waited_for(
    start_stub, forwarder_for, first: int
) -> None:
    has_come = asyncio.Event()

    def tells(_query: bytes) -> list[bytes]:
        if len(stub.connections) == 2:
            has_come.set()
        return []

    stub = await start_stub(stays_silent, tells)
    forwarder = forwarder_for(stub.settings("tcp"), timeout_seconds=2.0, max_seconds=4.5)
    asked = ask(forwarder)
    async with asyncio.timeout(6):
        await has_come.wait()
    for number in (first, 1 - first):
        message = reply(stub.tcp_queries[number])
        if not stub.connections[number].is_closing():  # the silent one is closed once nobody waits there
            stub.connections[number].write(len(message).to_bytes(2, "big") + message)
        assert await asked.answer() == reply(stub.tcp_queries[first])
        assert forwarder.servers[0].in_flight == 0
        await asyncio.sleep(0.05)
    assert forwarder.servers[0].heard == 1


@pytest.mark.slow
async def test_a_server_whose_connection_fell_silent_is_not_taken_to_be_down(
    start_stub, forwarder_for, start_relay
) -> None:
    stub, other = await start_stub(stays_silent, answers), await start_stub()
    relay = await start_relay(stub.settings("tcp"))
    forwarder = forwarder_for(relay.settings, other, timeout_seconds=2.0, max_seconds=4.5)
    await ask(forwarder).answer()
    for i in range(3):
        relay.freeze()
        await ask(forwarder, question(f"n{i}.example")).answer()
    assert not forwarder.servers[0].failures
    assert not other.queries


@pytest.mark.slow
async def test_a_fresh_connection_that_is_refused_leaves_the_silent_one_to_answer(
    start_stub, forwarder_for, start_relay
) -> None:
    stub = await start_stub(stays_silent, answers)
    relay = await start_relay(stub.settings("tcp"))
    forwarder = forwarder_for(relay.settings, timeout_seconds=2.0, max_seconds=4.5)
    await ask(forwarder).answer()
    assert relay._listener is not None
    relay._listener.close()
    relay.freeze()
    asked = ask(forwarder, question("never.example"))
    await asked.error()
    assert asked.seconds > 1.0, "one whose answer may still come is waited for"
    assert asked.fair_seconds < 4.5


async def test_a_udp_port_that_a_firewall_forgot_costs_a_client_half_a_try(start_stub, forwarder_for) -> None:
    dead: set[int] = set()

    def on_living_ports(query: bytes) -> list[bytes]:
        if b"dies" in query and not dead:
            dead.add(stub.ports[-1])
        return [] if stub.ports[-1] in dead else [reply(query)]

    stub = await start_stub(on_living_ports)
    forwarder = forwarder_for(stub, timeout_seconds=0.8, max_seconds=2.0)
    asked = ask(forwarder, question("dies.example"))
    await asked.answer()
    assert asked.fair_seconds < 0.6
    assert len(dead) == 1
