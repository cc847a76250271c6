"""Addresses of upstreams that have names: who is asked, how long they are kept, and what is done without."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from resolver.config.settings import UpstreamServer
from resolver.errors import UpstreamError, UpstreamUnreachable
from resolver.upstream.bootstrap import Bootstrap
from tests.unit.resolver.upstream.secure_stub import NAME, Authority, DotServing, SecureStub
from tests.unit.resolver.upstream.stub import Clock, ask, question, reply, says


class Names:
    """A plain server that knows one name; any address for it, for so many seconds."""

    def __init__(self, *addresses: str, ttl_seconds: int = 60) -> None:
        self.addresses = list(addresses)
        self.ttl_seconds = ttl_seconds

    def answers(self, query: bytes) -> list[bytes]:
        end = query.index(b"\0", 12) + 5
        of_type = {1: 4, 28: 6}[query[end - 3]]
        packed = [each.packed for each in map(ipaddress.ip_address, self.addresses) if each.version == of_type]
        records = [
            b"\xc0\x0c" + query[end - 4 : end] + self.ttl_seconds.to_bytes(4, "big") + bytes([0, len(each)]) + each
            for each in packed
        ]
        head = query[:2] + b"\x81\x80\0\1" + len(records).to_bytes(2, "big") + bytes(4)
        return [head + query[12:end] + b"".join(records)]


async def told(bootstrap: Bootstrap, addresses: list[str]) -> None:
    """Ask until it gives these, which are asked for in the background."""
    async with asyncio.timeout(20):
        while await bootstrap.addresses(NAME) != addresses:  # noqa: ASYNC110 it tells nobody
            await asyncio.sleep(0.005)


@pytest.fixture
def names() -> Names:
    return Names("127.0.0.1")


@pytest.fixture
async def bootstrap_for(forwarder_for, clock: Clock) -> AsyncIterator:
    every: list[Bootstrap] = []

    def make(*servers) -> Bootstrap:
        bootstrap = Bootstrap(forwarder_for(*servers), asyncio.get_running_loop(), clock)
        every.append(bootstrap)
        return bootstrap

    yield make
    for bootstrap in every:
        bootstrap.close()


async def test_both_kinds_of_addresses_are_asked_for_once_and_kept_as_long_as_they_say(
    start_stub, bootstrap_for, names: Names, clock: Clock
) -> None:
    names.addresses = ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
    stub = await start_stub(names.answers)
    bootstrap = bootstrap_for(stub)
    found = await asyncio.gather(*(bootstrap.addresses(NAME) for _ in range(5)))
    assert found == [["192.0.2.1", "192.0.2.2", "2001:db8::1"]] * 5
    assert len(stub.queries) == 2
    names.addresses = ["192.0.2.3"]
    clock.ahead_seconds += 59
    assert await bootstrap.addresses(NAME) == found[0]
    clock.ahead_seconds += 2
    assert await bootstrap.addresses(NAME) == found[0]  # once more, and they are renewed meanwhile
    await told(bootstrap, ["192.0.2.3"])


async def test_addresses_that_cannot_be_renewed_stay(start_stub, bootstrap_for, names: Names, clock: Clock) -> None:
    stub = await start_stub(names.answers)
    bootstrap = bootstrap_for(stub)
    await bootstrap.addresses(NAME)
    for failing in (says(2), says(3)):
        stub.udp = failing
        clock.ahead_seconds += 61
        assert await bootstrap.addresses(NAME) == ["127.0.0.1"]
        await asyncio.sleep(0.05)
    assert await bootstrap.addresses(NAME) == ["127.0.0.1"]
    stub.udp = Names("192.0.2.9").answers
    clock.ahead_seconds += 11
    await bootstrap.addresses(NAME)
    await told(bootstrap, ["192.0.2.9"])


async def test_a_name_without_address_is_an_error_and_asked_for_again(start_stub, bootstrap_for, names: Names) -> None:
    names.addresses = []
    stub = await start_stub(names.answers)
    bootstrap = bootstrap_for(stub)
    with pytest.raises(UpstreamUnreachable, match=r"dns\.example has no address"):
        await bootstrap.addresses(NAME)
    stub.udp = says(2)
    with pytest.raises(UpstreamError):
        await bootstrap.addresses(NAME)
    names.addresses = ["192.0.2.1"]
    stub.udp = names.answers
    assert await bootstrap.addresses(NAME) == ["192.0.2.1"]


async def test_an_answer_that_is_cut_off_is_no_address(start_stub, bootstrap_for, names: Names) -> None:
    stub = await start_stub(lambda query: [names.answers(query)[0][:-2] if query.count(b"\0\1\0\1") else reply(query)])
    with pytest.raises(UpstreamError):
        await bootstrap_for(stub).addresses(NAME)


async def test_an_upstream_with_a_name_is_asked_at_its_address_and_must_have_the_name(
    start_stub, bootstrap_for, forwarder_for, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    # Nobody listens at the first address; the second is good, and comes first from then on.
    names = await start_stub(Names("127.0.0.77", "127.0.0.1").answers)
    stub = SecureStub()
    await stub.start(partial(DotServing), authority.context(NAME))
    make = partial(
        forwarder_for, ca_file=str(authority.file), bootstrap=bootstrap_for(names), timeout_seconds=2, max_seconds=4
    )
    forwarder = make(stub.dot(host=NAME))
    for i in range(3):
        await ask(forwarder, question(f"n{i}.example")).answer()
    error = await ask(make(UpstreamServer("tls", "other.example", stub.port, "other.example"))).error()
    assert "its certificate is not valid" in str(error)
    await stub.stop()


async def test_without_anybody_to_ask_a_name_is_unreachable(forwarder_for) -> None:
    error = await ask(forwarder_for(UpstreamServer("tls", NAME, 853, NAME))).error()
    assert isinstance(error, UpstreamUnreachable)
    assert "no server can resolve its name" in str(error)
