"""A steady stream of queries, to see whether any is lost while the server changes underneath."""

from __future__ import annotations

import itertools
import threading
import time
from types import TracebackType

import dns.exception
import dns.message

from tests.support.clients import LOCALHOST, TcpClient, UdpClient, ask, query

LOST_SECONDS = 2.0  # no answer within this time is a lost query
_SOCKETS = 16  # so that every worker has its share
_PAUSE_SECONDS = 0.0005


class SteadyQueries:
    """Asks for `names` in turn, from threads of its own, while the context lasts. Then `answered` and `lost` tell."""

    def __init__(self, port: int, names: list[str], *, client: str = LOCALHOST, tcp: bool = False) -> None:
        self.answered = 0
        self.lost: list[str] = []
        self.slowest_seconds = 0.0
        self._port = port
        self._client = client
        self._queries = itertools.cycle([(name, query(name).to_wire()) for name in names])
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask_by_udp, name="steady queries over UDP")]
        if tcp:
            self._threads.append(threading.Thread(target=self._ask_by_tcp, name="steady queries over TCP"))

    def __enter__(self) -> SteadyQueries:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask_by_udp(self) -> None:
        clients = [UdpClient(self._port, self._client) for _ in range(_SOCKETS)]
        try:
            for client in itertools.cycle(clients):
                if self._over.is_set():
                    return
                client.socket.settimeout(LOST_SECONDS)
                name, wire = next(self._queries)
                began = time.monotonic()
                try:
                    client.exchange(wire)
                    self.answered += 1
                except OSError as error:
                    self.lost.append(f"{name} over UDP: {error!r}")
                self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)
                time.sleep(_PAUSE_SECONDS)
        finally:
            for client in clients:
                client.socket.close()

    def _ask_by_tcp(self) -> None:
        while not self._over.is_set():
            name, wire = next(self._queries)
            try:
                with TcpClient(self._port, self._client) as client:
                    client.connection.settimeout(LOST_SECONDS)
                    client.send(wire)
                    client.receive_bytes()
                self.answered += 1
            except (OSError, EOFError) as error:
                self.lost.append(f"{name} over TCP: {error!r}")
            time.sleep(_PAUSE_SECONDS)


def answers(port: int, name: str = "claude.ai", *, seconds: float = LOST_SECONDS) -> dns.message.Message | None:
    """The answer, or None where nobody answers."""
    try:
        return ask(port, name, seconds=seconds)
    except (dns.exception.Timeout, OSError):
        return None
