"""Statistics as the API reads them: everything is folded first, so figures are exact to the moment."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

from sqlalchemy import case, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.query_log.shown import Shown
from admin_api.statistics import rollups, sketch
from admin_api.statistics.figures import Hits, KeyHits, KeyStepHits, StepHits
from admin_api.statistics.folding import Folder
from admin_api.statistics.rollups import DAY, HOUR, MINUTE
from admin_api.statistics.rows import ERASED, LOST, OTHER, name_of
from admin_api.store.access import StoreAccess
from admin_api.store.errors import StoreAway
from admin_api.store.tables import stats_clients, stats_rollup
from resolver.config.settings import COUNTERS, ControlSettings
from resolver.telemetry.log import Log

_FOLD_SECONDS = 5.0
_PATIENCE_SECONDS = 0.5  # of a scrape: one that waits for a store that is locked is given up by Prometheus
_KINDS = ("blocked", "monitored", "exempted")
_OF_WHOM = frozenset({"client", "identity"})  # parts of dimensions
_ENDING_SECONDS = 15.0  # of a worker that is being replaced, and answers what it has in flight
_LOOK_SECONDS = 0.2
_AHEAD_SECONDS = 2 * DAY  # of rows in the future: a clock that is set back leaves some

Gauges = Callable[[], Mapping[str, Mapping[tuple[str, ...], float]]]
"""Gauges by name: values by their labels' values."""


