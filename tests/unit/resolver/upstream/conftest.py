"""Fixtures: stubs are stopped and forwarders closed, and must then hold nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import uvloop

from resolver.config.settings import UpstreamOptions, UpstreamServer
from resolver.upstream.bootstrap import Bootstrap
from resolver.upstream.forwarder import Forwarder
from tests.unit.fair_time import FairTime
from tests.unit.resolver.upstream.stub import Asked, Behaviour, Clock, Stub, answers


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on the loop that the workers run on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def start_stub() -> AsyncIterator[Callable[..., Awaitable[Stub]]]:
    stubs: list[Stub] = []

    async def start(
        udp: Behaviour = answers, tcp: Behaviour | None = None, *, host: str = "127.0.0.1", port: int = 0
    ) -> Stub:
        stub = Stub(udp, tcp)
        await stub.start(host, port)
        stubs.append(stub)
        return stub

    yield start
    for stub in stubs:
        await stub.stop()


@pytest.fixture
async def forwarder_for(clock: Clock) -> AsyncIterator[Callable[..., Forwarder]]:
    """Makes forwarders; at the end all are closed and must hold nothing in flight."""
    forwarders: list[Forwarder] = []

    def make(
        *servers: Stub | UpstreamServer,
        timeout_seconds: float = 0.4,
        max_seconds: float = 1.0,
        strategy: str = "ordered",
        most_in_flight: int = 100_000,
        bootstrap: Bootstrap | None = None,
        **options: Any,
    ) -> Forwarder:
        forwarder = Forwarder(
            [each.settings() if isinstance(each, Stub) else each for each in servers],
            timeout_seconds=timeout_seconds,
            max_seconds=max_seconds,
            loop=asyncio.get_running_loop(),
            clock=clock,
            options=UpstreamOptions(strategy=strategy, **options),
            most_in_flight=most_in_flight,
            bootstrap=bootstrap,
        )
        forwarders.append(forwarder)
        return forwarder

    async with FairTime() as Asked.clock:
        yield make
    Asked.clock = None
    for forwarder in forwarders:
        forwarder.close()
        assert forwarder.in_flight == 0
    await asyncio.sleep(0)


@pytest.fixture
def refused_server() -> Iterator[UpstreamServer]:
    """A port on which nobody listens, neither UDP nor TCP."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as holder:  # bound and not listening: nobody else gets it
        holder.bind(("127.0.0.1", 0))
        yield UpstreamServer("udp", "127.0.0.1", holder.getsockname()[1])
