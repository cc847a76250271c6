"""Upstreams by DoT and DoH that do as they are told, with certificates of a CA made for the test."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import trustme
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes, Settings

from resolver.config.settings import UpstreamServer
from tests.unit.resolver.upstream.stub import Behaviour, answers

NAME = "dns.example"

HttpBehaviour = Callable[["HttpsServing", int, bytes], None]


class Authority:
    """A CA, and the file that says so."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def context(
        self, *names: str, protocols: Sequence[str] = (), until: datetime.datetime | None = None
    ) -> ssl.SSLContext:
        """For a server whose certificate is for these names and addresses."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*(names or (NAME, "127.0.0.1")), not_after=until).configure_cert(context)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context


class SecureStub:
    """A server on a port of 127.0.0.1, behind TLS. `connections` holds its ends of them."""

    def __init__(self) -> None:
        self.queries: list[bytes] = []
        self.cancelled: list[int] = []  # streams that the client took back
        self.connections: list[asyncio.BaseTransport] = []
        self.has_lost_one = asyncio.Event()  # of the DoH connections
        self.resumed: list[bool | None] = []
        self.port = 0
        self.listener: asyncio.Server | None = None

    async def start(self, serving: Callable[[SecureStub], asyncio.Protocol], context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        self.listener = await loop.create_server(lambda: serving(self), "127.0.0.1", self.port, ssl=context)
        self.port = self.listener.sockets[0].getsockname()[1]

    def met(self, transport: asyncio.BaseTransport) -> None:
        self.connections.append(transport)
        self.resumed.append(transport.get_extra_info("ssl_object").session_reused)

    async def stop(self) -> None:
        for transport in self.connections:
            transport.abort()  # type: ignore[attr-defined]
        if self.listener is not None:
            self.listener.close()
        await asyncio.sleep(0.01)

    def dot(self, name: str = NAME, host: str = "127.0.0.1") -> UpstreamServer:
        return UpstreamServer("tls", host, self.port, name)

    def doh(self, name: str = NAME, host: str = "127.0.0.1") -> UpstreamServer:
        return UpstreamServer("https", host, self.port, name, "/dns-query")


class DotServing(asyncio.Protocol):
    """One DoT connection."""

    def __init__(self, stub: SecureStub, behaviour: Behaviour = answers) -> None:
        self._stub = stub
        self._behaviour = behaviour
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._stub.met(transport)

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while len(self._pending) >= 2 and len(self._pending) >= 2 + int.from_bytes(self._pending[:2], "big"):
            end = 2 + int.from_bytes(self._pending[:2], "big")
            query, self._pending = self._pending[2:end], self._pending[end:]
            self._stub.queries.append(query)
            for each in self._behaviour(query):
                self._transport.write(len(each).to_bytes(2, "big") + each)  # type: ignore[attr-defined]


class HttpsServing(asyncio.Protocol):
    """One DoH connection."""

    def __init__(self, stub: SecureStub, behaviour: HttpBehaviour, *, most_streams: int = 100) -> None:
        self.stub = stub
        self.http = H2Connection(H2Configuration(client_side=False, header_encoding="ascii"))
        self.http.local_settings = Settings(
            client=False, initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: most_streams}
        )
        self._behaviour = behaviour
        self.headers: dict[int, dict[str, str]] = {}
        self._bodies: dict[int, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.stub.met(transport)
        self.http.initiate_connection()
        self.flush()

    def data_received(self, data: bytes) -> None:
        for event in self.http.receive_data(data):
            if isinstance(event, RequestReceived):
                self.headers[event.stream_id] = dict(event.headers)
                self._bodies[event.stream_id] = b""
            elif isinstance(event, DataReceived):
                self._bodies[event.stream_id] += event.data
                self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                query = self._bodies.pop(event.stream_id)
                self.stub.queries.append(query)
                self._behaviour(self, event.stream_id, query)
            elif isinstance(event, StreamReset):
                self.stub.cancelled.append(event.stream_id)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.http._frame_dispatch_table.clear()  # a cycle: see the connections to upstreams
        self.stub.has_lost_one.set()

    def say(self, stream_id: int, body: bytes, status: str = "200", **headers: str) -> None:
        told = {"content-type": "application/dns-message", **{key.replace("_", "-"): v for key, v in headers.items()}}
        self.http.send_headers(stream_id, [(":status", status), *told.items()])
        self.http.send_data(stream_id, body, end_stream=True)
        self.flush()

    def flush(self) -> None:
        if not self.transport.is_closing():  # type: ignore[attr-defined]
            self.transport.write(self.http.data_to_send())  # type: ignore[attr-defined]
