"""The section of the configuration that says for how long each kind of data is kept.

What is bounded by a number of entries or by octets is with its own section; `moatdns privacy` tells of all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import Field

from resolver.config.fields import NUMBER
from resolver.config.section import Section


class RetentionSection(Section):
    """Days for which each kind of data is kept; then it is removed within hours."""

    query_log_days: Annotated[int, Field(ge=1, le=3660), NUMBER] = 30
    """Days of the query log, the one of today among them; `query_log.max_mib` may remove the oldest sooner."""
    statistics_minutes_days: Annotated[int, Field(ge=1, le=31), NUMBER] = 2
    """Days for which counts are kept by the minute."""
    statistics_hours_days: Annotated[int, Field(ge=2, le=3660), NUMBER] = 92
    """Days for which counts are kept by the hour."""
    statistics_days: Annotated[int, Field(ge=31, le=36600), NUMBER] = 1830
    """Days for which counts are kept by the day."""
    lease_history_days: Annotated[int, Field(ge=1, le=3660), NUMBER] = 90
    """Days that the lease history is kept."""
    exemptions_days: Annotated[int, Field(ge=1, le=36600), NUMBER] | None = None
    """Days that exemptions are kept after their end; null: for ever."""
    change_requests_days: Annotated[int, Field(ge=1, le=36600), NUMBER] | None = None
    """Days that change requests are kept after they were decided; null: the newest 1,000."""
    evidence_days: Annotated[int, Field(ge=1, le=36600), NUMBER] = 800
    """Days that records of runs, troubles and policies in force are kept."""
    audit_days: Annotated[int, Field(ge=30, le=36600), NUMBER] | None = None
    """Days that rows of the audit trail are kept; then they are removed, up to a signed checkpoint. null: for ever."""


OLDER_NAMES: Final = (
    ("query_log", "retention_days", "query_log_days"),
    ("statistics", "minutes_days", "statistics_minutes_days"),
    ("statistics", "hours_days", "statistics_hours_days"),
    ("statistics", "days_days", "statistics_days"),
    ("leases", "history_days", "lease_history_days"),
    ("audit", "evidence_days", "evidence_days"),
)
"""Section and key of a name from before this section, and the key here that it stands for."""


def retention_of(given: RetentionSection, older: dict[tuple[str, str], int | None]) -> RetentionSection:
    """The retention with what older names say, by section and key; None: not given."""
    said = {key: days for section, name, key in OLDER_NAMES if (days := older[section, name]) is not None}
    return given.model_copy(update=said)


def contradictions(
    given: RetentionSection, older: dict[tuple[str, str], int | None]
) -> Iterator[tuple[str, str, int, str]]:
    """Older names that say something else than this section does: section, key, days, and why that is a mistake."""
    for section, name, key in OLDER_NAMES:
        days = older[section, name]
        here: Any = getattr(given, key)
        if days is not None and key in given.model_fields_set and days != here:
            yield section, name, days, f"is {days}, and retention.{key}, which is its newer name, {here}: keep that one"
