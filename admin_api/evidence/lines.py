"""Lines of evidence, as they are signed, told and printed. Times are ISO 8601, UTC; what has the end null goes on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from admin_api.store.columns import iso_text

FORMAT: Final = "moatdns evidence 1"
MOST_LINES: Final = 5_000
"""Lines of one part; how many more there are is told in `left_out`."""


@dataclass(frozen=True, slots=True)
class KnownSince:
    """A record, and since when it is whole; null where it holds nothing."""

    what: str
    since: str | None


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run of the service: running, stopped, lost (no supervisor), or silent after its last sign of life."""

    begins: str
    ends: str | None
    how: str
    version: str
    node: str


@dataclass(frozen=True, slots=True)
class InForceLine:
    """A revision and a catalogue that every worker answered by. `catalogue` is the fingerprint; "" is not known.

    `lacks` are fetched lists whose newest rules were not in force yet; "*" where that was not recorded.
    """

    revision: int
    catalogue: str
    bundled: int | None
    feed: int | None
    begins: str
    ends: str | None
    lacks: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RevisionLine:
    """A revision that was stored, and when it was in force in every worker (null: not recorded)."""

    revision: int
    stored_at: str
    in_force_at: str | None
    by: str
    approved_by: str | None
    changes: list[str]


@dataclass(frozen=True, slots=True)
class GapLine:
    """A time in which the policy was not enforced, for a group or (null) for everyone. `seconds`: of the period."""

    kind: str
    group: str | None
    begins: str
    ends: str | None
    seconds: int
    reason: str
    source: str


@dataclass(frozen=True, slots=True)
class ExemptLine:
    """A group that was exempt, with the networks and client names that it had meanwhile."""

    group: str
    begins: str
    ends: str | None
    networks: list[str]
    client_names: list[str]
    by: str | None
    approved_by: str | None
    source: str


@dataclass(frozen=True, slots=True)
class OpeningLine:
    """Something that was opened. `uses` is null where uses are not counted apart."""

    kind: str
    what: str
    begins: str
    until: str | None
    ended: str | None
    by: str
    approved_by: str | None
    why: str | None
    uses: int | None
    last_used_at: str | None
    source: str


@dataclass(frozen=True, slots=True)
class StandingLine:
    """A way in which a group, a list or the config let more through than the built-in default does, for a while.

    `begins` is null where that is from before what is looked at.
    """

    kind: str
    group: str | None
    what: str
    begins: str | None
    ends: str | None
    by: str | None
    approved_by: str | None
    source: str


@dataclass(frozen=True, slots=True)
class GroupHits:
    """Hits of a group in the period."""

    group: str
    blocked: int
    monitored: int
    exempted: int


@dataclass(frozen=True, slots=True)
class AuditState:
    """The audit trail as it was when this was made: its last row, and what was wrong with it."""

    store_id: str
    row: int
    mac: str
    trouble: str | None


@dataclass(frozen=True, slots=True)
class EvidenceContent:
    """All that is signed."""

    node: str
    version: str
    begins: str
    ends: str
    group: str | None
    made_at: str
    made_by: str
    known_since: list[KnownSince]
    running: list[RunLine]
    in_force: list[InForceLine]
    revisions: list[RevisionLine]
    gaps: list[GapLine]
    exempt_groups: list[ExemptLine]
    standing: list[StandingLine]
    openings: list[OpeningLine]
    hits: list[GroupHits]
    blind_spots: list[str]
    audit: AuditState
    left_out: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Period:
    """The period asked about, [start, end), and up to when it is over: a period that goes on ends now."""

    start: datetime
    end: datetime
    now: datetime

    @property
    def until(self) -> datetime:
        """The end of what can be known."""
        return min(self.end, self.now)

    def touches(self, began: datetime, ended: datetime | None) -> bool:
        """Whether something that lasted so long is of it; what lasted no time at all is, too."""
        return began < self.until and (ended is None or ended > self.start or began >= self.start)

    def seconds(self, began: datetime, ended: datetime | None) -> int:
        """Whole seconds of it that something lasted."""
        last = self.until if ended is None else min(ended, self.until)
        return max(0, round((last - max(began, self.start)).total_seconds()))


def text_of(at: datetime | None) -> str | None:
    """A time as lines have it."""
    return None if at is None else iso_text(at)
