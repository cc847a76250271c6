"""The fold: what the workers' counter files have gained goes into the store, with the values read, in one transaction.

So whoever dies, and when: what was counted is neither lost nor doubled. A file whose writer has ended is removed after
the fold that read it last.
"""

from __future__ import annotations

import asyncio
import functools
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.statistics import sketch
from admin_api.statistics.rollups import MINUTE
from admin_api.statistics.rows import Gains, is_total
from admin_api.store import documents
from admin_api.store.store import Store
from admin_api.store.tables import counter_files, stats_clients, stats_rollup
from admin_api.store.upserts import insert_into
from resolver.telemetry.counter_file import SUFFIX, CounterFileError, Reading, read_counters
from resolver.telemetry.log import Log

_FILES_AT_ONCE = 4  # that are read into memory; a fold of many clients has more of them, each with 65,536 cells
_NONE = array("Q")
_ASIDE = ".damaged"  # ends the name of a file that cannot be read
_TOTALS = "metrics_totals"  # the document of the metrics' totals, by key


@functools.cache
def adding(dialect: str) -> Any:
    """The statement that adds rows to those of the roll-ups, a list of them at once.

    Made once: a statement with all rows in it is compiled anew each time.
    """
    statement = insert_into(stats_rollup, dialect)
    keys = ["period_seconds", "at", "dimension", "key", "kind"]
    more = stats_rollup.c.n + statement.excluded.n
    return statement.on_conflict_do_update(index_elements=keys, set_={"n": more})


@dataclass(slots=True)
class _Read:
    """A file as it was read for this fold."""

    path: Path
    reading: Reading


