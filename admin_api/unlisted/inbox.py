"""The inbox of unlisted names: takes what workers tell, and keeps in the store what enough clients ask for.

In memory are the domains of one day, with a bitmap for their clients (`sketch.py`); with the day go all of them and
the key of the bitmaps. In the store are domains with evidence that enough clients have asked for within a day, and
about how many those were. What has no evidence is forgotten hourly. Nobody is asked anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from admin_api.compiling.keeper import Keeper
from admin_api.outbox.receivers import Outbox
from admin_api.store import unlisted
from admin_api.store.access import StoreAccess
from admin_api.store.errors import StoreAway
from admin_api.store.unlisted import MOST_DAYS, UnlistedRow
from admin_api.unlisted.candidates import Candidate, Candidates, listed_as
from admin_api.unlisted.reading import read_names
from admin_api.unlisted.sketch import DailyKey, count_of
from blocklists.catalogue import Catalogue
from blocklists.likeness.evidence import Evidence, score_of
from blocklists.likeness.judge import Likeness
from resolver.config.settings import UnlistedSettings
from resolver.telemetry.log import Log
from resolver.wire.names import key_of, parse_any_name

NEW = "unlisted.new"
"""The event that hooks are told of."""

_WRITE_SECONDS = 5.0
_COUNT_SECONDS = 60.0  # between looks at the number of entries, where nothing was written
_HOUR = 3600
_DAY = 86400
_MOST_WRITTEN = 500  # domains at once; the others with the next
_MOST_HOSTS = 12  # of an entry
_MOST_TOLD = 20  # names of one message
_SETTLED = timedelta(minutes=1)  # after a decision, queries that were on their way are over

Piece = tuple[Candidate, tuple[Evidence, ...]]


class Inbox:
    """The inbox of one node. Does nothing unless it is enabled."""

    def __init__(
        self,
        access: StoreAccess,
        policy: Keeper,
        outbox: Outbox,
        catalogue: Catalogue,
        settings: UnlistedSettings,
        log: Log,
        *,
        clock: Callable[[], float] = time.time,
        new_key: Callable[[], DailyKey] = DailyKey,
    ) -> None:
        """`clock` gives Unix seconds, `new_key` the key of a day."""
        self._new_key = new_key
        self.dropped: Counter[str] = Counter()
        self._access = access
        self._policy = policy
        self._outbox = outbox
        self._catalogue = catalogue
        self._settings = settings
        self._log = log
        self._clock = clock
        self._candidates: Candidates | None = None
        self._unwritten: list[Piece] = []
        self._day = self._hour = -1
        self._counts: Mapping[str, int] = {}
        self._counted_at = 0.0

    @property
    def watched(self) -> int:
        """The number of domains in memory."""
        return len(self._candidates) if self._candidates is not None else 0

    def take(self, datagram: bytes) -> None:
        """Take what a worker tells."""
        snapshot = self._policy.snapshot
        if self._candidates is None or snapshot is None:
            return
        at = self._clock()
        if at // _DAY != self._day:
            self._begin_day(at)
        for one in read_names(datagram):
            self._candidates.take(one, snapshot, at)

    def _begin_day(self, at: float) -> None:
        self._day = int(at // _DAY)
        self._unwritten = []
        if self._candidates is not None:
            self._candidates.begin_day()

    async def run(self) -> None:
        """Write, tell and forget, for ever."""
        if not self._settings.enabled:
            return
        await self.open()
        while True:
            await asyncio.sleep(_WRITE_SECONDS)
            with contextlib.suppress(StoreAway):  # told elsewhere; what was seen waits
                await self.write()

    async def open(self) -> None:
        """Read what names are judged by; from then on they are taken."""
        settings = self._settings
        likeness = await asyncio.to_thread(Likeness, self._catalogue)
        self._candidates = Candidates(likeness, settings.local, settings.most_names, self.dropped, self._new_key)

    async def write(self) -> None:
        """Write what has changed of domains with evidence, tell of new ones, and do what is due hourly."""
        candidates = self._candidates
        if candidates is None:
            return
        at = self._clock()
        unwritten, least = self._unwritten, self._settings.least_score  # another one from the next day on
        waiting = {id(piece[0]) for piece in unwritten}
        unwritten += [piece for piece in candidates.changed(least) if id(piece[0]) not in waiting]
        pieces = unwritten[:_MOST_WRITTEN]
        if pieces:
            await self._write(pieces, at)
            del unwritten[: len(pieces)]
        if int(at // _HOUR) != self._hour:
            self._hour = int(at // _HOUR)
            candidates.forget(least)
            await self._forget_listed()
        if pieces or at - self._counted_at >= _COUNT_SECONDS:
            self._counted_at = at
            async with self._access.store.read() as connection:
                self._counts = await unlisted.counts(connection)

    async def _write(self, pieces: Sequence[Piece], at: float) -> None:
        day = datetime.fromtimestamp(at, UTC).date().isoformat()
        new: list[UnlistedRow] = []
        written: list[tuple[Candidate, int]] = []
        async with self._access.store.count() as connection:
            known = await unlisted.among(connection, [candidate.domain for candidate, _ in pieces])
            for candidate, evidence in pieces:
                before = known.get(candidate.domain)
                clients = max(count_of(candidate.clients), 1)
                if before is None and clients < self._settings.clients:
                    continue
                row = _row_of(candidate, evidence, before, day, clients)
                await unlisted.put(connection, row, is_there=before is not None)
                written.append((candidate, candidate.queries))
                if before is None or (row.status == "new" and before.status != "new"):
                    new.append(row)
            if new:
                self.dropped["unlisted_kept"] += await unlisted.trim(connection, self._settings.most_kept)
                await self._outbox.put(connection, NEW, _told(new))
        for candidate, queries in written:  # now that it is committed
            candidate.written = queries
        if new:
            names = [row.domain for row in new[:_MOST_TOLD]]
            self._log.info("new unlisted names look like AI services", names=names, more=len(new) - len(names))

    async def _forget_listed(self) -> None:
        """Forget new entries that a rule matches by now."""
        snapshot = self._policy.snapshot
        if snapshot is None:
            return
        async with self._access.store.read() as connection:
            rows = await unlisted.among(connection, await unlisted.all_new(connection))
        gone = [
            row.domain
            for row in rows.values()
            if all(listed_as(snapshot, key_of(parse_any_name(host))) is not None for host in row.hosts)
        ]
        if gone:
            async with self._access.store.count() as connection:
                await unlisted.forget(connection, gone)

    def gauges(self) -> Mapping[str, Mapping[tuple[str, ...], float]]:
        """For Prometheus."""
        if not self._settings.enabled:
            return {}
        return {"moatdns_unlisted_names": {(status,): count for status, count in self._counts.items()}}


def _row_of(
    candidate: Candidate, evidence: Sequence[Evidence], before: UnlistedRow | None, day: str, clients: int
) -> UnlistedRow:
    """The entry of a domain, with what was seen since it was last written."""
    gained = candidate.queries - candidate.written
    last_at = datetime.fromtimestamp(candidate.last_at, UTC)
    row = UnlistedRow(
        domain=candidate.domain,
        status="new",
        score=score_of(tuple(evidence)),
        evidence=tuple((piece.kind, piece.what, piece.points) for piece in evidence),
        hosts=tuple(candidate.hosts),
        queries=gained,
        clients=clients,
        days=((day, gained, clients),),
        first_at=datetime.fromtimestamp(candidate.first_at, UTC),
        last_at=last_at,
    )
    if before is None:
        return row
    days = {of: (queries, most) for of, queries, most in before.days}
    queries, most = days.get(day, (0, 0))
    days[day] = (queries + gained, max(most, clients))
    status = before.status
    if status in ("blocked", "allowed") and before.decided_at and last_at > before.decided_at + _SETTLED:
        status = "new"  # no rule matches it any more
    return replace(
        row,
        status=status,
        score=max(row.score, before.score),
        evidence=row.evidence if row.score >= before.score else before.evidence,
        hosts=tuple(dict.fromkeys((*before.hosts, *row.hosts)))[:_MOST_HOSTS],
        queries=before.queries + gained,
        clients=max(before.clients, clients),
        days=tuple((of, *days[of]) for of in sorted(days)[-MOST_DAYS:]),
    )


def _told(rows: Sequence[UnlistedRow]) -> dict[str, object]:
    names = [
        {
            "domain": row.domain,
            "score": row.score,
            "clients": row.clients,
            "queries": row.queries,
            "evidence": [{"kind": kind, "what": what, "points": points} for kind, what, points in row.evidence],
        }
        for row in rows[:_MOST_TOLD]
    ]
    return {"names": names, "more": len(rows) - len(names)}
