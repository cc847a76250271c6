"""One sink: what is new is sent to it, in order, as long as it takes it; else again later, with growing pauses."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar

from admin_api.query_log.passing import passes
from admin_api.sinks.audit_feed import AuditFeed
from admin_api.sinks.marks import MarksFile
from admin_api.sinks.query_feed import FedRows, QueryFeed
from admin_api.sinks.rows import Outlet, RowsRefused, SinkAway, SinkRow
from admin_api.sinks.state import SinkState
from resolver.config.settings import LogSinkSettings
from resolver.errors import MoatdnsError
from resolver.telemetry.log import Log

MOST_OCTETS: Final = 1 << 20
"""Of a batch, before it is compressed; or one row."""

_ALONE_IN_A_ROW: Final = 10  # rows that were refused, one by one, before it is the sink that seems wrong
_LOGGED_SECONDS: Final = 60.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SinkPauses:
    """Pauses of a sink, in seconds."""

    look: float = 1.0  # between two looks for what is new
    first_retry: float = 1.0
    longest_retry: float = 60.0
    keep: float = 1.0  # between two writes of the marks


class Runs(Protocol):
    """Runs a function in the sinks' thread."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """Give what it gives."""


class LogSink:
    """One sink. `open_queries` makes the feed of queries, None where it gets none; `audit` is that of the trail."""

    def __init__(
        self,
        settings: LogSinkSettings,
        shown: str,
        outlet: Outlet,
        log: Log,
        *,
        audit: AuditFeed | None,
        open_queries: Callable[[], QueryFeed] | None,
        marks: MarksFile,
        in_thread: Runs,
        is_lossy: bool,
        pauses: SinkPauses,
    ) -> None:
        self.settings = settings
        self.shown = shown
        self.state = SinkState()
        self._outlet = outlet
        self._log = log
        self._audit = audit
        self._open_queries = open_queries
        self._queries: QueryFeed | None = None
        self._marks = marks
        self._in_thread = in_thread
        self._is_lossy = is_lossy
        self._pauses = pauses
        self._size = settings.batch_rows
        self._failures = 0
        self._alone = 0
        self._kept_at = 0.0
        self._is_kept = True
        self._is_noted = False
        self._logged_at = -_LOGGED_SECONDS
        self._untold = 0  # rows that were dropped since
        self._why_dropped = ""

    @property
    def troubles(self) -> list[str]:
        """Reasons why the node is not healthy, on account of this sink."""
        return [f"log sink {self.shown}: {text}" for text in self.state.troubles]

    async def run(self) -> None:
        """Send, for ever."""
        try:
            while True:
                began, sent = time.monotonic(), self.state.sent
                pause = await self._round()
                # A sink that is behind catches up at its pace, so that others of this process have their turn.
                spent = time.monotonic() - began
                least = (self.state.sent - sent) / self.settings.rows_per_second
                await asyncio.sleep(max(pause, least - spent))
        finally:
            with contextlib.suppress(OSError, RuntimeError):  # the thread may be in the middle of something
                self._keep()
            await self._outlet.close()

    @property
    def has_begun(self) -> bool:
        """Whether what is logged from now on is the sink's."""
        return self._open_queries is None or self._is_noted

    async def _begin(self) -> None:
        """Note from where on queries are the sink's, before anything is sent: it may be away now. Raises sqlite3.Error,
        OSError.
        """
        if self._open_queries is not None and self._queries is None:
            self._queries = await self._in_thread(self._open_queries)
            self._is_kept = False
        if not self._is_noted:
            await self._in_thread(self._keep)
            self._is_noted = True

    async def _round(self) -> float:
        """Send a batch of each source; gives how long to wait then."""
        has_more, sent = False, self.state.sent
        away: SinkAway | None = None
        why, said = None, ""  # in our words, and in others'
        for forward in (self._begin, self._forward_audit, self._forward_queries):
            try:
                has_more = bool(await forward()) or has_more
            except SinkAway as error:
                away, why, said = error, str(error), error.said
                break
            except sqlite3.Error as error:
                if not passes(error):
                    why, said = "the query log cannot be read", f": {error}"
            except MoatdnsError as error:  # of our own store; what is of the other source goes on
                why, said = str(error), ""
            except OSError as error:  # likewise, of our disk
                why, said = error.strerror or str(error), ""
            except Exception as error:  # a fault of ours: the control process would only begin again with it
                why, said = "an unexpected error", f": {error!r}"
        await self._keep_now_and_then()
        self._tell_drops()
        if why is None and has_more and self.state.sent == sent:
            return 0.0  # rows were passed over, which says nothing of the sink
        self._note(why, said)
        if away is None:
            self._failures = 0
            return 0.0 if has_more else self._pauses.look
        if away.is_late:  # fewer at once may be in time
            self._size = max(1, self._size // 2)
        self._failures += 1
        pauses = self._pauses
        longest = min(pauses.longest_retry, pauses.first_retry * 2.0 ** min(self._failures - 1, 30))
        # Jittered, so that nodes whose collector was away do not come back all at once.
        return max(away.wait_seconds or 0.0, longest * random.uniform(0.5, 1.0))  # noqa: S311 (no secret)

    async def _forward_audit(self) -> bool:
        feed = self._audit
        if feed is None:
            return False
        found = await feed.take(self._size, MOST_OCTETS)
        self._wait("audit", found.oldest)  # else the next look says that none waits

        async def advance(count: int) -> None:
            await feed.advance(found, count)

        await self._send(found.rows, advance)
        return found.has_more

    async def _forward_queries(self) -> bool:
        feed = self._queries
        if feed is None:
            return False
        wait = self.settings.longest_wait_seconds if self._is_lossy else None
        not_before = 0 if wait is None else round((time.time() - wait) * 1000)
        found: FedRows = await self._in_thread(lambda: feed.take(self._size, MOST_OCTETS, not_before=not_before))
        if found.rows or not found.has_more:
            self._wait("queries", found.oldest)

        async def advance(count: int) -> None:
            await self._in_thread(lambda: feed.advance(found, count))
            self._is_kept = False

        if found.removed:
            self._is_kept = False
            self._drop(found.removed, "removed", "the bounds of the query log were reached before they were sent")
        if not found.rows and found.has_more:
            await advance(0)
            self._drop(found.passed, "late", f"they waited for more than {wait} s")
            self._drop(found.unreadable, "damaged", "their blocks of the query log cannot be read")
        else:
            await self._send(found.rows, advance)
        return found.has_more

    async def _send(self, rows: list[SinkRow], advance: Callable[[int], Awaitable[None]]) -> None:
        """Send all of them, and note how far it came. Raises SinkAway, and what `advance` raises."""
        at, size = 0, len(rows)
        while at < len(rows):
            part = rows[at : at + size]
            try:
                count = await self._outlet.send(part)
            except RowsRefused as error:
                if len(part) > 1:
                    size = len(part) // 2  # until those are alone that are not wanted
                    continue
                self._alone += 1
                seems_wrong = self._alone > _ALONE_IN_A_ROW
                if seems_wrong and self._failures == 0:
                    # It takes nothing at all, it seems: hardly anything is thrown away for a mistake in its set-up.
                    self._size = 1
                    raise SinkAway(f"it refuses every row: {error}", said=error.said) from error
                count = 1
                await advance(at + 1)
                self._drop(1, "refused", f"it refuses them: {error}{error.said}")
                if seems_wrong:
                    raise SinkAway(f"it refuses every row: {error}", said=error.said) from error
            else:
                self._alone = 0
                self.state.sent += count
                self.state.last_success_at = datetime.now(UTC)
                await advance(at + count)
                size = max(size, count) * 2
            at += count
        if rows:
            self._size = min(self.settings.batch_rows, self._size * 2)

    def _wait(self, source: str, oldest: int | None) -> None:
        if oldest is None:
            self.state.oldest.pop(source, None)
        else:
            self.state.oldest[source] = oldest

    def _drop(self, rows: int, reason: str, why: str) -> None:
        if not rows:
            return
        self.state.drop(rows, reason)
        self._untold += rows
        self._why_dropped = why
        self._tell_drops()

    def _tell_drops(self) -> None:
        """Tell of rows that were dropped, once a minute."""
        if self._untold and time.monotonic() - self._logged_at >= _LOGGED_SECONDS:
            self._logged_at = time.monotonic()
            rows, self._untold = self._untold, 0
            self._log.warning("rows for a log sink are dropped", to=self.shown, rows=rows, why=self._why_dropped)

    def _note(self, why: str | None, said: str) -> None:
        before = self.state.trouble
        self.state.note(why, said)
        if why is not None and why != before:
            self._log.error("the log does not reach a sink", to=self.shown, why=self.state.last_error)
        elif why is None and before is not None:
            self._log.info("the log reaches a sink again", to=self.shown)

    async def _keep_now_and_then(self) -> None:
        now = time.monotonic()
        if self._is_kept or now - self._kept_at < self._pauses.keep:
            return
        self._kept_at = now
        with contextlib.suppress(OSError):  # a full disk: what is sent meanwhile may come twice after a restart
            await self._in_thread(self._keep)

    def _keep(self) -> None:
        if self._queries is not None and not self._is_kept:
            self._marks.write(self._queries.marks)
            self._is_kept = True
