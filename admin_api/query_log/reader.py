"""Reads the query log, newest first, page by page, each within a moment."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from admin_api.context import LogPage
from admin_api.query_log import files

_BUDGET_SECONDS = 0.25
_AT_ONCE = 4
_CHUNK = 20_000  # ids looked through before the time is looked at
_FILTERS = {"client": "client = ?", "group": "grp = ?", "service": "service = ?", "verdict": "verdict = ?"}
_FIRST_ID = 1 << 62


class QueryLogReader:
    """The query log below a state directory."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / files.FOLDER
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def page(
        self,
        filters: Mapping[str, str],
        start: datetime | None,
        end: datetime | None,
        *,
        limit: int,
        cursor: str | None,
    ) -> LogPage:
        """As context.QueryLog has it. A page may be short, or empty, and still have a `next`: its time was over."""
        place = _place_of(cursor)
        async with self._turns:
            return await asyncio.to_thread(self._page, filters, start, end, limit, place)

    def _page(
        self,
        filters: Mapping[str, str],
        start: datetime | None,
        end: datetime | None,
        limit: int,
        place: tuple[str, int] | None,
    ) -> LogPage:
        deadline = time.monotonic() + _BUDGET_SECONDS
        where, values = _conditions(filters, start, end)
        earliest = start.astimezone(UTC).strftime("%Y-%m-%d") if start else ""
        latest = end.astimezone(UTC).strftime("%Y-%m-%d") if end else "9"
        rows: list[tuple[Any, ...]] = []
        for day in files.days(self._folder):
            if day < earliest or day > latest or (place is not None and day > place[0]):
                continue
            below = place[1] if place is not None and day == place[0] else _FIRST_ID
            try:
                connection = files.open_to_read(self._folder, day)
                try:
                    below = self._of_day(connection, where, values, below, limit, rows, deadline)
                finally:
                    connection.close()
            except sqlite3.Error:
                continue  # removed meanwhile, or damaged: the writer sets it aside
            if len(rows) >= limit or (below > 0 and time.monotonic() > deadline):
                return LogPage(_items(rows), _cursor_of(day, below))
        return LogPage(_items(rows), None)

    @staticmethod
    def _of_day(
        connection: sqlite3.Connection,
        where: str,
        values: list[Any],
        below: int,
        limit: int,
        rows: list[tuple[Any, ...]],
        deadline: float,
    ) -> int:
        """Add what a day has below an id. Gives the id to go on below, 0 when nothing is left."""
        first, last = connection.execute("SELECT min(id), max(id) FROM queries").fetchone()
        if first is None:
            return 0
        below = min(below, last + 1)
        columns = ", ".join(files.COLUMNS)
        while below > first:
            floor = max(first, below - _CHUNK)
            found = connection.execute(
                f"SELECT id, {columns} FROM queries WHERE id < ? AND id >= ?{where} ORDER BY id DESC LIMIT ?",  # noqa: S608
                [below, floor, *values, limit - len(rows)],
            ).fetchall()
            rows += [row[1:] for row in found]
            if len(rows) >= limit:
                return int(found[-1][0]) if found[-1][0] > first else 0
            below = floor
            if time.monotonic() > deadline:
                break
        return below if below > first else 0


def _conditions(filters: Mapping[str, str], start: datetime | None, end: datetime | None) -> tuple[str, list[Any]]:
    parts: list[str] = []
    values: list[Any] = []
    for name, value in filters.items():
        if name == "name":
            wanted = value.strip().rstrip(".").lower()
            parts.append("(name = ? OR substr(name, -?) = ?)")
            values += [wanted, len(wanted) + 1, f".{wanted}"]
        else:
            parts.append(_FILTERS[name])
            values.append(value)
    for at, sign in ((start, ">="), (end, "<")):
        if at is not None:
            parts.append(f"at {sign} ?")
            values.append(at.timestamp())
    return "".join(f" AND {part}" for part in parts), values


def _items(rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """In order of time: workers' batches come one after the other."""
    return [_item(row) for row in sorted(rows, key=lambda row: row[0], reverse=True)]


def _item(row: tuple[Any, ...]) -> dict[str, Any]:
    item = dict(zip(files.COLUMNS, row, strict=True))
    at = datetime.fromtimestamp(item.pop("at"), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"at": at, "group": item.pop("grp"), **item}


def _cursor_of(day: str, below: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([day, below]).encode()).decode().rstrip("=")


def _place_of(cursor: str | None) -> tuple[str, int] | None:
    if cursor is None:
        return None
    try:
        day, below = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError("a cursor that we did not give") from error
    if not isinstance(day, str) or type(below) is not int or not 0 <= below <= _FIRST_ID:
        raise ValueError("a cursor that we did not give")
    return day, below
