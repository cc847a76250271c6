"""Ways to a syslog server: datagrams (UDP, RFC 5426; a local socket) and streams (TCP, TLS), one connection at a time.

Best effort: no syslog server says what it has taken. What lies in a connection that breaks may be lost, or come twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Final, cast

from admin_api.sinks import framing
from admin_api.sinks.rows import RowsRefused, SinkAway, SinkRow
from resolver.config.sink_address import SinkAddress
from resolver.errors import MoatdnsError

_CHUNK_OCTETS: Final = 1 << 16  # that are handed over at once
_DATAGRAMS_AT_ONCE: Final = 100
_FULL_SECONDS: Final = 0.005  # until a full socket is tried again


class DatagramOutlet:
    """Datagrams over UDP, or to a socket of this machine."""

    def __init__(self, address: SinkAddress, host: str, timeout_seconds: float) -> None:
        self._address = address
        self._host = framing.host_field(host)
        self._timeout_seconds = timeout_seconds
        self._socket: socket.socket | None = None

    async def send(self, rows: Sequence[SinkRow]) -> int:
        """Send some rows, a datagram each."""
        sent = 0
        try:
            async with asyncio.timeout(self._timeout_seconds):
                one = self._socket = self._socket or await self._connected()
                for row in rows[:_DATAGRAMS_AT_ONCE]:
                    await _put(one, framing.message(row, self._host)[: framing.MOST_DATAGRAM])
                    sent += 1
        except TimeoutError:
            if not sent:
                await self.close()
                raise SinkAway(f"it has taken in nothing for {self._timeout_seconds:g} s") from None
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                if not sent:
                    raise RowsRefused("a row is too long for a datagram") from error
            else:
                await self.close()
                if not sent:
                    raise SinkAway(_why(error)) from error
        return sent

    async def _connected(self) -> socket.socket:
        if self._address.transport == "unix":
            return _open(socket.AF_UNIX, self._address.host)
        found = await asyncio.get_running_loop().getaddrinfo(
            self._address.host, self._address.port, type=socket.SOCK_DGRAM
        )
        family, *_, to = found[0]
        return _open(family, to)

    async def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _open(family: int, to: object) -> socket.socket:
    one = socket.socket(family, socket.SOCK_DGRAM)
    try:
        one.setblocking(False)
        one.connect(to)  # type: ignore[arg-type]
    except OSError:
        one.close()
        raise
    return one


async def _put(one: socket.socket, message: bytes) -> None:
    while True:
        try:
            one.send(message)
        except BlockingIOError:
            await asyncio.sleep(_FULL_SECONDS)
        else:
            return


class _Connection(asyncio.Protocol):
    """Connection that is written to; nothing that comes is of interest but the end."""

    def __init__(self) -> None:
        self.is_over = False
        self.error: Exception | None = None
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have `drained` wait until all is handed to the kernel."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=1)  # 0 would be reached by an empty buffer, with TLS

    def eof_received(self) -> None:
        """The server ends it."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._end(exc)

    def pause_writing(self) -> None:
        """There is something in the buffer."""
        self._is_empty.clear()

    def resume_writing(self) -> None:
        """There is nothing any more."""
        self._is_empty.set()

    async def drained(self) -> None:
        """Wait until all that was written is handed over. Raises ConnectionError where that cannot be."""
        if self._transport is not None and self._transport.get_write_buffer_size():
            await self._is_empty.wait()
        if self.is_over:
            raise self.error if isinstance(self.error, OSError) else ConnectionResetError(errno.ECONNRESET, "closed")

    def _end(self, error: Exception | None) -> None:
        self.is_over, self.error = True, error
        self._is_empty.set()


class StreamOutlet:
    """A stream over TCP, or over TLS where there is a maker of contexts. Messages are framed by their length."""

    def __init__(
        self,
        address: SinkAddress,
        host: str,
        timeout_seconds: float,
        context: Callable[[], ssl.SSLContext] | None = None,
        server_name: str | None = None,
    ) -> None:
        self._address = address
        self._host = framing.host_field(host)
        self._timeout_seconds = timeout_seconds
        self._context = context
        self._server_name = server_name or address.host
        self._open: tuple[asyncio.Transport, _Connection] | None = None

    async def send(self, rows: Sequence[SinkRow]) -> int:
        """Send the first rows, about 64 KiB of them."""
        chunk = bytearray()
        count = 0
        for row in rows:
            frame = framing.counted(framing.message(row, self._host))
            if count and len(chunk) + len(frame) > _CHUNK_OCTETS:
                break
            chunk += frame
            count += 1
        try:
            if self._open is not None and self._open[1].is_over:
                await self.close()  # it was closed since: what is sent into it would be lost
            if self._open is None:
                self._open = await self._connected()
            transport, connection = self._open
            transport.write(bytes(chunk))
            async with asyncio.timeout(self._timeout_seconds):
                await connection.drained()
        except TimeoutError:
            await self.close()
            raise SinkAway(f"it has taken in nothing for {self._timeout_seconds:g} s") from None
        except (OSError, MoatdnsError) as error:
            await self.close()
            raise SinkAway(_why(error)) from error
        return count

    async def _connected(self) -> tuple[asyncio.Transport, _Connection]:
        context = self._context() if self._context is not None else None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await asyncio.get_running_loop().create_connection(
                    _Connection,
                    self._address.host,
                    self._address.port,
                    ssl=context,
                    server_hostname=self._server_name if context is not None else None,
                )
        except TimeoutError:
            raise SinkAway(f"no connection within {self._timeout_seconds:g} s") from None

    async def close(self) -> None:
        """Close the connection."""
        if self._open is not None:
            transport, _ = self._open
            self._open = None
            with contextlib.suppress(OSError):
                transport.abort() if transport.get_write_buffer_size() else transport.close()


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS fails: {error.reason or error}"
    if isinstance(error, socket.gaierror):
        return "its host name has no address"
    if isinstance(error, ConnectionRefusedError):
        return "it refuses connections"
    if isinstance(error, OSError):
        return f"it cannot be reached: {error.strerror or error}"
    return str(error)
