"""TCP clients that open a connection for each query, one after the other, and wait for the answer."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from collections.abc import Iterator

from prove.background import Background
from prove.queries import Query
from prove.steady import LOST_SECONDS

_CLIENTS = 4


class TcpLoad(Background):
    """Asks while the context lasts; then `asked` and `lost` (what was asked, and why there was no answer) tell."""

    def __init__(self, port: int, queries: Iterator[Query]) -> None:
        super().__init__("TCP client", *[self._run] * _CLIENTS)
        self.asked = 0
        self.lost: list[str] = []
        self._port = port
        self._queries = queries
        self._lock = threading.Lock()

    def _run(self) -> None:
        for number in itertools.count():
            if self._over.wait(0.002):
                return
            with self._lock:
                name, wire = next(self._queries)
                self.asked += 1
            try:
                self._ask((number & 0xFFFF).to_bytes(2, "big") + wire[2:])
            except (OSError, EOFError) as error:
                self.lost.append(f"{name}: {error!r}")

    def _ask(self, wire: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self._port), LOST_SECONDS) as connection:
            connection.sendall(struct.pack("!H", len(wire)) + wire)
            answer = b""
            while len(answer) < 2 or len(answer) < 2 + int.from_bytes(answer[:2], "big"):
                if not (piece := connection.recv(4096)):
                    raise EOFError("closed without an answer")
                answer += piece
            if answer[2:4] != wire[:2]:
                raise EOFError("an answer to something else")
