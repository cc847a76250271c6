"""The weekly summary: put into the outbox each Monday at seven, by the machine's time zone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from admin_api.mail.recipients import SUMMARY
from admin_api.outbox.receivers import Outbox
from admin_api.persons import BLOCK_PAGE
from admin_api.statistics.service import StatisticsService
from admin_api.store import documents, exemptions, lists
from admin_api.store.access import StoreAccess
from resolver.errors import MoatdnsError

_HOUR: Final = 7
_LOOK_SECONDS = 60.0
_TOLD: Final = "mail_weekly"  # the document that remembers which week was told last
_ACTOR = "moatdns"
_WEEK = timedelta(days=7)
_MOST_VENDORS = 10


def _local_now() -> datetime:
    return datetime.now().astimezone()


class WeeklySummary:
    """The one that makes it."""

    def __init__(
        self,
        access: StoreAccess,
        outbox: Outbox,
        statistics: StatisticsService,
        troubles: Callable[[], Sequence[str]],
        *,
        clock: Callable[[], datetime] = _local_now,
    ) -> None:
        """`clock` gives the time in the machine's zone."""
        self._access = access
        self._outbox = outbox
        self._statistics = statistics
        self._troubles = troubles
        self._clock = clock

    async def run(self) -> None:
        """Look each minute whether it is time, for ever."""
        if not self._outbox.wants(SUMMARY):
            return
        while True:
            with contextlib.suppress(MoatdnsError):  # the store is away: it is told when it is back
                await self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """Put the summary in if its time has come. Raises StoreAway."""
        now = self._clock()
        week = week_of(now)
        async with self._access.store.read() as connection:
            told = await documents.get(connection, _TOLD)
        if told is not None and told.get("week") == week:
            return
        data = None if told is None else await self._data(now)  # the first week of a node is no whole one
        async with self._access.store.change(_ACTOR) as change:
            if data is not None:
                await self._outbox.put(change.connection, SUMMARY, data)
            await documents.put(change.connection, _TOLD, {"week": week})

    async def _data(self, now: datetime) -> Mapping[str, object]:
        end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        start = end - _WEEK
        counts = await self._statistics.summary(start, end)
        top = await self._statistics.top("vendor", start, end, _MOST_VENDORS)
        async with self._access.store.read() as connection:
            opened = await exemptions.opened(connection)
            failing = [row.name for row in await lists.all_lists(connection) if row.last_error is not None]
        ending = sorted((row for row in opened if row.status == "active" and row.expires_at <= end + _WEEK), key=_end)
        return {
            "from": start.isoformat(),
            "to": end.isoformat(),
            **{key: counts[key] for key in ("queries", "blocked", "monitored", "exempted", "failed")},
            "exemptions_active": sum(row.status == "active" for row in opened),
            "exemptions_pending": sum(row.status == "pending" for row in opened),
            "vendors": [
                f"{item['key']}: {item['blocked']:,} blocked, {item['monitored']:,} only watched, "
                f"{item['exempted']:,} let through"
                for item in top
            ],
            "ending": [
                f"{', '.join(row.scope)} for {_whose(row)}, {row.expires_at:%Y-%m-%d %H:%M} UTC" for row in ending
            ],
            "lists": failing,
            "troubles": list(self._troubles()),
        }


def _whose(row: exemptions.ExemptionRow) -> str:
    """The owner, but no text that a stranger has written."""
    return "who asked on the block page" if row.requested_by == BLOCK_PAGE else row.owner


def _end(row: exemptions.ExemptionRow) -> datetime:
    return row.expires_at


def week_of(now: datetime) -> str:
    """The week whose summary is due last: they begin on Mondays at seven."""
    year, week, _ = (now - timedelta(hours=_HOUR)).isocalendar()
    return f"{year}-W{week:02}"
