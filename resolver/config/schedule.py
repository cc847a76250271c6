"""The schedule of a group: weekly windows in a named time zone."""

from __future__ import annotations

import re
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, model_validator

from resolver.config import fields
from resolver.config.section import Section
from resolver.config.wording import nearest, shown
from resolver.errors import RuleError
from resolver.policy.schedules import DAYS

_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]\Z")
_MOST_WINDOWS = 100


def _read_day(text: str) -> str:
    day = text.strip().lower()[:3]
    if day in DAYS:
        return day
    raise RuleError(f"{shown(text)} is not a day: write {', '.join(DAYS)}")


def _read_time(text: str) -> str:
    if _TIME.match(text):
        return text
    raise RuleError(f"{shown(text)} is not a time: write hours and minutes, as in '08:30'")


def _read_end(text: str) -> str:
    return text if text == "24:00" else _read_time(text)


def _read_zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ValueError, OSError, KeyError):  # no such zone, or no name that a file could have
        meant = nearest(text, available_timezones())
        hint = f": did you mean {meant!r}?" if meant else ": write a name such as 'Europe/Berlin', or 'UTC'"
        raise RuleError(f"{shown(text)} is not a time zone{hint}") from None
    return text


class WindowSection(Section):
    """A window of each week. One that ends earlier than it begins ends the day after."""

    days: Annotated[fields.Texts, Field(min_length=1), fields.read_each(_read_day)] = DAYS
    """The days on which it begins: mon, tue, wed, thu, fri, sat, sun."""
    start: Annotated[str, fields.reading(_read_time)]
    """Its beginning, by the clocks of the zone: '08:00'."""
    end: Annotated[str, fields.reading(_read_end)]
    """Its end; '24:00' is the day's end."""

    @model_validator(mode="after")
    def _is_not_empty(self) -> WindowSection:
        if self.start == self.end:
            why = "is when it starts, too: for a whole day write start '00:00' and end '24:00'"
            fields.raise_mistakes([fields.mistake(why, self.end, "end")])
        return self


class ScheduleSection(Section):
    """Schedule by which a group enforces its policy."""

    time_zone: Annotated[str, fields.reading(_read_zone)]
    """A time zone of the IANA database: 'Europe/Berlin', 'UTC'."""
    windows: Annotated[tuple[WindowSection, ...], Field(min_length=1, max_length=_MOST_WINDOWS)]
    """Windows in which the policy is enforced."""
