"""A sink by syslog: framed, over TLS with a verified name, best effort; what cannot be sent in time is counted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import trustme

from tests.unit.admin_api.sinks.conftest import SinksOfLog, WrittenLog, numbered, until


class StreamServer:
    """A syslog server over TCP or TLS: it takes frames apart, and may read slowly or not at all."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.connections = 0
        self.reads = asyncio.Event()
        self.reads.set()
        self.port = 0
        self.peer_names: list[object] = []

    @property
    def names(self) -> list[str]:
        return [json.loads(one.partition(b" - query - ")[2])["name"].removesuffix(".example") for one in self.messages]

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.peer_names.append(writer.get_extra_info("peercert"))
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await self.reads.wait()
                    length = int(await reader.readuntil(b" "))
                    self.messages.append(await reader.readexactly(length))
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def serving(server: StreamServer, context: ssl.SSLContext | None = None) -> AsyncIterator[StreamServer]:
    listening = socket.create_server(("127.0.0.1", server.port))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    running = await asyncio.start_server(server.take, sock=listening, ssl=context, limit=4096)
    server.port = running.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        running.close()
        for task in asyncio.all_tasks():
            if "StreamServer.take" in repr(task.get_coro()):
                task.cancel()


def contexts(folder: Path) -> tuple[trustme.CA, ssl.SSLContext, str]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("logs.corp.example").configure_cert(context)
    authority.configure_trust(context)
    return authority, context, str(folder / "ca.pem")


async def test_over_tls_the_name_is_verified_and_a_client_certificate_is_shown(
    log: WrittenLog, made: SinksOfLog, tmp_path: Path
) -> None:
    authority, context, ca = contexts(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    pair = authority.issue_cert("moatdns.corp.example")
    pair.private_key_pem.write_to_path(key := str(tmp_path / "key.pem"))
    pair.cert_chain_pems[0].write_to_path(certificate := str(tmp_path / "client.pem"))
    tls = {"ca": ca, "server_name": "logs.corp.example", "certificate": certificate, "private_key": key}
    async with serving(StreamServer(), context) as server:
        async with made.running(f"syslog+tls://127.0.0.1:{server.port}", format="plain", **tls) as sink:
            log.add(range(300), is_whole=True)
            await until(lambda: len(server.messages) == 300)
        assert (server.names, server.connections, sink.state.last_error) == (numbered(range(300)), 1, None)
        assert "moatdns.corp.example" in str(server.peer_names)
        assert server.messages[0].startswith(b"<29>1 20")


async def test_a_server_with_a_certificate_for_another_name_or_by_another_ca_gets_nothing(
    log: WrittenLog, made: SinksOfLog, tmp_path: Path
) -> None:
    _, context, ca = contexts(tmp_path)
    wrong = {"server_name": {"ca": ca}, "ca": {"server_name": "logs.corp.example"}}
    async with serving(StreamServer(), context) as server:
        for number, tls in enumerate(wrong.values()):
            log.add(range(number, number + 1))
            async with made.running(f"syslog+tls://127.0.0.1:{server.port}", format="plain", **tls) as sink:
                log.add(range(2))
                await until(lambda sink=sink: sink.state.last_error)
                assert "its certificate is not valid" in str(sink.state.last_error)
                assert sink.state.sent == 0
        assert server.messages == []


@pytest.mark.slow
async def test_a_server_that_reads_slowly_gets_all_of_it_on_one_connection(log: WrittenLog, made: SinksOfLog) -> None:
    async with serving(StreamServer()) as server:
        server.reads.clear()
        async with made.running(f"syslog+tcp://127.0.0.1:{server.port}", format="plain", timeout_seconds=20) as sink:
            for first in range(0, 30_000, 3000):
                log.add(range(first, first + 3000), is_whole=True)
            await until(lambda: sink.state.sent and sink.state.behind_seconds > 0.5)
            assert sink.state.sent < 30_000  # the rest is in the log, and not in our memory
            server.reads.set()
            await until(lambda: len(server.messages) == 30_000, 60)
        assert server.connections == 1
        assert server.names == numbered(range(30_000))


@pytest.mark.slow
async def test_what_a_silent_server_does_not_take_in_time_is_passed_over_and_counted(
    log: WrittenLog, made: SinksOfLog
) -> None:
    async with serving(StreamServer()) as server:
        server.reads.clear()
        to = f"syslog+tcp://127.0.0.1:{server.port}"
        async with made.running(to, format="plain", timeout_seconds=1, longest_wait_seconds=2) as sink:
            for first in range(0, 30_000, 3000):
                log.add(range(first, first + 3000), at=time.time() + 1.5, is_whole=True)  # late only in 3.5 seconds
            await until(lambda: sink.state.last_error)
            await until(lambda: sink.state.dropped["late"], 30)
            assert any("rows were dropped within the last five minutes" in text for text in sink.troubles)
            server.reads.set()
            await until(lambda: not sink.state.oldest)
            log.add(range(30_000, 30_010))
            await until(lambda: any(b'"n30009.example"' in one for one in server.messages))
    assert "rows for a log sink are dropped" in [event for event, _ in made.said.lines]
    assert sink.state.sent + sink.state.dropped["late"] == 30_010


async def test_after_a_server_has_ended_its_connection_nothing_is_sent_into_it(
    log: WrittenLog, made: SinksOfLog
) -> None:
    server = StreamServer()
    async with serving(server):
        pass
    async with made.running(f"syslog+tcp://127.0.0.1:{server.port}", format="plain") as sink:
        for number in range(4):
            async with serving(server):
                log.add(range(number, number + 1))
                await until(lambda number=number: len(server.messages) == number + 1)
    assert (server.names, sink.state.dropped.total()) == (numbered(range(4)), 0)


def _receive(listening: socket.socket, came: list[bytes]) -> None:
    came.append(listening.recv(65535))


async def test_datagrams_go_by_udp_and_to_a_socket_of_this_machine(
    log: WrittenLog, made: SinksOfLog, tmp_path: Path
) -> None:
    local = str(tmp_path / "log.socket")
    for family, place in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_UNIX, local)):
        with socket.socket(family, socket.SOCK_DGRAM) as listening:
            listening.bind(place)
            listening.setblocking(False)
            at = listening.getsockname()
            to = f"syslog+unix:{local}" if family == socket.AF_UNIX else f"syslog+udp://127.0.0.1:{at[1]}"
            came: list[bytes] = []
            asyncio.get_running_loop().add_reader(listening, partial(_receive, listening, came))
            async with made.running(to):
                log.add(range(20))
                await until(partial(lambda some: len(some) == 20, came))
            asyncio.get_running_loop().remove_reader(listening)
            assert all(one.startswith(b"<29>1 ") and b" moatdns - query - {" in one for one in came)
            names = [json.loads(one.partition(b" - query - ")[2])["dns"]["question"]["name"] for one in came]
            assert names == [f"n{number}.example" for number in range(20)]


async def test_verdicts_that_people_look_for_have_a_severity_of_their_own(log: WrittenLog, made: SinksOfLog) -> None:
    async with serving(StreamServer()) as server, made.running(f"syslog+tcp://127.0.0.1:{server.port}"):
        log.add(range(1), verdict="block", at=time.time() - 1)
        log.add(range(1), verdict="allow")
        await until(lambda: len(server.messages) == 2)
        assert [one[:5] for one in server.messages] == [b"<29>1", b"<30>1"]
