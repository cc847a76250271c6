"""Upstreams by DoT: whom we talk to, and what happens to connections."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from resolver.config.settings import UpstreamServer
from resolver.errors import UpstreamInsecure, UpstreamUnreachable
from resolver.upstream import connection
from tests.unit.resolver.upstream.secure_stub import NAME, Authority, DotServing, SecureStub
from tests.unit.resolver.upstream.stub import Behaviour, answers, ask, question, reply

StartDot = Callable[..., Awaitable[SecureStub]]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def start_dot(authority: Authority) -> AsyncIterator[StartDot]:
    stubs: list[SecureStub] = []

    async def start(
        behaviour: Behaviour = answers, *, context: ssl.SSLContext | None = None, port: int = 0
    ) -> SecureStub:
        stub = SecureStub()
        stub.port = port
        stubs.append(stub)
        await stub.start(partial(DotServing, behaviour=behaviour), context or authority.context())
        return stub

    yield start
    for stub in stubs:
        await stub.stop()


async def test_many_questions_share_one_encrypted_connection_in_whole_blocks(
    start_dot, forwarder_for, authority
) -> None:
    stub = await start_dot()
    forwarder = forwarder_for(stub.dot(), ca_file=str(authority.file), timeout_seconds=2, max_seconds=4)
    for i, asked in enumerate([ask(forwarder, question(f"n{i}.example")) for i in range(200)]):
        assert question(f"n{i}.example") in await asked.answer()
    assert len(stub.connections) == 1
    assert {len(query) for query in stub.queries} == {128}  # RFC 8467 section 4.1
    assert len({query[:2] for query in stub.queries}) > 190


@pytest.mark.parametrize(
    ("names", "wanted", "why"),
    [
        ((NAME,), "other.example", "Hostname mismatch"),
        ((NAME,), "sub.dns.example", "Hostname mismatch"),
        ((NAME,), "127.0.0.1", "IP address mismatch"),
        (("127.0.0.2",), "127.0.0.1", "IP address mismatch"),
    ],
)
async def test_a_certificate_for_another_name_is_refused_and_that_is_told(
    start_dot, forwarder_for, authority, names, wanted, why
) -> None:
    stub = await start_dot(context=authority.context(*names))
    forwarder = forwarder_for(stub.dot(wanted), ca_file=str(authority.file), timeout_seconds=2, max_seconds=4)
    error = await ask(forwarder).error()
    assert isinstance(error, UpstreamInsecure)
    assert f"its certificate is not valid: {why}" in str(error)
    assert stub.queries == []
    (server,) = forwarder.servers
    assert server.counts["upstream", server.name, "tls"] == 1
    assert why in server.trouble


async def test_an_address_in_the_certificate_is_good_for_that_address(start_dot, forwarder_for, authority) -> None:
    stub = await start_dot(context=authority.context("127.0.0.1"))
    await ask(forwarder_for(stub.dot("127.0.0.1"), ca_file=str(authority.file))).answer()


async def test_an_unknown_issuer_is_refused(start_dot, forwarder_for, tmp_path) -> None:
    stub = await start_dot()
    (tmp_path / "other").mkdir()
    for ca_file in (str(Authority(tmp_path / "other").file), None):
        error = await ask(forwarder_for(stub.dot(), ca_file=ca_file, timeout_seconds=2, max_seconds=4)).error()
        assert isinstance(error, UpstreamInsecure)
        assert "unable to get local issuer certificate" in str(error)
    assert stub.queries == []


async def test_a_certificate_that_is_over_is_refused(start_dot, forwarder_for, authority) -> None:
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    stub = await start_dot(context=authority.context(until=yesterday))
    error = await ask(forwarder_for(stub.dot(), ca_file=str(authority.file), timeout_seconds=2, max_seconds=4)).error()
    assert isinstance(error, UpstreamInsecure)
    assert "certificate has expired" in str(error)


async def test_a_server_that_speaks_no_tls_is_no_good(forwarder_for, authority) -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as listener:
        server = UpstreamServer("tls", "127.0.0.1", listener.sockets[0].getsockname()[1], NAME)
        forwarder = forwarder_for(server, ca_file=str(authority.file), timeout_seconds=1, max_seconds=2)
        error = await ask(forwarder).error()
    assert isinstance(error, UpstreamInsecure)
    assert "TLS: " in str(error)


async def test_a_server_with_a_bad_certificate_is_passed_over_at_once(start_dot, forwarder_for, authority) -> None:
    bad, good = await start_dot(context=authority.context("other.example")), await start_dot()
    forwarder = forwarder_for(bad.dot(), good.dot(), ca_file=str(authority.file), timeout_seconds=4, max_seconds=4)
    asked = ask(forwarder)
    await asked.answer()
    assert asked.fair_seconds < 0.8


async def test_the_next_connection_resumes_the_session(start_dot, forwarder_for, authority, monkeypatch) -> None:
    monkeypatch.setattr(connection, "ENCRYPTED_IDLE_SECONDS", 0.05)
    stub = await start_dot()
    forwarder = forwarder_for(stub.dot(), ca_file=str(authority.file), timeout_seconds=2, max_seconds=4)
    for _ in range(3):
        await ask(forwarder).answer()
        await asyncio.sleep(0.1)
    assert stub.resumed == [False, True, True]


async def test_a_resumed_session_does_not_make_another_name_good(start_dot, forwarder_for, authority) -> None:
    stub = await start_dot()
    forwarder = forwarder_for(
        stub.dot(), stub.dot("other.example"), ca_file=str(authority.file), timeout_seconds=2, max_seconds=4,
        strategy="parallel",
    )  # fmt: skip
    for _ in range(3):
        await ask(forwarder).answer()
    assert forwarder.servers[1].heard == 0
    assert forwarder.servers[1].insecure


async def test_a_server_that_closes_after_each_answer_loses_no_question(start_dot, forwarder_for, authority) -> None:
    def answers_once(query: bytes) -> list[bytes]:
        asyncio.get_running_loop().call_soon(stub.connections[-1].close)
        return [reply(query)]

    stub = await start_dot(answers_once)
    forwarder = forwarder_for(stub.dot(), ca_file=str(authority.file), timeout_seconds=2, max_seconds=4)
    for i in range(20):
        await ask(forwarder, question(f"n{i}.example")).answer()
    assert len(stub.connections) >= 20
    assert sum(map(bool, stub.resumed)) >= 18


async def test_a_dead_server_is_not_dialled_for_every_question_and_is_found_when_it_is_back(
    start_dot, start_stub, forwarder_for, authority, clock
) -> None:
    stub = await start_dot()
    good = await start_stub()
    forwarder = forwarder_for(stub.dot(), good, ca_file=str(authority.file), timeout_seconds=2, max_seconds=4)
    await ask(forwarder).answer()
    await stub.stop()
    for i in range(50):
        await ask(forwarder, question(f"n{i}.example")).answer()
    dead = forwarder.servers[0]
    assert dead.is_down
    again = await start_dot(port=stub.port)
    async with asyncio.timeout(3):
        while dead.is_down:
            clock.ahead_seconds += 1
            await ask(forwarder).answer()
            await asyncio.sleep(0.1)
    assert again.queries


@pytest.mark.slow
async def test_without_another_server_questions_wait_no_longer_than_the_server_is_away(
    start_dot, forwarder_for, authority
) -> None:
    stub = await start_dot()
    forwarder = forwarder_for(stub.dot(), ca_file=str(authority.file), timeout_seconds=2, max_seconds=4)
    await ask(forwarder).answer()
    await stub.stop()
    for i in range(5):
        assert isinstance(await ask(forwarder, question(f"n{i}.example")).error(), UpstreamUnreachable)
    await start_dot(port=stub.port)
    await asyncio.sleep(0.6)
    await ask(forwarder).answer()


async def test_a_ca_file_that_is_gone_is_told_and_good_again_when_it_is_back(
    start_dot, forwarder_for, authority
) -> None:
    stub = await start_dot()
    text = authority.file.read_text()
    authority.file.unlink()
    forwarder = forwarder_for(stub.dot(), ca_file=str(authority.file), timeout_seconds=2, max_seconds=4)
    error = await ask(forwarder).error()
    assert isinstance(error, UpstreamInsecure)
    assert str(authority.file) in str(error)
    authority.file.write_text(text)
    await ask(forwarder).answer()


async def test_a_ca_file_that_changes_is_read_again_for_the_next_connection(
    start_dot, forwarder_for, authority, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(connection, "ENCRYPTED_IDLE_SECONDS", 0.01)
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    stub = await start_dot(context=other.context())
    forwarder = forwarder_for(stub.dot(), ca_file=str(authority.file), timeout_seconds=2, max_seconds=4)
    assert isinstance(await ask(forwarder).error(), UpstreamInsecure)
    part = tmp_path / "ca.part"
    part.write_text(other.file.read_text())
    part.replace(authority.file)
    await ask(forwarder, question("renewed.example")).answer()
    await asyncio.sleep(0.05)
    authority.file.write_text("half written")
    await ask(forwarder, question("kept.example")).answer()
    await asyncio.sleep(0.05)
    authority.file.unlink()
    await ask(forwarder, question("gone.example")).answer()
