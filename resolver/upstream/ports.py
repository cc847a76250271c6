"""Source ports: sockets that are bound to one that nobody can guess, and that has not served lately (RFC 5452, 9.2)."""

from __future__ import annotations

import socket
from collections import deque
from typing import Final

from resolver.upstream.randomness import Randomness
from resolver.upstream.server import Server

RECENT_PORTS: Final = 4096  # that are not used again; of 64,512, so the choice stays wide
_PORT_TRIES: Final = 3
_ANY_ADDRESS: dict[int, str] = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104 connect() narrows it to one peer


class SourcePorts:
    """The ports that one server is asked from."""

    def __init__(self, randomness: Randomness) -> None:
        self._randomness = randomness
        self._recent: set[int] = set()
        self._by_use: deque[int] = deque()  # the same, oldest first

    def connected(self, server: Server) -> socket.SocketType:
        """A new socket that is connected to a server: the kernel drops what comes from elsewhere. Raises OSError."""
        family = server.family
        # SocketType is the socket without the Python layer above it; created non-blocking, it stays so.
        sock = socket.SocketType(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            for _ in range(_PORT_TRIES):
                if self._bound(sock, family):
                    break
            sock.connect(server.address)
        except OSError:
            sock.close()
            raise
        return sock

    def _bound(self, sock: socket.SocketType, family: int) -> bool:
        try:
            sock.bind((_ANY_ADDRESS[family], self._port()))
        except OSError:
            return False
        return True

    def _port(self) -> int:
        """A random port that has not served lately: one seen in use is no good guess for the next while."""
        while (port := self._randomness.port()) in self._recent:
            pass
        if len(self._by_use) >= RECENT_PORTS:
            self._recent.discard(self._by_use.popleft())
        self._by_use.append(port)
        self._recent.add(port)
        return port
