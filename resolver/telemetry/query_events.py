"""Queries for the query log, on their way to the control process: gathered, and sent as blocks, one a datagram.

Nothing waits: when nobody takes them, they are kept up to a bound, and then dropped and counted.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from typing import Final

from resolver.telemetry.query_blocks import LogFacts, pack

FLUSH_SECONDS = 0.25
UNLISTED_HEAD = b'{"unlisted":1}\n'
"""First line of datagrams that are no query events but unlisted names (resolver.answering.unlisted)."""

_FLUSH_AT: Final = 500  # events
_MOST_EVENTS: Final = 20_000
_DATAGRAM_BYTES: Final = 60_000
_MILLISECONDS: Final = 1000.0


class QueryEvents:
    """The events of one worker."""

    def __init__(self, sink: socket.socket | None, what: str, dropped: Counter[str]) -> None:
        """`what` is off, hits or all; `sink` is a datagram socket that does not block."""
        self.logs_hits = what != "off"
        self.logs_all = what == "all"
        self._sink = sink
        self._dropped = dropped
        self._blocks: list[tuple[int, bytes]] = []  # that could not be sent yet, with how many events each has
        self._waiting = 0  # events in those
        self._begin()

    def _begin(self) -> None:
        """Have a list a column, since that is what a block is made of."""
        self._moments: list[int] = []  # Unix milliseconds
        self._clients: list[bytes] = []
        self._facts: list[LogFacts] = []
        self._durations: list[float] = []

    def put(self, client: bytes, facts: LogFacts, milliseconds: float = 0.0) -> None:
        """Note one query, of a client (JSON)."""
        moments = self._moments
        if len(moments) + self._waiting >= _MOST_EVENTS:
            self._dropped["query_log"] += 1
            return
        moments.append(int(time.time() * _MILLISECONDS))
        self._clients.append(client)
        self._facts.append(facts)
        self._durations.append(milliseconds)
        if len(moments) >= _FLUSH_AT:
            self.flush()

    def flush(self) -> None:
        """Send what there is, as far as it is taken."""
        if self._sink is None:
            return
        if self._moments:
            self._pack(self._moments, self._clients, self._facts, self._durations)
            self._begin()
        while self._blocks:
            count, block = self._blocks[0]
            try:
                self._sink.send(block)
            except BlockingIOError:
                return
            except OSError:  # nobody is there, nor ever will be: the supervisor is gone
                self._dropped["query_log"] += count
            del self._blocks[0]
            self._waiting -= count

    def _pack(self, moments: list[int], clients: list[bytes], facts: list[LogFacts], durations: list[float]) -> None:
        """Make a block of events, or two where it would not fit into a datagram."""
        count = len(moments)
        block = pack(moments, clients, facts, durations)
        if len(block) <= _DATAGRAM_BYTES:
            self._blocks.append((count, block))
            self._waiting += count
        elif count == 1:
            self._dropped["query_log"] += 1
        else:
            half = count // 2
            self._pack(moments[:half], clients[:half], facts[:half], durations[:half])
            self._pack(moments[half:], clients[half:], facts[half:], durations[half:])
