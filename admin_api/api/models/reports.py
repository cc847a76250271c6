"""Models of reports: the use of exemptions, and hits."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import Looking, Told, Window, WindowReply
from admin_api.api.models.exemptions import ExemptionStatus


class ReportQuery(Window):
    """A report of a window."""

    format: Literal["json", "csv"] = "json"


class ExemptionsQuery(ReportQuery, Looking):
    """A report of exemptions."""


class UsageQuery(ReportQuery, Looking):
    """Hits by what, and over time."""

    by: str = Field(
        "group,vendor",
        description="'group', 'vendor', 'service', 'list', 'exemption', 'identity', 'group,vendor', "
        "'identity,vendor' or 'exemption,identity'.",
    )
    step_seconds: int | None = Field(
        None, ge=3600, le=86400 * 366, multiple_of=3600, description="Default: one step for the whole window."
    )


class PersonUse(Told):
    """How often somebody used an exemption: an identity, or a pseudonym, as it is recorded."""

    identity: str
    uses: int


class ExemptionUse(Told):
    """An exemption, and how often it was used in the window."""

    id: str
    subject: str
    scope: str
    owner: str
    reason: str
    ticket: str | None
    status: ExemptionStatus
    requested_by: str
    decided_by: str | None
    starts_at: AwareDatetime
    expires_at: AwareDatetime
    ended_at: AwareDatetime | None
    uses: int | None = Field(description="Null where it is what one person did, who is not shown.")
    last_used_at: AwareDatetime | None = Field(description="Precise to the minute, hour or day of the counts.")
    uses_by: list[PersonUse] = Field(description="Of these, by whom, where clients have an identity; most first.")
    stale: bool = Field(description="It was in force, but never used.")
    requested_seconds: int | None = Field(description="The requested duration; null once granted.")
    waits_until: AwareDatetime | None = Field(description="When a pending one lapses; otherwise null.")


class ExemptionReport(WindowReply):
    """Exemptions in a span of time, and their holders."""

    items: list[ExemptionUse]


class UsageReport(WindowReply):
    """Hits. Each item has `at`, the columns of `by`, blocked, monitored and exempted, and `rest`: whether it is the
    sum of all that are not counted apart, whose columns are `other`.
    """

    by: list[str]
    items: list[dict[str, object]]
