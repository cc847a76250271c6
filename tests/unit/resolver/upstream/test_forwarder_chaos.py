"""Servers that do everything wrong at once: each question still ends once, in time, with its own answer or an error."""

from __future__ import annotations

import asyncio
import random

import pytest

from resolver.errors import UpstreamError
from resolver.upstream import udp
from tests.unit.resolver.upstream.stub import Stub, ask, open_descriptors, question, reply


class Chaos:
    """A stub's behaviour: good, late, lost, wrong, truncated, failing or closing, by a seeded die."""

    def __init__(self, seed: int) -> None:
        self.die = random.Random(seed)
        self.stub: Stub | None = None

    def over_udp(self, query: bytes) -> list[bytes]:
        assert self.stub is not None
        throw = self.die.randrange(12)
        if throw == 0:
            return []
        if throw == 1:
            return [reply(query, self.die.choice([1, 2, 4, 5]))]
        if throw == 2:
            return [reply(query, truncated=True), reply(query, truncated=True)]
        if throw == 3:
            return [self.die.randbytes(self.die.randrange(40)) or b"\x00"]
        if throw == 4:
            return [query, reply(query, message_id=self.die.randbytes(2)), reply(query)]
        if throw == 5:
            return [reply(query, 2)[:4] + bytes(8)]
        if throw == 6:
            delay_seconds = self.die.random() * 0.3
            asyncio.get_running_loop().call_later(delay_seconds, self.send, reply(query), self.stub.ports[-1])
            return []
        return [reply(query)]

    def send(self, message: bytes, port: int) -> None:
        assert self.stub is not None
        assert self.stub.transport is not None
        if not self.stub.transport.is_closing():
            self.stub.transport.sendto(message, ("127.0.0.1", port))

    def over_tcp(self, query: bytes) -> list[bytes]:
        assert self.stub is not None
        throw = self.die.randrange(8)
        if throw == 0:
            return []
        if throw == 1:
            self.stub.connections[-1].transport.abort()
            return []
        if throw == 2:
            return [self.die.randbytes(self.die.randrange(30))]
        if throw == 3:
            return [reply(query, truncated=True)]
        return [reply(query)]


@pytest.mark.slow
@pytest.mark.parametrize("transports", [("udp",), ("udp", "udp"), ("udp", "tcp", "udp"), ("tcp",)])
async def test_whatever_the_servers_do_each_question_ends_once(start_stub, forwarder_for, transports) -> None:
    servers = []
    for seed, transport in enumerate(transports):
        chaos = Chaos(seed)
        chaos.stub = await start_stub(chaos.over_udp, chaos.over_tcp)
        servers.append(chaos.stub.settings(transport))
    before = open_descriptors()
    forwarder = forwarder_for(*servers, timeout_seconds=0.2, max_seconds=0.5)
    every = []
    for i in range(30):
        every += [(ask(forwarder, question(f"n{i}-{j}.example")), f"n{i}-{j}.example") for j in range(40)]
        await asyncio.sleep(0.005)
    answered = 0
    for asked, name in every:
        result = await asked.result()
        assert asked.fair_seconds < 1.5
        if isinstance(result, UpstreamError):
            continue
        answered += 1
        assert result[12:].startswith(question(name))
        assert not result[2] & 0x02
        assert result[3] & 0x0F == 0
    await asyncio.sleep(0.35)  # late answers
    assert answered > len(every) // 20  # a server over TCP alone takes many down with each connection it closes
    assert all(len(asked.calls) == 1 for asked, _ in every)
    assert open_descriptors() - before <= len(servers) * (udp.SLOTS + 4) + 1
    forwarder.close()
    assert forwarder.in_flight == 0
