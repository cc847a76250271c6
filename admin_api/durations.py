"""Times as people write them: ``90d``, ``12h``, or a moment in RFC 3339; and as they read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhdw])\Z")
_WORDS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def expiry(text: str, now: datetime) -> datetime:
    """The moment that `text` means. Raises ValueError, fit to show, for what is neither form or not to come."""
    match = _DURATION.match(text.strip())
    at: datetime | None
    try:
        at = now + timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else datetime.fromisoformat(text.strip())
        at = at.astimezone(UTC) if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        at = None
    if at is None:
        raise ValueError(f"{text!r} is not a time: write '90d', '12h' or a time as in '2027-01-31T12:00:00Z'")
    if at <= now:
        raise ValueError(f"{text!r} is already past")
    return at


def in_words(seconds: int) -> str:
    """``8 hours``: in the largest unit that says it without a rest."""
    size, unit = next((size, unit) for size, unit in _WORDS if seconds % size == 0)
    count = seconds // size
    return f"{count} {unit}{'' if count == 1 else 's'}"
