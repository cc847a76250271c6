"""A piece of evidence that a domain is an AI service's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

EvidenceKind = Literal["word", "host", "top-level", "register", "sibling", "alias", "address", "company"]

EVIDENCE_KINDS: Final[tuple[EvidenceKind, ...]] = get_args(EvidenceKind)

MOST_POINTS: Final = 100


@dataclass(frozen=True, slots=True)
class Evidence:
    """One piece: its kind, what was seen, and how much it says, in points."""

    kind: EvidenceKind
    what: str
    points: int


def score_of(evidence: tuple[Evidence, ...]) -> int:
    """The points of all evidence together, at most MOST_POINTS."""
    return min(MOST_POINTS, sum(one.points for one in evidence))
