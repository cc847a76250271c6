"""The machine that the figures are of, and how busy others keep it."""

from __future__ import annotations

import os
import platform
from typing import Any


def machine() -> dict[str, Any]:
    """Cores, kernel, Python, and the load averages of the last minute and five minutes."""
    minute, five_minutes, _ = os.getloadavg()
    return {
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_1_minute": round(minute, 2),
        "load_5_minutes": round(five_minutes, 2),
    }
