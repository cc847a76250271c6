"""Queries for the query log, on their way to the control process: gathered, and sent in datagrams. Nothing waits.

A line is a JSON array: ``[at, client, group, name, type, rcode, verdict, service, list, rule, exemption, protocol,
duration_ms]``, `at` in Unix seconds; where something is remarked, it stands before the duration. When nobody takes
them, they are kept up to a bound, and then dropped and counted.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections import Counter
from collections.abc import Sequence

FLUSH_SECONDS = 0.25
UNLISTED_HEAD = b'{"unlisted":1}\n'
"""First line of datagrams that are no query events but unlisted names (resolver.answering.unlisted)."""

_FLUSH_AT = 500  # events
_MOST_EVENTS = 20_000
_DATAGRAM_BYTES = 60_000

# When (Unix seconds), who (JSON), the middle of the line (JSON), and how long in milliseconds.
Event = tuple[float, bytes, bytes, float]


def middle(facts: Sequence[str | None]) -> bytes:
    """The middle of a line, between client and duration."""
    return json.dumps(facts, separators=(",", ":")).encode()[1:-1]


class QueryEvents:
    """The events of one worker."""

    def __init__(self, sink: socket.socket | None, what: str, dropped: Counter[str]) -> None:
        """`what` is off, hits or all; `sink` is a datagram socket that does not block."""
        self.logs_hits = what != "off"
        self.logs_all = what == "all"
        self._sink = sink
        self._dropped = dropped
        self._events: list[Event] = []
        self._datagrams: list[bytes] = []  # that could not be sent yet
        self._waiting = 0  # events in those, at most

    def put(self, client: bytes, line: bytes, milliseconds: float = 0) -> None:
        """Note one query."""
        events = self._events
        if len(events) + self._waiting >= _MOST_EVENTS:
            self._dropped["query_log"] += 1
            return
        events.append((time.time(), client, line, milliseconds))
        if len(events) >= _FLUSH_AT:
            self.flush()

    def flush(self) -> None:
        """Send what there is, as far as it is taken."""
        if self._sink is None:
            return
        if self._events:
            self._pack()
        with contextlib.suppress(BlockingIOError):
            while self._datagrams:
                try:
                    self._sink.send(self._datagrams[0])
                except BlockingIOError:
                    raise
                except OSError:  # nobody is there, nor ever will be: the supervisor is gone
                    self._dropped["query_log"] += 1
                del self._datagrams[0]
            self._waiting = 0

    def _pack(self) -> None:
        lines: list[bytes] = []
        size = 0
        for at, client, line, milliseconds in self._events:
            text = b"[%.3f,%s,%s,%.3g]\n" % (at, client, line, milliseconds)
            if size + len(text) > _DATAGRAM_BYTES:
                self._datagrams.append(b"".join(lines))
                lines, size = [], 0
            lines.append(text)
            size += len(text)
        self._datagrams.append(b"".join(lines))
        self._waiting += len(self._events)
        self._events = []
