"""The upstream of all servers alike: answers every A query with one address and a day's TTL, as fast as it can.

Run as ``python -m bench.stub PORT``, for UDP and TCP. It counts the queries, so that it can be seen who answered from
a cache: the answer to COUNT_NAME is that count, as an IPv4 address.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from typing import cast

import uvloop

ADDRESS = "192.0.2.1"
COUNT_NAME = "count.stub.example"
_TTL_SECONDS = 86400
_BATCH = 64
_RECEIVE_BUFFER_BYTES = 4 << 20
_A_IN = b"\0\1\0\1"
_OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"  # EDNS, 1232 octets
_RECORD = b"\xc0\x0c" + _A_IN + _TTL_SECONDS.to_bytes(4, "big") + b"\0\4"
_COUNT_QNAME = b"".join(bytes([len(label)]) + label.encode() for label in COUNT_NAME.split(".")) + b"\0"


class Stub:
    """The answers and their count."""

    def __init__(self) -> None:
        self._address = socket.inet_aton(ADDRESS)
        self._count = 0

    def answer(self, query: bytes) -> bytes:
        """An answer to a well-formed query; NODATA if it is not for an A record."""
        end = query.index(0, 12) + 5
        question = query[12:end]
        # QR, RA and the query's RD; OPT goes back if it came, so that no server takes us for one without EDNS.
        additional, opt = (b"\0\1", _OPT) if query[11] else (b"\0\0", b"")
        flags = query[:2] + bytes((0x80 | query[2] & 1, 0x80))
        if question[-4:] != _A_IN:
            return flags + b"\0\1\0\0\0\0" + additional + question + opt
        if question[:-4] == _COUNT_QNAME:
            address = self._count.to_bytes(4, "big")
        else:
            self._count += 1
            address = self._address
        return flags + b"\0\1\0\1\0\0" + additional + question + _RECORD + address + opt


class _Connection(asyncio.Protocol):
    """One connection: proxies forward by TCP what came by TCP."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        data = self._unread + data
        while len(data) >= 2 and len(data) >= (end := 2 + int.from_bytes(data[:2], "big")):
            answer = self._stub.answer(data[2:end])
            self._transport.write(len(answer).to_bytes(2, "big") + answer)
            data = data[end:]
        self._unread = data


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    stub = Stub()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        one.bind(("127.0.0.1", port))

        def readable() -> None:
            for _ in range(_BATCH):
                try:
                    query, client = one.recvfrom(4096)
                except BlockingIOError:
                    return
                except OSError:
                    continue  # an ICMP error for an answer whose asker is gone
                one.sendto(stub.answer(query), client)

        loop.add_reader(one.fileno(), readable)
        streams = await loop.create_server(lambda: _Connection(stub), "127.0.0.1", port)
        end = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end.set)
        await end.wait()
        streams.close()
        loop.remove_reader(one.fileno())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(sys.argv[1])))