class Folder:
    """Folds counter files of one folder into one store."""

    def __init__(self, folder: Path, log: Log, most_of_people: int) -> None:
        """`most_of_people`: keys of each dimension of whose clients are, in a minute."""
        self._folder = folder
        self._most_of_people = most_of_people
        self._log = log
        self._marks: dict[str, array[int]] | None = None  # by file: the values folded last
        self._readings: dict[str, Reading] = {}  # by file: the last, whose keys are not read again
        self._minute = 0  # that was folded into last
        self._keys_of_minute: dict[str, set[str]] = {}  # by dimension: rows that it has
        self.totals: Counter[str] = Counter()

    def files(self) -> set[str]:
        """Names of the counter files that are there; those that were set aside are removed."""
        for path in self._folder.glob(f"*{_ASIDE}"):
            path.unlink(missing_ok=True)
            self._log.warning("a damaged counter file is removed: it may hold who is taken out", file=str(path))
        return {path.name for path in self._folder.glob(f"*{SUFFIX}")}

    async def fold(self, store: Store, now: float) -> None:
        """Fold what is new at the Unix time `now`. Raises StoreAway; then nothing is lost."""
        try:
            await self._fold(store, now)
        except BaseException:
            self._marks = None  # whether it was committed, the store knows
            raise

    async def _fold(self, store: Store, now: float) -> None:
        if self._marks is None:
            self._marks, self.totals = await self._load(store)
        paths = await asyncio.to_thread(lambda: sorted(self._folder.glob(f"*{SUFFIX}")))
        gone = self._marks.keys() - {path.name for path in paths}
        for first in range(0, max(len(paths), 1), _FILES_AT_ONCE):
            await self._fold_some(store, now, self._marks, paths[first : first + _FILES_AT_ONCE], gone)
            gone = set()

    async def _fold_some(
        self, store: Store, now: float, marks: dict[str, array[int]], paths: list[Path], gone: set[str]
    ) -> None:
        """Fold some files, and forget those that are `gone`, in one transaction."""
        read = await asyncio.to_thread(self._read, paths)
        minute = int(now) // MINUTE * MINUTE
        if minute != self._minute:
            self._minute, self._keys_of_minute = minute, {}
        gains = await asyncio.to_thread(self._gains, read, marks, self._keys_of_minute)
        changed = [one for one in read if marks.get(one.path.name) != one.reading.values]
        totals = self.totals + gains.totals
        if changed or gone:
            async with store.count() as connection:
                await _write(connection, gains, minute)
                await self._mark(connection, changed, gone)
                if gains.totals:
                    await documents.put(connection, _TOTALS, totals)
            self.totals = totals
            for dimension, keys in gains.keys.items():
                self._keys_of_minute.setdefault(dimension, set()).update(keys)
            for one in changed:
                marks[one.path.name] = one.reading.values
            for name in gone:
                del marks[name]
                self._readings.pop(name, None)
        ended = [one.path for one in read if not one.reading.is_live]
        await asyncio.to_thread(self._remove, ended)
        for path in ended:  # what is removed is not read again
            marks[path.name] = _NONE
            self._readings.pop(path.name, None)

    async def add(self, connection: AsyncConnection, gained: Counter[str]) -> Counter[str]:
        """Add to the metrics' totals in a transaction; gives them as they are once it is committed. No fold may run."""
        totals = await _totals(connection) + gained
        await documents.put(connection, _TOTALS, totals)
        return totals

    async def _load(self, store: Store) -> tuple[dict[str, array[int]], Counter[str]]:
        async with store.read() as connection:
            rows = await connection.execute(select(counter_files.c.name, counter_files.c.cells))
            marks = {row.name: array("Q", row.cells) for row in rows}
            return marks, await _totals(connection)

    def _read(self, paths: list[Path]) -> list[_Read]:
        found = []
        for path in paths:
            try:
                reading = read_counters(path, self._readings.get(path.name))
            except FileNotFoundError:
                continue
            except (CounterFileError, OSError) as error:
                self._log.error("a counter file cannot be read and is set aside", file=str(path), why=str(error))
                path.rename(path.with_suffix(_ASIDE))
                self._readings.pop(path.name, None)
                continue
            self._readings[path.name] = reading
            found.append(_Read(path, reading))
        return found

    def _gains(self, read: list[_Read], marks: dict[str, array[int]], known: dict[str, set[str]]) -> Gains:
        def gains() -> Iterator[tuple[str, int]]:
            for one in read:
                before = marks.get(one.path.name, _NONE)
                values = one.reading.values
                for index, key in enumerate(one.reading.keys):
                    gained = values[index] - (before[index] if index < len(before) else 0)
                    if gained:
                        yield key, gained

        return Gains(gains(), known, self._most_of_people)

    @staticmethod
    async def _mark(connection: AsyncConnection, changed: list[_Read], gone: set[str]) -> None:
        names = [*gone, *(one.path.name for one in changed)]
        await connection.execute(delete(counter_files).where(counter_files.c.name.in_(names)))
        marks = [{"name": one.path.name, "cells": one.reading.values.tobytes()} for one in changed]
        if marks:
            await connection.execute(insert(counter_files), marks)

    @staticmethod
    def _remove(paths: list[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)


async def _totals(connection: AsyncConnection) -> Counter[str]:
    kept = await documents.get(connection, _TOTALS) or {}
    return Counter({key: int(count) for key, count in kept.items() if is_total(key)})


async def _write(connection: AsyncConnection, gains: Gains, minute: int) -> None:
    rows: list[dict[str, object]] = [
        {"period_seconds": MINUTE, "at": minute, "dimension": dimension, "key": key, "kind": kind, "n": count}
        for (dimension, key, kind), count in gains.rows.items()
    ]
    if rows:
        await connection.execute(adding(connection.dialect.name), rows)
    if gains.clients:
        here = (stats_clients.c.period_seconds == MINUTE) & (stats_clients.c.at == minute)
        before = await connection.scalar(select(stats_clients.c.sketch).where(here))
        merged = sketch.union(gains.clients, sketch.from_bytes(before or b""))
        await connection.execute(delete(stats_clients).where(here))
        values = {"period_seconds": MINUTE, "at": minute, "sketch": sketch.to_bytes(merged)}
        await connection.execute(insert(stats_clients).values(values))
