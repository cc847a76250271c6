"""Names that no rule matches and an upstream answered, on their way to the inbox of unlisted names.

A missed query is only put into a list here, of at most so many a second; all else is done once a second, for all of
them together. A query that is answered from the cache never comes here. The inbox is in the control process, and takes
them as datagrams: the line ``{"unlisted":1}``, then a JSON array a line, either ``["seen", key, client, queries,
is_near, targets, addresses]`` or, of a name that was forwarded although it is listed, ``["listed", key, addresses]``.
Keys are those of resolver.wire.names, as Latin-1; addresses are in hexadecimal digits; clients as the query log may
have them, None where it may not.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from typing import Final

from resolver.answering.answerer import Pending
from resolver.answering.near_listed import NearListed
from resolver.cache.responses import CacheEntry
from resolver.policy.decision import Verdict
from resolver.telemetry.counters import Counters
from resolver.telemetry.query_events import UNLISTED_HEAD

_DATAGRAM_BYTES: Final = 60_000
_MOST_TARGETS: Final = 4
_MOST_ADDRESSES: Final = 4
_NOERROR: Final = 0
_ALLOW: Final = Verdict.ALLOW

_Seen = tuple[str, str | None]  # key and client


class UnlistedNames:
    """The names of one worker."""

    def __init__(self, sink: socket.socket, counters: Counters, most_per_second: int) -> None:
        """`sink` is a datagram socket that does not block."""
        self._sink = sink
        self._counters = counters
        self._most = most_per_second
        self._lost = 0
        self._noted: list[tuple[Pending, CacheEntry]] = []
        self._near = NearListed(counters)

    def note(self, pending: Pending, entry: CacheEntry) -> None:
        """Take a query that an upstream has just answered."""
        noted = self._noted
        if len(noted) < self._most:
            noted.append((pending, entry))
        else:
            self._lost += 1

    def flush(self, now: float) -> None:
        """Send what was noted since the last time; `now` is in monotonic seconds."""
        noted, self._noted = self._noted, []
        self._near.look(now)
        if self._lost:
            self._counters.dropped["unlisted_queries_per_second"] += self._lost
            self._lost = 0
        lines = self._lines(noted, now)
        at, size = 0, len(UNLISTED_HEAD)
        for number, line in enumerate(lines):
            if size + len(line) > _DATAGRAM_BYTES:
                self._send(lines[at:number])
                at, size = number, len(UNLISTED_HEAD)
            size += len(line)
        self._send(lines[at:])

    def _lines(self, noted: Sequence[tuple[Pending, CacheEntry]], now: float) -> list[bytes]:
        seen: dict[_Seen, list[object]] = {}
        listed: dict[str, list[object]] = {}
        for pending, entry in noted:
            answer, decision = entry.answer, pending.decision
            if entry.failed_why is not None or answer.negative or answer.rcode != _NOERROR:
                continue
            key = pending.question.key.decode("latin-1")
            if decision.service is not None or decision.despite_block:
                listed[key] = ["listed", key, _addresses(entry)]
            elif decision.rule is None and decision.verdict is _ALLOW:
                client = pending.client
                shown = client.shown.decode()[1:-1] or None  # as JSON it is in quotation marks
                is_near = self._near.is_near(client.cell, now)
                row = seen.get((key, shown))
                if row is None:
                    targets = [target.decode("latin-1") for target in answer.targets[:_MOST_TARGETS]]
                    seen[key, shown] = ["seen", key, shown, 1, int(is_near), targets, _addresses(entry)]
                else:
                    row[3] = int(str(row[3])) + 1
        return [json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in (*seen.values(), *listed.values())]

    def _send(self, lines: Sequence[bytes]) -> None:
        if not lines:
            return
        try:
            self._sink.send(UNLISTED_HEAD + b"".join(lines))
        except OSError:  # the control process is away, and its socket full
            self._counters.dropped["unlisted"] += len(lines)


def _addresses(entry: CacheEntry) -> list[str]:
    return [address.hex() for address in entry.addresses[:_MOST_ADDRESSES]]
