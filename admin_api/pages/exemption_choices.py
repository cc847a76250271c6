"""How long exemptions are asked for, where people choose rather than type."""

from __future__ import annotations

TWO_HOURS = "7200"
DURATIONS = (
    ("1800", "30 minutes"),
    (TWO_HOURS, "2 hours"),
    ("28800", "8 hours"),
    ("86400", "1 day"),
    ("604800", "1 week"),
    ("2592000", "30 days"),
)
