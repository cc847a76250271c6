"""Parts of a forecast's time in which a group was not watched as it is now, in finished sentences."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from admin_api.forecast.stages import GroupStage

MOST_TOLD: Final = 20
"""Groups that are told by name."""


def unwatched(stages: Mapping[str, GroupStage], start: datetime, end: datetime, *, is_one: bool) -> list[str]:
    """Tell which groups were watched for a part of a time alone; of one that was asked for, also that it is not."""
    told = [text for name, stage in stages.items() if (text := _told(name, stage, start, end, is_one=is_one))]
    more = len(told) - MOST_TOLD
    return told if more <= 0 else [*told[:MOST_TOLD], f"{more} groups more were watched for a part of that time alone"]


def _told(name: str, stage: GroupStage, start: datetime, end: datetime, *, is_one: bool) -> str | None:
    day = f"{stage.since:%Y-%m-%d %H:%M} UTC"
    match stage.stage:
        case "watching" | "forecast ready" if stage.since > start:
            return f"group {name} is watched as it is now only since {day}: what it would have met before is missing"
        case "watch is over" if stage.since < end:
            return f"the watch of group {name} ended at {day}: what it would have met since is missing"
        case "enforced" if stage.watched_before and start < stage.since:
            return f"group {name} is enforced since {day}: what is blocked since is not forecast again"
        case "not begun" | "enforced" if is_one:
            return f"group {name} is not watched: what is blocked already is not forecast"
        case _:
            return None
