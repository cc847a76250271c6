"""Upstream servers that do as they are told, and how a test asks and waits."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence

from resolver.config.settings import UpstreamServer
from resolver.errors import UpstreamError
from resolver.upstream.forwarder import Forwarder
from tests.unit.fair_time import FairTime

QR = 0x80
TC = 0x02

Behaviour = Callable[[bytes], Sequence[bytes]]  # from a query to the replies, in order


def question(name: str = "www.example.com", qtype: int = 1) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return labels + b"\x00" + qtype.to_bytes(2, "big") + b"\x00\x01"


def reply(query: bytes, rcode: int = 0, *, truncated: bool = False, message_id: bytes | None = None) -> bytes:
    """The query sent back as a response; the rest of it is as good an answer as any."""
    flags = bytes([query[2] | QR | (TC if truncated else 0), 0x80 | rcode])
    return (query[:2] if message_id is None else message_id) + flags + query[4:]


def answers(query: bytes) -> list[bytes]:
    return [reply(query)]


def stays_silent(_query: bytes) -> list[bytes]:
    return []


def says(rcode: int) -> Behaviour:
    return lambda query: [reply(query, rcode)]


def truncates(query: bytes) -> list[bytes]:
    return [reply(query, truncated=True)]


class Stub(asyncio.DatagramProtocol):
    """An upstream on one port, UDP and TCP."""

    def __init__(self, udp: Behaviour, tcp: Behaviour | None) -> None:
        self.udp = udp
        self.tcp = tcp  # None refuses connections
        self.queries: list[bytes] = []
        self.ports: list[int] = []  # where each came from
        self.tcp_queries: list[bytes] = []
        self.connections: list[asyncio.StreamWriter] = []
        self.transport: asyncio.DatagramTransport | None = None
        self.listener: asyncio.Server | None = None
        self.port = 0
        self.host = ""

    async def start(self, host: str, port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self.host = host
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))
        self.port = self.transport.get_extra_info("sockname")[1]
        if self.tcp is None:
            return
        try:
            self.listener = await asyncio.start_server(self._serve, host, self.port, backlog=512)
        except OSError:  # the port that was free for UDP is some TCP connection's
            self.transport.close()
            if port:
                raise
            await self.start(host)

    async def stop(self) -> None:
        for writer in self.connections:
            writer.transport.abort()
        if self.listener is not None:
            self.listener.close()
        if self.transport is not None:
            self.transport.close()
        await asyncio.sleep(0.01)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.queries.append(data)
        self.ports.append(addr[1])
        assert self.transport is not None
        for each in self.udp(data):
            self.transport.sendto(each, addr)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                query = await reader.readexactly(length)
                self.tcp_queries.append(query)
                assert self.tcp is not None
                for each in self.tcp(query):
                    writer.write(len(each).to_bytes(2, "big") + each)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def settings(self, transport: str = "udp") -> UpstreamServer:
        return UpstreamServer(transport, self.host, self.port)


class Clock:
    """The time, which a test may move on."""

    def __init__(self) -> None:
        self.ahead_seconds = 0.0
        self._stopped_at: float | None = None

    def __call__(self) -> float:
        return (time.monotonic() if self._stopped_at is None else self._stopped_at) + self.ahead_seconds

    def stop(self) -> None:
        """From now on it is the test alone that moves it on."""
        self._stopped_at = time.monotonic()


class Asked:
    """A question that was asked, and each call of its `done`.

    `seconds` is how long that took; `fair_seconds` is for upper bounds (fair_time).
    """

    clock: FairTime | None = None  # of the test that runs

    def __init__(self) -> None:
        self.calls: list[bytes | UpstreamError] = []
        self._came = asyncio.Event()
        self.asked_at = time.monotonic()
        self.seconds = self.fair_seconds = 0.0
        self._fair_at = Asked.clock.so_far() if Asked.clock else 0.0

    def done(self, result: bytes | UpstreamError) -> None:
        self.seconds = time.monotonic() - self.asked_at
        self.fair_seconds = Asked.clock.so_far() - self._fair_at if Asked.clock else self.seconds
        self.calls.append(result)
        self._came.set()

    async def result(self) -> bytes | UpstreamError:
        async with asyncio.timeout(20):
            await self._came.wait()
        assert len(self.calls) == 1
        return self.calls[0]

    async def answer(self) -> bytes:
        result = await self.result()
        assert isinstance(result, bytes), repr(result)
        return result

    async def error(self) -> UpstreamError:
        result = await self.result()
        assert isinstance(result, UpstreamError), repr(result)
        return result


def ask(forwarder: Forwarder, asked_question: bytes | None = None) -> Asked:
    asked = Asked()
    forwarder.ask(asked_question or question(), dnssec_ok=False, checking_disabled=False, done=asked.done)
    return asked


async def eventually(is_true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(20):
        while not is_true():  # noqa: ASYNC110 many things become true without telling
            await asyncio.sleep(0.005)


def open_descriptors() -> int:
    """Files and sockets that this process holds open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 a list of names is all that is wanted
