"""Outcomes of a judgement: why a good catalogue is held back, why another is refused, and both as they are told."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from admin_api.subscriptions.feed.messages import FeedJudged
from admin_api.subscriptions.fetching import TooLargeToFetch
from blocklists.feed.content import FeedVersion
from blocklists.feed.judging import REASONS, FeedRefused, Reason
from resolver.config.settings import FeedSettings
from resolver.errors import FetchError, MoatdnsError

_FILE_SECONDS = 10.0  # between looks at a file
_RETRY_SECONDS = (10.0, 60.0, 300.0, 900.0, 3600.0)
_JITTER = 0.1


@dataclass(frozen=True, slots=True)
class HeldCatalogue:
    """A catalogue that waits for a person, and why; `added` and `removed` are the first rules of what it changes."""

    series: str
    version: int
    expires: float  # Unix time
    why: str
    added: tuple[str, ...]
    removed: tuple[str, ...]

    @classmethod
    def of(cls, judged: FeedJudged, why: str) -> HeldCatalogue:
        """One that was judged."""
        return cls(judged.series, judged.number, judged.expires, why, judged.added, judged.removed)


def reasons_to_hold(settings: FeedSettings, judged: FeedJudged, in_force: FeedVersion | None) -> Iterator[str]:
    """Reasons why nobody but a person puts a good catalogue in force."""
    if settings.is_reviewed:
        yield "policy.catalogue.mode is 'review'"
    if judged.is_large:
        yield f"it changes {judged.changes} rules, more than a tenth of those in force"
    if in_force is not None and in_force.series != judged.series:
        yield f"its series is {judged.series!r}, and that in force is {in_force.series!r}"


def next_look(settings: FeedSettings, since: float, failures: int) -> float:
    """The time of the next look, in Unix time, after one at `since` and so many failures in a row."""
    pause = _FILE_SECONDS if settings.source.startswith("/") else float(settings.refresh_seconds)
    if failures:
        pause = min(pause, _RETRY_SECONDS[min(failures, len(_RETRY_SECONDS)) - 1])
    return min(since, time.time()) + pause * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 (no secret)


def check_accepted(judged: FeedJudged) -> None:
    """Raise what a judgement refuses: FeedRefused."""
    if judged.reason:
        reason: Reason = next((known for known in REASONS if known == judged.reason), "format")
        raise FeedRefused(reason, judged.why)


def refusal_of(error: MoatdnsError | OSError) -> tuple[Reason, str]:
    """An error as a reason, in a word, and a sentence."""
    if isinstance(error, FeedRefused):
        return error.reason, str(error)
    if isinstance(error, TooLargeToFetch):
        return "huge", str(error)
    return "fetch" if isinstance(error, FetchError | OSError) else "format", str(error)


def told(judged: FeedJudged) -> Mapping[str, Any]:
    """A version as log and audit trail have it."""
    expires = datetime.fromtimestamp(judged.expires, UTC).isoformat(timespec="seconds")
    return {"series": judged.series, "version": judged.number, "expires": expires, "changes": judged.changes}
