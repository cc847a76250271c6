"""Messages between the control process and the child that judges a fed catalogue (child.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from blocklists.feed.place import CataloguePlace
from resolver.system.channel import Asks, MessageSet

JUDGE_SECONDS: Final = 120.0
"""For the largest catalogue to be judged."""


@dataclass(frozen=True, slots=True)
class FeedJudged:
    """A judgement. With `reason` it is refused, for `why`; `is_seen`: it was signed, and its number counts nonetheless.

    `added` and `removed` are the first rules of the change of what is in force; `changes` is how many there are.
    """

    series: str = ""
    number: int = 0
    expires: float = 0.0  # Unix time
    digest: str = ""
    key: str = ""
    reason: str = ""
    why: str = ""
    is_seen: bool = False
    is_superseded: bool = False  # the bundled catalogue is as new
    is_large: bool = False
    changes: int = 0
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgeFeed(Asks[FeedJudged]):
    """Judge a file against what is in force, and keep a copy of one that is not refused."""

    content: Path
    signature: Path
    keys: tuple[str, ...]
    in_force: CataloguePlace
    highest: Mapping[str, Any]  # as blocklists.feed.kept.plain_of has it
    now: float  # Unix time
    state_dir: Path


FEED_CHANNEL: Final = MessageSet("feed", 1, FeedJudged, patience_seconds={JudgeFeed: JUDGE_SECONDS})