class StatisticsService:
    """Counts of all workers, those that have ended included, exact to the moment. Windows are [start, end), UTC."""

    def __init__(
        self,
        access: StoreAccess,
        settings: ControlSettings,
        log: Log,
        gauges: Gauges,
        *,
        own_counts: Callable[[], Mapping[tuple[str, str], int]] = dict,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._access = access
        self._log = log
        self._gauges = gauges
        self._own_counts = own_counts
        self._clock = clock
        self._folder = Folder(Path(settings.state_dir) / COUNTERS, log, settings.most_identity_keys)
        self._most_of_people = settings.most_identity_keys
        self._days = {
            MINUTE: settings.retention.statistics_minutes_days,
            HOUR: settings.retention.statistics_hours_days,
            DAY: settings.retention.statistics_days,
        }
        self._hides_clients = settings.clients == "hidden"
        self._shown = Shown(settings.clients, settings.identities)
        self._folding = asyncio.Lock()
        self._begun = 0  # folds
        self._hour = 0

    async def run(self) -> None:
        """Fold every few seconds, for ever."""
        while True:
            try:
                await self.fold()
                await self._tidy()
            except StoreAway:  # told elsewhere; what is counted waits in its files
                pass
            await asyncio.sleep(_FOLD_SECONDS)

    async def fold(self) -> None:
        """Fold all that was counted before this call. Callers that come meanwhile share the next fold."""
        mine = self._begun + 1
        async with self._folding:
            if self._begun < mine:  # else one that began after we came is done
                self._begun += 1
                await self._folder.fold(self._access.store, self._clock())

    async def fold_whole(self, begin_anew: Callable[[], Awaitable[None]]) -> None:
        """Fold all counter files that are there now, until they are gone; `begin_anew` has workers count in others.

        Files that cannot be read are removed, too: nobody knows whom they name. Raises StoreAway, MoatdnsError.
        """
        before = await asyncio.to_thread(self._folder.files)
        await begin_anew()
        until = time.monotonic() + _ENDING_SECONDS
        while True:
            await self.fold()
            left = before & await asyncio.to_thread(self._folder.files)
            if not left:
                return
            if time.monotonic() >= until:
                raise StoreAway(f"a worker that is ending still counts in {', '.join(sorted(left))}: try again soon")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _tidy(self) -> None:
        """Once an hour: roll up what is over, forget what is too old."""
        now = self._clock() - MINUTE  # a fold of the old hour may still be on its way
        hour = int(now) // HOUR
        if hour == self._hour:
            return
        async with self._folding:
            async with self._access.store.count() as connection:
                lost = await rollups.roll_up(connection, now, self._most_of_people)
                await rollups.forget(connection, now, self._days)
                totals = await self._folder.add(connection, Counter({LOST: lost})) if lost else self._folder.totals
            self._folder.totals = totals
        self._hour = hour

    async def summary(self, start: datetime, end: datetime) -> dict[str, int | None]:
        """queries, blocked, cached, forwarded, failed, refused, monitored, exempted, clients (None: not recorded)."""
        counts: Counter[str] = Counter()
        async with self._window(start, end) as (connection, some):
            c = stats_rollup.c
            query = select(c.key, func.sum(c.n).label("n")).select_from(rollups.rows_of("outcome", some))
            for row in await connection.execute(query.group_by(c.key)):
                counts[row.key] = int(row.n)
            rows = await connection.execute(select(stats_clients.c.sketch).where(rollups.within(stats_clients, some)))
            clients = sketch.union(*map(sketch.from_bytes, rows.scalars()))
        found = _outcomes(counts)
        return {**found, "clients": None if self._hides_clients else sketch.count(clients)}

    async def top(self, by: str, start: datetime, end: datetime, limit: int) -> list[KeyHits]:
        """The keys with most hits; `by` is service, vendor, list, domain, group, client or identity."""
        async with self._window(start, end) as (connection, some):
            c = stats_rollup.c
            kinds = [func.sum(case((c.kind == kind, c.n), else_=0)).label(kind) for kind in _KINDS]
            query = select(c.key, *kinds).select_from(rollups.rows_of(by, some)).group_by(c.key)
            if by in _OF_WHOM and (pattern := self._shown.like(by)) is not None:
                query = query.where(or_(c.key.in_((OTHER, ERASED)), c.key.like(pattern)) if pattern else false())
            rows = await connection.execute(query.order_by(func.sum(c.n).desc(), c.key).limit(limit))
            return [{**_key(row.key), **_hits(row._mapping)} for row in rows]

    async def series(self, step_seconds: int, start: datetime, end: datetime) -> list[StepHits]:
        """Counts of each step, of empty ones too."""
        first = int(start.timestamp()) // MINUTE * MINUTE
        steps = max(1, math.ceil((end.timestamp() - first) / step_seconds))
        counts: list[Counter[str]] = [Counter() for _ in range(steps)]
        async with self._window(start, end, step_seconds) as (connection, some):
            c = stats_rollup.c
            step = ((c.at - first) // step_seconds).label("step")
            query = select(step, c.key, func.sum(c.n).label("n")).select_from(rollups.rows_of("outcome", some))
            for row in await connection.execute(query.group_by(step, c.key)):
                counts[min(max(0, int(row.step)), steps - 1)][row.key] += int(row.n)
        return [
            {
                "at": datetime.fromtimestamp(first + number * step_seconds, UTC),
                "queries": outcomes["queries"],
                **_hits(outcomes),
            }
            for number, outcomes in enumerate(map(_outcomes, counts))
        ]

    async def breakdown(
        self, dimension: str, start: datetime, end: datetime, step_seconds: int | None
    ) -> list[KeyStepHits]:
        """Hits by step (None: the window is one) and key; only those that have some."""
        first = int(start.timestamp()) // MINUTE * MINUTE
        found: defaultdict[tuple[int, str], Counter[str]] = defaultdict(Counter)
        last: dict[tuple[int, str], int] = {}
        async with self._window(start, end, step_seconds) as (connection, some):
            c = stats_rollup.c
            query = select(c.at, c.key, c.kind, func.sum(c.n).label("n")).select_from(rollups.rows_of(dimension, some))
            for row in await connection.execute(query.group_by(c.at, c.key, c.kind)):
                if not self._is_shown(dimension, row.key):
                    continue
                step = 0 if step_seconds is None else max(0, (int(row.at) - first) // step_seconds)
                found[step, row.key][row.kind] += int(row.n)
                last[step, row.key] = max(last.get((step, row.key), 0), int(row.at))
        return [
            {
                "at": datetime.fromtimestamp(first + step * (step_seconds or 0), UTC),
                **_key(key),
                **_hits(counts),
                "last_at": datetime.fromtimestamp(last[step, key], UTC),
            }
            for (step, key), counts in sorted(found.items())
        ]

    def _is_shown(self, dimension: str, key: str) -> bool:
        """Whether a key of a dimension tells of nobody, or of somebody who is shown."""
        parts = dimension.split("/")
        if key == OTHER or not _OF_WHOM.intersection(parts):
            return True
        whom = name_of(key)
        if len(parts) > 1:  # only an identity may hold a slash
            whom = whom.split("/", 1)[1] if parts[1] in _OF_WHOM else whom.rsplit("/", 1)[0]
        if whom == ERASED:
            return True
        return self._shown.is_shown("client" if "client" in parts else "identity", whom)

    def dropped(self) -> dict[str, int]:
        """Counts of what was dropped because something was full or wrong, by kind, as of the last fold."""
        totals = self._folder.totals
        return {str(json.loads(key)[1]): count for key, count in totals.items() if key.startswith('["dropped",')}

    async def metrics(self) -> bytes:
        """All metrics as Prometheus text; while the store is away or slow, as before, with the gauges of now."""
        folding = asyncio.ensure_future(self.fold())
        await asyncio.wait([folding], timeout=_PATIENCE_SECONDS)  # it goes on: a transaction is not broken off
        if folding.done():
            self._tell_of_fold(folding)
        else:
            folding.add_done_callback(self._tell_of_fold)
        from admin_api.statistics.prometheus import exposition  # noqa: PLC0415 (its library takes 2 MiB)

        return exposition(self._folder.totals, self._gauges(), self._own_counts())

    def _tell_of_fold(self, folding: asyncio.Future[None]) -> None:
        error = None if folding.cancelled() else folding.exception()
        if isinstance(error, StoreAway):
            self._log.warning("metrics are told as of the last fold", why=str(error))
        elif error is not None:
            raise error

    @asynccontextmanager
    async def _window(
        self, start: datetime, end: datetime, step: int | None = None
    ) -> AsyncIterator[tuple[AsyncConnection, list[tuple[int, int, int]]]]:
        """Fold, and then a connection with the parts that a window is made of; rows fit into steps of `step`."""
        await self.fold()
        now = int(self._clock())
        # Before that, and after now, there is nothing: a window may be of 9,999 years.
        kept_from = {period: now - days * DAY for period, days in self._days.items()}
        first = max(int(start.timestamp()), kept_from[DAY] - DAY)
        # At least a second, so that a window before or after all that is kept has a part: one without rows.
        last = max(first + 1, min(math.ceil(end.timestamp()), now + _AHEAD_SECONDS))

        def fitting(period: int, done: int, finer: int) -> int:
            """Up to when rows of a period may be used: where they lie across two steps, where there are no finer."""
            if step is None or (step % period == 0 and first % period == 0):
                return done
            return min(done, -(-kept_from[finer] // period) * period)

        async with self._access.store.read() as connection:
            done = await rollups.rolled(connection)
            usable = rollups.Rolled(fitting(HOUR, done.hours, MINUTE), fitting(DAY, done.days, HOUR))
            yield connection, list(rollups.parts(first, last, usable, kept_from))

    async def close(self) -> None:
        """Fold a last time."""
        try:
            await self.fold()
        except StoreAway as error:
            self._log.warning("the last counts wait in their files", why=str(error))


class _Key(TypedDict):
    key: str
    rest: bool


def _key(key: str) -> _Key:
    """A key of the store as it is told."""
    return {"key": name_of(key), "rest": key == OTHER}


def _hits(counts: Mapping[Any, int]) -> Hits:
    return {"blocked": counts["blocked"], "monitored": counts["monitored"], "exempted": counts["exempted"]}


def _outcomes(counts: Counter[str]) -> dict[str, int]:
    def of(*names: str) -> int:
        return sum(counts[name] for name in names)

    return {
        "queries": counts.total(),
        "blocked": of("blocked"),
        "cached": of("cached", "cached_monitored", "cached_exempted"),
        "forwarded": of("forwarded", "forwarded_monitored", "forwarded_exempted"),
        "failed": of("failed"),
        "refused": of("refused"),
        "monitored": of("cached_monitored", "forwarded_monitored"),
        "exempted": of("cached_exempted", "forwarded_exempted"),
    }
