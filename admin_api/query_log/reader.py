"""Reads the query log: a page is answered within its time, with what was found by then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from admin_api.query_log import files
from admin_api.query_log.block_search import Row
from admin_api.query_log.cursors import START, marks_of, place_of, text_of
from admin_api.query_log.log_filter import Aliases, LogFilter
from admin_api.query_log.search import Search
from admin_api.query_log.shown import Shown
from admin_api.query_log.unreadable import UnreadableBlocks

BUDGET_SECONDS: Final = 0.15
"""How long a page is searched for, waiting for a turn included."""

_GRACE_SECONDS = 0.04  # then a search that is in the middle of something is told to stop, and not waited for
_THREADS = 4
_ALL: Final = Shown()
_OFTEN_MISSING: Final = ("remark", "identity")


@dataclass(frozen=True, slots=True)
class LogPage:
    """A page of the query log, newest first, which may be short, or empty, because its time was over.

    `next` is the cursor to go on, None at the end; `searched_to` the time down to which was looked, None where nothing
    was, or all; `newest` what to give as `after` to get what comes later, None with a cursor.
    """

    items: Sequence[Mapping[str, Any]]
    next: str | None
    searched_to: datetime | None = None
    newest: str | None = None


class QueryLogReader:
    """The query log below a state directory."""

    def __init__(
        self,
        state_dir: Path,
        *,
        budget_seconds: float = BUDGET_SECONDS,
        unreadable: UnreadableBlocks | None = None,
        shown: Shown = _ALL,
    ) -> None:
        """`unreadable` is told of blocks that are passed over; `shown` says whom rows tell of."""
        self._shown = shown
        self._folder = state_dir / files.FOLDER
        self._budget_seconds = budget_seconds
        self.unreadable = UnreadableBlocks() if unreadable is None else unreadable
        self._threads = ThreadPoolExecutor(_THREADS, "query log reader")

    async def page(
        self,
        filters: Mapping[str, str],
        start: datetime | None,
        end: datetime | None,
        *,
        limit: int,
        cursor: str | None,
        after: str | None = None,
        aliases: Aliases | None = None,
    ) -> LogPage:
        """`filters` by client, identity, name (and all below it), contains, group, service, verdict.

        `aliases` as LogFilter has them.

        With `after` (`newest` of an earlier page), only what was written since. A page and all that follow it by
        `next` have each such row once. Raises BadCursor, BadAfter.
        """
        marks, begin = marks_of(after), place_of(cursor)
        sought = self._shown.sought(filters, aliases or {})
        if sought is None:
            return LogPage([], None, None, after if begin == START else None)
        filters, aliases = sought
        wanted = LogFilter(filters, _seconds(start), _seconds(end), marks, aliases)
        search = Search(self._folder, wanted, begin, limit, self.unreadable.note)
        await self._run(search)
        count, place, searched_to = search.found
        rows = sorted(search.rows[:count], key=lambda row: float(row[0]), reverse=True)
        newest = None if search.newest is None else text_of(search.newest)
        return LogPage(
            [_item(row, self._shown) for row in rows],
            None if place is None else text_of(place),
            None if place is None or searched_to is None else datetime.fromtimestamp(searched_to, UTC),
            newest or (after if begin == START else None),
        )

    async def _run(self, search: Search) -> None:
        running = self._threads.submit(search.run, time.monotonic() + self._budget_seconds)
        watched = asyncio.wrap_future(running)
        try:
            await asyncio.wait([watched], timeout=self._budget_seconds + _GRACE_SECONDS)
        finally:
            search.stop()
            if not watched.done():
                watched.cancel()  # it may not have had its turn yet
        if not watched.cancelled():
            watched.result()


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _item(row: Row, shown: Shown) -> Mapping[str, object]:
    item = dict(zip(files.FOUND, row, strict=True))
    item["client"] = shown.address(item["client"] or "") or None
    item["identity"] = shown.identity(item["identity"])
    at = datetime.fromtimestamp(item.pop("at"), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for name in _OFTEN_MISSING:
        if item[name] is None:
            del item[name]
    return {"at": at, "group": item.pop("grp"), **item}
