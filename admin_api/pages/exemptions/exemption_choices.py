"""Choices of a form that asks for an exemption: durations, and the scopes that nobody can have opened."""

from __future__ import annotations

from resolver.policy.standing import BYPASS

TWO_HOURS = "7200"
DURATIONS = (
    ("1800", "30 minutes"),
    (TWO_HOURS, "2 hours"),
    ("28800", "8 hours"),
    ("86400", "1 day"),
    ("604800", "1 week"),
    ("2592000", "30 days"),
)


def stays_closed(service: str | None) -> bool:
    """Whether a service is a way round the resolver, which no exemption opens."""
    return service is not None and service.partition("/")[0] == BYPASS
