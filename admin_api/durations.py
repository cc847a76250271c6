"""Times to come, as people write them: ``90d``, ``12h``, or a moment in RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhdw])\Z")
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
