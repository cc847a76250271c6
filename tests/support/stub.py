"""An upstream that misbehaves on demand: late, silent, truncating, gone. For all else there is unbound."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any, cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.support.programs import free_port

DEFAULT_ANSWER = "192.0.2.1"


class StubUpstream:
    """Answers on a port of a loopback address from a thread of its own, until closed. A context manager.

    Its behaviour may change at any time: `records` gives whole answer sections (lines of a zone file) by name, every
    other name has the address DEFAULT_ANSWER for `ttl` seconds; `delays` holds back answers by name, in seconds;
    names in `truncated` are answered with TC over UDP; a `silent` one says nothing. By name, `authority` gives
    authority sections, and `mend` changes the octets of the whole answer.
    """

    def __init__(
        self, records: dict[str, str] | None = None, *, ttl: int = 300, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.host = host
        self.port = port or free_port()
        self.records = records or {}
        self.authority: dict[str, str] = {}
        self.mend: dict[str, Callable[[bytes], bytes]] = {}
        self.ttl = ttl
        self.delays: dict[str, float] = {}
        self.truncated: set[str] = set()
        self.rcodes: dict[str, dns.rcode.Rcode] = {}
        self.silent = False
        self.asked: list[tuple[str, str, str]] = []  # name, type, "udp" or "tcp"
        self.queries: list[dns.message.Message] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"stub upstream on {self.port}", daemon=True)

    @property
    def server(self) -> str:
        """As `upstream.servers` names it."""
        return f"udp://{self.host}:{self.port}"

    def __enter__(self) -> StubUpstream:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)

    def times_asked(self, name: str) -> int:
        """How often a name was asked for."""
        return sum(1 for asked, _, _ in self.asked if asked == name)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._stopped = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        address = (self.host, self.port)
        transport, _ = await self._loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=address)
        server = await asyncio.start_server(self._connection, *address)
        self._ready.set()
        await self._stopped.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        transport.close()
        await asyncio.sleep(0)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something until it is done or the stub closes."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                wire = await self.answer(await reader.readexactly(length), "tcp")
                if wire is not None:
                    writer.write(struct.pack("!H", len(wire)) + wire)

    async def answer(self, wire: bytes, transport: str) -> bytes | None:
        """What to say to a query."""
        asked = dns.message.from_wire(wire)
        self.queries.append(asked)
        question = asked.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append((name, dns.rdatatype.to_text(question.rdtype), transport))
        if self.silent:
            return None
        if delay := self.delays.get(name):
            await asyncio.sleep(delay)
        response = dns.message.make_response(asked, recursion_available=True)
        if name in self.rcodes:
            response.set_rcode(self.rcodes[name])
        elif transport == "udp" and name in self.truncated:
            response.flags |= dns.flags.TC
        elif name in self.records:
            response.answer = _section(self.records[name])
        elif question.rdtype == dns.rdatatype.A and name not in self.authority:
            response.answer = [dns.rrset.from_text(question.name, self.ttl, "IN", "A", DEFAULT_ANSWER)]
        response.authority = _section(self.authority.get(name, ""))
        return self.mend.get(name, bytes)(response.to_wire(max_size=65535))


def _section(text: str) -> list[dns.rrset.RRset]:
    return [rrset for line in text.splitlines() if (rrset := _rrset(line)) is not None]


def _rrset(text: str) -> dns.rrset.RRset | None:
    if not text.strip():
        return None
    owner, ttl, rdclass, rdtype, data = text.split(maxsplit=4)
    return dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, data)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, stub: StubUpstream) -> None:
        self._stub = stub

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # it is one in all but its ancestry

    def datagram_received(self, data: bytes, address: tuple[Any, ...]) -> None:
        self._stub.spawn(self._answer(data, address))

    async def _answer(self, data: bytes, address: tuple[Any, ...]) -> None:
        answer = await self._stub.answer(data, "udp")
        if answer is not None:
            self._transport.sendto(answer, address)
