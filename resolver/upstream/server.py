"""One upstream server: its address, and plain counts of what came of asking it."""

from __future__ import annotations

import socket
from collections import Counter
from typing import Any

from resolver.config.settings import UpstreamServer
from resolver.telemetry.counters import bucket_of


class Server:
    """What is known of one upstream, over all transports."""

    def __init__(self, settings: UpstreamServer) -> None:
        self.name = settings.name
        self.family: int = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        self._settings = settings
        self._address: tuple[Any, ...] | None = None
        self.failures = 0  # silences and refusals since it was last heard
        self.is_down = False
        self.probe_at = 0.0  # when a server that is down is asked again, by the clock

        self.heard = 0  # replies that counted, whatever they said
        self.bad_answers = 0  # of these: error rcodes, and truncation over TCP
        self.timeouts = 0
        self.unreachable = 0
        self.wrong_replies = 0  # late, malformed or forged ones; ignored
        self.took: Counter[str] = Counter()  # replies by how long they took: the bucket's upper bound, in seconds
        self.took_microseconds = 0

    def replied(self, seconds: float) -> None:
        """Note how long a reply took."""
        self.took[bucket_of(seconds)] += 1
        self.took_microseconds += int(seconds * 1e6)

    @property
    def counts(self) -> dict[tuple[str, ...], int]:
        """All of it, as it is counted for metrics."""
        results = {
            "answered": self.heard - self.bad_answers,
            "bad_answer": self.bad_answers,
            "timeout": self.timeouts,
            "unreachable": self.unreachable,
        }
        return {
            **{("upstream", self.name, result): count for result, count in results.items() if count},
            **{("upstream_seconds", self.name, le): count for le, count in self.took.items()},
            ("upstream_seconds_sum", self.name): self.took_microseconds,
        }

    @property
    def address(self) -> tuple[Any, ...]:
        """As socket.connect takes it, with the scope of fe80::1%eth0. Raises OSError where there is no such one."""
        if self._address is None:
            host, port = self._settings.host, self._settings.port
            flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            self._address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=flags)[0][4]
        return self._address
