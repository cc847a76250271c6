"""An upstream as a program of its own: ``python -m prove.upstream_program '{"port": …}'``; see `prove.upstream`.

SIGUSR1 makes it silent, or has it speak again. What it was asked goes into a file when it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import time

from prove.messages import answer, header, name_of, nxdomain, question_end, wire_name
from prove.programs import Behaviour, run_program, until_told

_BATCH = 64
_TRUNCATED = 0x8380  # QR, TC, RD, RA
_BUFFER_BYTES = 4 << 20


class _Upstream:
    def __init__(self, loop: asyncio.AbstractEventLoop, one: socket.socket, behaviour: Behaviour) -> None:
        self._loop = loop
        self._socket = one
        self._aliases: dict[str, str] = behaviour["aliases"]
        self._address: str = behaviour["address"]
        self._ttl_seconds: int = behaviour["ttl_seconds"]
        self._delay_seconds: float = behaviour["delay_seconds"]
        self._is_silent: bool = behaviour["silent"]
        self._keeps_record: bool = behaviour["keeps_record"]
        zone: str = behaviour["attacked_zone"]
        self._attacked = wire_name(zone) if zone else None
        self._attacked_is_silent: bool = behaviour["attacked_is_silent"]
        self._attacked_delay_seconds: float = behaviour["attacked_delay_seconds"]
        self._truncates: bool = behaviour["truncates"]
        self.asked: list[str] = []

    def readable(self) -> None:
        for _ in range(_BATCH):
            try:
                query, client = self._socket.recvfrom(4096)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error for an answer whose asker is gone
            try:
                end = question_end(query)
            except ValueError:
                continue
            if self._attacked is not None and query.find(self._attacked, 12, end) > 0:
                if not self._attacked_is_silent:
                    said = nxdomain(query[:2], query[12:end], self._ttl_seconds)
                    self._send_after(self._attacked_delay_seconds, said, client)
                continue
            name = name_of(query)
            if self._keeps_record:
                self._note(query, client[1], "udp")
            if self._is_silent:
                continue
            if self._truncates:
                self._send(header(query[:2], _TRUNCATED, 0) + query[12:end], client)
                continue
            alias_of = self._aliases.get(name, "")
            said = answer(query[:2], query[12:end], self._address, self._ttl_seconds, alias_of=alias_of)
            self._send_after(self._delay_seconds, said, client)

    async def hear_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Note what is asked over a connection, and say nothing."""
        port = writer.get_extra_info("peername")[1]
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                self._note(await reader.readexactly(length), port, "tcp")
        writer.close()

    def _note(self, query: bytes, port: int, transport: str) -> None:
        message_id = int.from_bytes(query[:2], "big")
        self.asked.append(json.dumps([time.monotonic(), port, message_id, name_of(query), transport]))

    def toggle(self) -> None:
        self._is_silent = not self._is_silent

    def _send_after(self, seconds: float, said: bytes, client: tuple[str, int]) -> None:
        if seconds:
            self._loop.call_later(seconds, self._send, said, client)
        else:
            self._send(said, client)

    def _send(self, said: bytes, client: tuple[str, int]) -> None:
        try:
            self._socket.sendto(said, client)
        except OSError:
            return


async def _serve(behaviour: Behaviour) -> list[str]:
    """Answer until told to end; gives what was asked."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        one.bind(("127.0.0.1", behaviour["port"]))
        upstream = _Upstream(loop, one, behaviour)
        loop.add_reader(one.fileno(), upstream.readable)
        loop.add_signal_handler(signal.SIGUSR1, upstream.toggle)
        if behaviour["silent_tcp"]:
            await asyncio.start_server(upstream.hear_tcp, "127.0.0.1", behaviour["port"])
        await until_told(behaviour)
        loop.remove_reader(one.fileno())
    return upstream.asked


if __name__ == "__main__":
    run_program(_serve)
