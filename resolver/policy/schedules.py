"""Weekly windows in a named time zone: when a group enforces its policy. Right across changes of the clocks.

A window's times are those of the zone's clocks. A time that a change skips counts as the moment of the change; of a
time that comes twice, a window begins with the first and ends with the second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, TypedDict
from zoneinfo import ZoneInfo

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES: Final = 24 * 60
_BEFORE_DAYS = 2  # a window that began the day before may still be open
_AHEAD_DAYS = 9  # the next window of a week is within


class PlainWindow(TypedDict):
    """Window as the config has it: days such as "mon", times such as "08:00"."""

    days: list[str]
    start: str
    end: str


class PlainSchedule(TypedDict):
    """Schedule as the config has it."""

    time_zone: str
    windows: list[PlainWindow]


@dataclass(frozen=True, slots=True)
class Window:
    """A window of each week: on these days (0 is Monday) from `begins` to `ends`, in minutes after midnight.

    One that ends no later than it begins ends the day after.
    """

    days: frozenset[int]
    begins: int
    ends: int


class Schedule:
    """The windows of one group. Raises ZoneInfoNotFoundError for a zone that nobody knows."""

    def __init__(self, time_zone: str, windows: tuple[Window, ...]) -> None:
        self.time_zone = time_zone
        self.windows = windows
        self._zone = ZoneInfo(time_zone)
        self._in_order = sorted(windows, key=_begin_of)
        self._known = (0.0, 0.0, False)  # from, until, and whether it enforces meanwhile

    @classmethod
    def from_plain(cls, plain: PlainSchedule) -> Schedule:
        """Read what the config says."""
        windows = tuple(
            Window(frozenset(DAYS.index(day) for day in one["days"]), minutes_of(one["start"]), minutes_of(one["end"]))
            for one in plain["windows"]
        )
        return cls(plain["time_zone"], windows)

    def at(self, wall: float) -> tuple[bool, float]:
        """Whether the policy is enforced at a time (Unix seconds), and until when that does not change."""
        begins, ends, enforces = self._known
        if not begins <= wall < ends:
            self._known = begins, ends, enforces = self._around(wall)
        return enforces, ends

    def open_times(self, start: float, end: float) -> Iterator[tuple[float, float]]:
        """The times from `start` to `end` (Unix seconds) in which the policy is enforced, in order, each in full.

        Works out a day after the other, each window once: far less than asking `at` again and again.
        """
        first = self.local(start).date() - timedelta(days=_BEFORE_DAYS)
        for opens, closes in self._merged(first, (self.local(end).date() - first).days + 1):
            if opens >= end:
                return
            if closes > start:
                yield opens, closes

    def local(self, wall: float) -> datetime:
        """A time as the zone's clocks show it."""
        return datetime.fromtimestamp(wall, self._zone)

    def _around(self, wall: float) -> tuple[float, float, bool]:
        today = self.local(wall).date()
        edge = today + timedelta(days=_AHEAD_DAYS)
        begins, ends = self._instant(today - timedelta(days=_BEFORE_DAYS), 0), self._instant(edge, 0)
        for opens, closes in self._merged(today - timedelta(days=_BEFORE_DAYS), _BEFORE_DAYS + _AHEAD_DAYS):
            if wall < opens:
                return begins, min(opens, ends), False
            if wall < closes:
                return max(begins, opens), min(closes, ends), True
            begins = closes
        return begins, ends, False

    def _merged(self, first: date, days: int) -> Iterator[tuple[float, float]]:
        """The times when windows of some days are open, in order, those that touch as one."""
        current: tuple[float, float] | None = None
        for opens, closes in self._open_times(first, days):
            if current is not None and opens <= current[1]:
                current = current[0], max(current[1], closes)
                continue
            if current is not None:
                yield current
            current = opens, closes
        if current is not None:
            yield current

    def _open_times(self, first: date, days: int) -> Iterator[tuple[float, float]]:
        """Each window of each of some days, in the order in which they open."""
        for ahead in range(days):
            day = first + timedelta(days=ahead)
            for window in self._in_order:
                if day.weekday() in window.days:
                    ends = window.ends if window.ends > window.begins else window.ends + DAY_MINUTES
                    yield self._instant(day, window.begins), self._instant(day, ends, last=True)

    def _instant(self, day: date, minutes: int, *, last: bool = False) -> float:
        """The instant when the zone's clocks show a time, in Unix seconds; the second one of two if `last`."""
        shown = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minutes)
        either = [shown.replace(tzinfo=self._zone, fold=fold).timestamp() for fold in (0, 1)]
        early, late = min(either), max(either)
        if early == late:
            return early
        if self.local(early).replace(tzinfo=None) == shown:
            return late if last else early
        return self._change_between(int(early), int(late))

    def _change_between(self, before: int, after: int) -> float:
        """The moment at which the clocks change."""
        old = self.local(before).utcoffset()
        while after - before > 1:
            middle = (before + after) // 2
            if self.local(middle).utcoffset() == old:
                before = middle
            else:
                after = middle
        return float(after)


def _begin_of(window: Window) -> int:
    return window.begins


def minutes_of(text: str) -> int:
    """Minutes after midnight of "08:30"; "24:00" is the day's end."""
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)
