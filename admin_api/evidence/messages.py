"""Messages between the control process and the child that makes a report (child.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from admin_api.evidence.lines import GroupHits
from blocklists.feed.place import CataloguePlace
from resolver.config.settings import ControlSettings
from resolver.system.channel import Asks, MessageSet
from resolver.wire.local_records import LocalRecord

EVIDENCE_SECONDS: Final = 600.0
"""For a report; admin.plan_seconds ends it sooner."""


@dataclass(frozen=True, slots=True)
class EvidenceMade:
    """A report, signed."""

    whole: Mapping[str, Any]  # the signed file's JSON


@dataclass(frozen=True, slots=True)
class EvidenceNotSigned:
    """A report that the signing key is missing for, with why."""

    why: str


@dataclass(frozen=True, slots=True)
class EvidenceRefused:
    """A report that cannot be made, as the caller of the API is to be told."""

    status: int
    detail: str
    errors: tuple[tuple[str, str], ...]  # JSON pointer, and what is wrong there


@dataclass(frozen=True, slots=True)
class CountedUse:
    """How often an exemption was used, and when last (ISO 8601)."""

    count: int
    last_at: str


@dataclass(frozen=True, slots=True)
class MakeEvidence(Asks[EvidenceMade | EvidenceNotSigned | EvidenceRefused]):
    """Make a report, with all that only the running node knows. Times are ISO 8601; `began` is a Unix time.

    `uses` are those of exemptions, None where they are not counted; `makes_key`: the key is made where there is none.
    """

    settings: ControlSettings
    catalogue: CataloguePlace
    start: str
    end: str
    now: str
    group: str | None
    made_by: str
    node: str
    began: float
    manifest: Path | None  # of the policy in force, by which local names are judged
    local_of_config: tuple[LocalRecord, ...]
    log_lacks: tuple[str, ...]
    audit_trouble: str | None
    uses: Mapping[str, CountedUse] | None
    hits: tuple[GroupHits, ...]
    makes_key: bool

    @property
    def state_dir(self) -> Path:
        """The state directory."""
        return Path(self.settings.state_dir)


EVIDENCE_CHANNEL: Final = MessageSet(
    "evidence",
    1,
    *(EvidenceMade, EvidenceNotSigned, EvidenceRefused),
    patience_seconds={MakeEvidence: EVIDENCE_SECONDS},
)
