"""Uses of exemptions in a period, as exactly as counts are kept: what may have been used is not said to be unused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from admin_api.evidence.losses import Loss


@dataclass(frozen=True, slots=True)
class Use:
    """How often something was used, and when last (None: it was not)."""

    count: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class UseCounts:
    """UseCounts of a period by the exemption's id, and since when all of them are kept.

    `is_whole`: none of them was put under `other`, of which nobody knows whose they are.
    """

    by_id: Mapping[str, Use]
    kept_since: datetime
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Uses:
    """Counts of uses, and the times of which they are lost."""

    counts: UseCounts
    losses: Sequence[Loss]

    def of(self, number: str, began: datetime, ended: datetime | None) -> Use | None:
        """Uses of an exemption that counted so long; None where it is not known whether it has any."""
        used = self.counts.by_id.get(number)
        if used is not None and used.count:
            return used
        is_known = self.counts.is_whole and began >= self.counts.kept_since
        is_known = is_known and not any(loss.has(began, ended) for loss in self.losses)
        return Use(0, None) if is_known else None


def use_texts(uses: Uses | None) -> Iterator[str]:
    """Blind spots of the counts."""
    if uses is not None and not uses.counts.is_whole:
        yield (
            "more exemptions were used at once than are counted apart: where uses are not known they are null, and "
            "others may have been used more often than it says"
        )
