"""Time windows that people choose from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Range:
    """A window up to now."""

    key: str
    label: str
    seconds: int
    step_seconds: int  # of a chart

    def start(self) -> datetime:
        """When it begins: on a step, so that a chart's steps are whole."""
        now = datetime.now(UTC).timestamp()
        return datetime.fromtimestamp((now - self.seconds) // self.step_seconds * self.step_seconds, UTC)

    def query(self) -> dict[str, str]:
        """As the API's statistics take it."""
        return {"from": self.start().isoformat()}


RANGES = (
    Range("1h", "Hour", 3600, 60),
    Range("24h", "Day", 86400, 900),
    Range("7d", "Week", 7 * 86400, 3600),
    Range("30d", "30 days", 30 * 86400, 6 * 3600),
)


def chosen(query: Mapping[str, str], default: str = "24h", among: Iterable[Range] = RANGES) -> Range:
    """The one that the address names; the default for none."""
    by_key = {each.key: each for each in among}
    return by_key.get(query.get("range", default), by_key[default])
