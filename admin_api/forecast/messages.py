"""Messages between the control process and the child that reads the query log for a forecast (child.py)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from admin_api.forecast.counting import CountedLog
from resolver.system.channel import Asks, MessageSet

FORECAST_SECONDS: Final = 600.0
"""For a forecast; admin.plan_seconds ends it sooner."""


@dataclass(frozen=True, slots=True)
class CountLog(Asks[CountedLog]):
    """Count what the query log has from one Unix time to before another, of one group or of all."""

    state_dir: Path
    start: float
    end: float
    group: str | None


FORECAST_CHANNEL: Final = MessageSet("forecast", 1, CountedLog, patience_seconds={CountLog: FORECAST_SECONDS})
