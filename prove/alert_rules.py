"""The alert rules of `deploy/monitoring/`, with times that a run can wait for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import yaml

RULES: Final = Path(__file__).resolve().parent.parent / "deploy" / "monitoring" / "moatdns.rules.yml"
MINUTE_SECONDS: Final = 1
HOUR_SECONDS: Final = 5
"""How long a minute and an hour are, in `for:`, in windows and in thresholds; days stay days."""

_FOR = re.compile(r"(?<=for: )(\d+)([mh])\b")
_WINDOW = re.compile(r"(?<=\[)(\d+)([mh])(?=\])|(?<=offset )(\d+)([mh])\b")
_HOURS = re.compile(r"\b(\d+) \* 3600\b")
_LEAST_WINDOW_SECONDS = 5  # of samples a second apart
_SECONDS = {"m": MINUTE_SECONDS, "h": HOUR_SECONDS}


def shortened(rules: str) -> str:
    """The same rules with the times of a run: the one place that makes them."""

    def for_(match: re.Match[str]) -> str:
        return f"{int(match[1]) * _SECONDS[match[2]]}s"

    def window(match: re.Match[str]) -> str:
        number, unit = (match[1], match[2]) if match[1] else (match[3], match[4])
        return f"{max(_LEAST_WINDOW_SECONDS, int(number) * _SECONDS[unit])}s"

    return _HOURS.sub(rf"\1 * {HOUR_SECONDS}", _WINDOW.sub(window, _FOR.sub(for_, rules)))


def alert_names(rules: str) -> set[str]:
    """The names of all alerts."""
    return {rule["alert"] for group in yaml.safe_load(rules)["groups"] for rule in group["rules"]}
