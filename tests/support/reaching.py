"""Probes of a client that looks for resolvers, and a foreign host that answers on all their ports by UDP and TCP."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

_QUERY = struct.pack("!6H", 0x4D41, 0x0100, 1, 0, 0, 0) + b"\x07example\x00" + struct.pack("!2H", 1, 1)
_PLACES = {  # what is tried: where, and on which port
    "53 4": ("203.0.113.53", 53),
    "53 6": ("2001:db8:f::53", 53),
    "853 4": ("203.0.113.53", 853),
    "853 6": ("2001:db8:f::53", 853),
    "doh 4": ("203.0.113.53", 443),
    "doh 6": ("2001:db8:f::53", 443),
    "web 4": ("203.0.113.80", 443),
    "vendor 4": ("160.79.104.10", 443),
    "moatdns 4": ("10.0.0.53", 53),
    "moatdns 6": ("fd00:0:0:1::53", 53),
}
_PATIENCE_SECONDS = 2.0


def reaches(host: str, port: int, kind: socket.SocketKind) -> bool:
    """Whether a query is answered there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    is_stream = kind == socket.SOCK_STREAM
    with socket.socket(family, kind) as asking:
        asking.settimeout(_PATIENCE_SECONDS)
        try:
            asking.connect((host, port))
            asking.send(struct.pack("!H", len(_QUERY)) + _QUERY if is_stream else _QUERY)
            return len(asking.recv(4096)) > 2
        except OSError:
            return False


def reply_to(query: bytes) -> bytes:
    """One address for whatever was asked."""
    end = query.index(b"\x00", 12) + 5
    record = b"\xc0\x0c" + struct.pack("!2HIH", 1, 1, 60, 4) + socket.inet_aton("203.0.113.99")
    return query[:2] + struct.pack("!5H", 0x8180, 1, 1, 0, 0) + query[12:end] + record


class _Answering(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # the loop's own is no subclass of it

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(reply_to(data), addr)


async def _serve(ports: Sequence[int]) -> None:
    loop = asyncio.get_running_loop()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        reply = reply_to(await reader.readexactly(length))
        writer.write(struct.pack("!H", len(reply)) + reply)
        await writer.drain()
        writer.close()

    hosts = sorted({host for place, (host, _) in _PLACES.items() if not place.startswith("moatdns")})
    for port in ports:
        for host in hosts:  # each by its own address, so that replies leave from where they were asked
            await loop.create_datagram_endpoint(_Answering, local_addr=(host, port))
            await asyncio.start_server(converse, host, port)
    await asyncio.Event().wait()


def answer_all(ports: Sequence[int]) -> None:
    """Answer on some ports, for ever."""
    asyncio.run(_serve(ports))


if __name__ == "__main__":
    if "--answer" in sys.argv:
        answer_all((53, 443, 853))
    kinds = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}
    with ThreadPoolExecutor() as at_once:
        asked = {
            f"{place.split()[0]}/{name} {place.split()[1]}": at_once.submit(reaches, *where, kind)
            for place, where in _PLACES.items()
            for name, kind in kinds.items()
        }
    sys.stdout.write(json.dumps({place: probe.result() for place, probe in asked.items()}))
