"""Gaps: times in which the policy was not enforced, each with its reason, and where that stands."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from admin_api.evidence.deeds import Deed
from admin_api.evidence.in_force import Segment
from admin_api.evidence.lines import GapLine, Period, text_of
from admin_api.evidence.recording import LOOK_SECONDS
from admin_api.store.columns import iso_text
from admin_api.store.periods import DEGRADED, UNWATCHED, WORKERS, PeriodRow, SpanRow
from resolver.policy.schedules import Schedule

NOT_KNOWN, NOT_RUNNING, MONITOR, WATCHED, PAUSE, SCHEDULE = (
    *("not known", "not running", "monitor", "watched sets", "pause", "schedule"),
)
WORDLESS: Final = "it ended without a word"
"""Begin of the reason of a node that did not run, where only its last sign of life is known."""

_SPANS: Final = (DEGRADED, WORKERS, UNWATCHED)
_DAY_SECONDS: Final = 86_400.0
_WORDS: Final = {DEGRADED: "degraded", WORKERS: "fewer workers", UNWATCHED: "not observed"}

MOST_WINDOWS: Final = 100_000
"""Windows of schedules, of all groups together, that are told one by one: three seconds of computing."""


class WindowsLeft:
    """How many windows of schedules may still be looked at, and groups that got no further. `most` to begin with."""

    def __init__(self, most: int = MOST_WINDOWS) -> None:
        self.cut: set[str] = set()
        self._left = most

    def days(self, group: str, windows: int, wanted: int) -> int:
        """Days of a group's schedule with so many windows each that may be looked at, of those wanted."""
        days = min(wanted, max(self._left, 0) // windows)
        self._left -= days * windows
        if days < wanted:
            self.cut.add(group)
        return days


def node_gaps(
    rows: Sequence[PeriodRow],
    spans: Sequence[SpanRow],
    known_since: datetime | None,
    period: Period,
    running: int | None,
) -> Iterator[GapLine]:
    """Times in which the node did not run, was not well, or in which nobody noted whether it did."""
    start = period.start
    if known_since is None or known_since > start:
        ended = min(known_since or period.until, period.until)
        why = "nothing was noted of runs of the service, troubles and workers before"
        yield _line(NOT_KNOWN, None, start, ended, period, why, "node_periods")
        start = ended
    last, how = start, "it had not been started"
    source = "node_periods"
    for row in rows:
        if row.began > last:
            yield _line(NOT_RUNNING, None, last, row.began, period, how, source)
        if row.id == running:
            last = period.until
            break
        last, how, source = max(last, row.known_end), _how(row), f"node_periods {row.id}"
    if last < period.until:
        yield _line(NOT_RUNNING, None, last, None, period, how, source)
    for span in spans:
        if span.kind in _SPANS:
            yield _line(_WORDS[span.kind], None, span.began, span.ended, period, _why(span), f"node_spans {span.id}")


def _how(row: PeriodRow) -> str:
    if row.how == "stopped":
        return "it was stopped"
    if row.how == "lost":
        return "its supervisor was gone (killed, or crashed)"
    after = f"at most {LOOK_SECONDS:g} s after its last sign of life"
    return f"{WORDLESS}, {after}: killed, crashed, or without power"


def _why(span: SpanRow) -> str:
    if span.kind == DEGRADED:
        return "; ".join(span.body["why"])
    if span.kind == WORKERS:
        return f"at times only {span.body['serving']} of {span.body['of']} workers answered"
    return "nobody looked: the control process or the store was away. Workers went on with what they had"


def group_gaps(found: Sequence[Segment], period: Period, windows: WindowsLeft) -> Iterator[GapLine]:
    """Times in which a group was only watched, by its mode, what it watches, or its schedule."""
    for segment in found:
        state, group = segment.state, segment.group
        if state.get("exempt") or not period.touches(segment.began, segment.ended):
            continue  # what is exempt is a part of its own
        by = f" by {segment.deed.by}" if segment.deed else ""
        if state.get("mode") == "monitor":
            why = f"mode: monitor{by}: answered, and counted"
            yield _line(MONITOR, group, segment.began, segment.ended, period, why, segment.source)
            continue
        if state.get("monitor"):
            yield from _watched(segment, period, by)
        if state.get("schedule"):
            yield from _off_schedule(segment, period, windows)


def _watched(segment: Segment, period: Period, by: str) -> Iterator[GapLine]:
    until = segment.state.get("monitor_until")
    ended = segment.ended
    if until is not None:
        over = datetime.fromisoformat(until).astimezone(UTC)
        if over <= segment.began:
            return
        ended = over if ended is None or over < ended else ended
    names = ", ".join(segment.state["monitor"])
    if period.touches(segment.began, ended):
        why = f"only watched{by}, unless blocked otherwise: {names}"
        yield _line(WATCHED, segment.group, segment.began, ended, period, why, segment.source)


def _off_schedule(segment: Segment, period: Period, windows: WindowsLeft) -> Iterator[GapLine]:
    """Times between the windows of a schedule, by its zone's clocks, within the period.

    Where windows are too many, the rest is not known: nothing is left out without a word.
    """
    schedule = Schedule.from_plain(segment.state["schedule"])
    at = max(segment.began, period.start).timestamp()
    end = min(segment.ended or period.until, period.until).timestamp()
    wanted = math.ceil((end - at) / _DAY_SECONDS)
    days = windows.days(segment.group, len(schedule.windows), wanted)
    told_to = end if days == wanted else at + days * _DAY_SECONDS
    if told_to > at:
        for opens, closes in schedule.open_times(at, told_to):
            if opens > at:
                yield _off(segment, schedule, at, opens, period)
            at = max(at, closes)
        if at < told_to:
            yield _off(segment, schedule, at, told_to, period)
    if told_to < end:
        why = f"windows of schedules beyond {MOST_WINDOWS:,} are not looked at: ask for a shorter period, or one group"
        first, last = (datetime.fromtimestamp(each, UTC) for each in (told_to, end))
        yield _line(NOT_KNOWN, segment.group, first, last, period, why, segment.source)


def _off(segment: Segment, schedule: Schedule, began: float, ended: float, period: Period) -> GapLine:
    first, last = (datetime.fromtimestamp(at, UTC) for at in (began, ended))
    why = f"outside the windows of its schedule ({schedule.time_zone})"
    return _line(SCHEDULE, segment.group, first, last, period, why, segment.source)


def pauses_of(deeds: Sequence[Deed], period: Period) -> Iterator[tuple[Deed, datetime | None, datetime]]:
    """Pauses of the period: the row that made it, when it ended (None: it has not), and when it was to end."""
    ends = {deed.name: deed for deed in deeds if deed.kind == "pauses" and deed.action in ("end", "expire")}
    for deed in deeds:
        if deed.kind != "pauses" or deed.action != "pause" or deed.after is None:
            continue
        until = datetime.fromisoformat(str(deed.after["expires_at"])).astimezone(UTC)
        end = ends.get(deed.name)
        ended = min(until, end.at) if end is not None else until if until <= period.now else None
        if period.touches(deed.at, ended):
            yield deed, ended, until


def pause_gaps(deeds: Sequence[Deed], period: Period) -> Iterator[GapLine]:
    """Times in which a group, or every group, was paused."""
    for deed, ended, _ in pauses_of(deeds, period):
        after = deed.after or {}
        why = f"paused by {deed.by}: {after.get('reason')}"
        yield _line(PAUSE, after.get("group"), deed.at, ended, period, why, f"pause {deed.name}, {deed.source}")


def _line(
    kind: str, group: str | None, began: datetime, ended: datetime | None, period: Period, reason: str, source: str
) -> GapLine:
    return GapLine(kind, group, iso_text(began), text_of(ended), period.seconds(began, ended), reason, source)
