"""One upstream server: where it is, and plain counts of what came of asking it."""

from __future__ import annotations

import socket
from bisect import bisect_left
from typing import Any, Final

from resolver.config.settings import UpstreamServer
from resolver.telemetry.counters import BUCKET_NAMES, BUCKETS

_REPLY_WEIGHT: Final = 1 / 8  # of the latest reply in the smoothed latency, as in TCP (RFC 6298 section 2)
_SILENCE_WEIGHT: Final = 1 / 4


class Server:
    """State and counts of one upstream server, over all transports."""

    def __init__(self, settings: UpstreamServer) -> None:
        self.name = settings.name
        self.family: int = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        self.settings = settings
        self._address: tuple[Any, ...] | None = None
        self.failures = 0  # silences and refusals since it was last heard
        self.is_down = False
        self.probe_at = 0.0  # when it is asked again beside others, by the clock
        self.in_flight = 0  # questions that wait for it now
        self.latency = 0.0  # smoothed, in seconds; 0.0 before the first reply
        self.lacks_edns_until = 0.0  # by the clock: it has answered without EDNS what it refused with it
        self.trouble = ""  # why the last try failed that was not answered

        self.heard = 0  # replies that counted, whatever they said
        self.bad_answers = 0  # of these: error rcodes, and truncation over TCP
        self.timeouts = 0
        self.unreachable = 0
        self.insecure = 0  # times that TLS could not be agreed upon, or the certificate was not good
        self.wrong_replies = 0  # late, malformed or forged ones; ignored
        self.silent_connections = 0  # that were left for a fresh one
        self.took = [0] * len(BUCKET_NAMES)  # replies by how long they took
        self.took_microseconds = 0

    def replied(self, seconds: float) -> None:
        """Note how long a reply took that somebody waited for."""
        self.took[bisect_left(BUCKETS, seconds)] += 1
        self.took_microseconds += int(seconds * 1e6)
        latency = self.latency
        self.latency = latency + (seconds - latency) * _REPLY_WEIGHT if latency else seconds

    def measured(self, seconds: float) -> None:
        """Note how long a reply took that nobody waited for."""
        self.latency += (seconds - self.latency) * (_REPLY_WEIGHT if self.latency else 1)

    def waited_for(self, seconds: float) -> None:
        """Note that a reply takes longer than this, if it comes at all."""
        if seconds > self.latency:
            self.latency += (seconds - self.latency) * (_SILENCE_WEIGHT if self.latency else 1)

    @property
    def counts(self) -> dict[tuple[str, ...], int]:
        """All of it, as it is counted for metrics."""
        results = {
            "answered": self.heard - self.bad_answers,
            "bad_answer": self.bad_answers,
            "timeout": self.timeouts,
            "unreachable": self.unreachable,
            "tls": self.insecure,
        }
        return {
            **{("upstream", self.name, result): count for result, count in results.items() if count},
            **{
                ("upstream_seconds", self.name, bound): count
                for bound, count in zip(BUCKET_NAMES, self.took, strict=True)
                if count
            },
            ("upstream_seconds_sum", self.name): self.took_microseconds,
        }

    @property
    def address(self) -> tuple[Any, ...]:
        """As socket.connect takes it, with the scope of fe80::1%eth0. Raises OSError where there is no such one.

        An interface that went and came again has another number, so that one is looked up each time.
        """
        if self._address is not None:
            return self._address
        host, port = self.settings.host, self.settings.port
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=flags)[0][4]
        if "%" not in host:
            self._address = address
        return address
