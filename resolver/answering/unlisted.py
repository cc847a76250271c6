"""Names that no rule matches and an upstream answered, on their way to the inbox of unlisted names.

A missed query is only put into a list here, of at most so many a second; all else is done once a second, for all of
them together: of most, that is one look-up, since a name is told of seldom once it was told of, and new names come at
a rate. A query that is answered from the cache never comes here. The inbox is in the control process, and takes
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

from resolver.answering.near_listed import NearListed
from resolver.answering.pending import Pending
from resolver.cache.entry import CacheEntry
from resolver.policy.decision import Verdict
from resolver.telemetry.counters import Counters
from resolver.telemetry.query_events import UNLISTED_HEAD

_DATAGRAM_BYTES: Final = 60_000
_MOST_TARGETS: Final = 4
_MOST_ADDRESSES: Final = 4
_ALWAYS_TOLD: Final = 8  # times that a name is told of within the hour; then at every second, fourth … of these
_BURST_SECONDS: Final = 10.0  # for which new names that did not come may come later
_MOST_KNOWN: Final = 10_000  # names of this hour; beyond, all begin anew
_HOUR: Final = 3600.0
_NOERROR: Final = 0
_ALLOW: Final = Verdict.ALLOW


class _Known:
    """How often a name was forwarded in this hour, and how many of these times the inbox does not know of."""

    __slots__ = ("times", "untold")

    def __init__(self) -> None:
        self.times = 0
        self.untold = 0


class UnlistedNames:
    """The names of one worker."""

    def __init__(self, sink: socket.socket, counters: Counters, queries_per_second: int, names_per_second: int) -> None:
        """`sink` is a datagram socket that does not block. A name is new when it was not seen within the hour."""
        self._sink = sink
        self._counters = counters
        self._most = queries_per_second
        self._names_per_second = names_per_second
        self._new_names = names_per_second * _BURST_SECONDS  # that may come now
        self._lost = 0
        self._noted: list[tuple[Pending, CacheEntry]] = []
        self._near = NearListed(counters)
        self._known: dict[bytes, _Known] = {}
        self._begun = self._flushed = 0.0

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
        most = self._names_per_second * _BURST_SECONDS
        self._new_names = min(most, self._new_names + (now - self._flushed) * self._names_per_second)
        self._flushed = now
        rows = self._rows(noted, now)
        if now - self._begun >= _HOUR or len(self._known) >= _MOST_KNOWN:
            rows += self._begin_hour(now)
        lines = [json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in rows]
        at, size = 0, len(UNLISTED_HEAD)
        for number, line in enumerate(lines):
            if size + len(line) > _DATAGRAM_BYTES:
                self._send(lines[at:number])
                at, size = number, len(UNLISTED_HEAD)
            size += len(line)
        self._send(lines[at:])

    def _rows(self, noted: Sequence[tuple[Pending, CacheEntry]], now: float) -> list[list[object]]:
        rows: list[list[object]] = []
        unknown = 0
        names = self._known
        for pending, entry in noted:
            key = pending.question.key
            known = names.get(key)
            if known is None and self._new_names < 1:  # before all else: of a flood of names, most end here
                unknown += 1
                continue
            answer, decision = entry.answer, pending.decision
            if answer.negative or entry.failed_why is not None or answer.rcode != _NOERROR:
                continue
            is_listed = decision.service is not None or decision.despite_block
            if not is_listed and (decision.rule is not None or decision.verdict is not _ALLOW):
                continue
            if known is None:
                self._new_names -= 1
                known = names[key] = _Known()
            known.times += 1
            if is_listed:
                if known.times == 1:
                    rows.append(["listed", key.decode("latin-1"), _addresses(entry)])
                continue
            known.untold += 1
            client = pending.client
            is_near = self._near.is_near(client.cell, now)
            if known.times > _ALWAYS_TOLD and not is_near and known.times & (known.times - 1):
                continue
            shown = _address_of(client.shown)
            targets = [target.decode("latin-1") for target in answer.targets[:_MOST_TARGETS]]
            rows.append(["seen", key.decode("latin-1"), shown, known.untold, int(is_near), targets, _addresses(entry)])
            known.untold = 0
        if unknown:
            self._counters.dropped["unlisted_names_per_second"] += unknown
        return rows

    def _begin_hour(self, now: float) -> list[list[object]]:
        """Forget all names; gives the counts of those that the inbox does not know all of."""
        known, self._known = self._known, {}
        self._begun = now
        return [
            ["seen", key.decode("latin-1"), None, one.untold, 0, [], []] for key, one in known.items() if one.untold
        ]

    def _send(self, lines: Sequence[bytes]) -> None:
        if not lines:
            return
        try:
            self._sink.send(UNLISTED_HEAD + b"".join(lines))
        except OSError:  # the control process is away, and its socket full
            self._counters.dropped["unlisted"] += len(lines)


def _address_of(shown: bytes) -> str | None:
    """The address in what the query log says of a client, never whose it is; None where none may be told."""
    said = json.loads(shown)
    return (said if isinstance(said, str) else said[0]) or None


def _addresses(entry: CacheEntry) -> list[str]:
    return [address.hex() for address in entry.addresses[:_MOST_ADDRESSES]]
