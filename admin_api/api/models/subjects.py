"""Exemptions, leases and pauses over the wire, and the reports on them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from admin_api.api.models.sent import Page, Sent, Window
from resolver.config.fields import Moment, read_one_line, reading

ExemptionStatus = Literal["pending", "active", "expired", "revoked", "denied"]


class SubjectBody(Sent):
    """Who is exempt: one of these."""

    client: str | None = Field(None, description="An address.", examples=["10.1.2.3"])
    clients: list[str] | None = Field(None, description="Addresses.")
    network: str | None = Field(None, description="A network in CIDR form.")
    group: str | None = None
    identity: str | None = Field(None, description="As leases have it.")


class ExemptionBody(Sent):
    """An exemption to be. One of `expires_at` and `duration_seconds` is required."""

    subject: SubjectBody
    scope: list[str] = Field(description="'ai', 'gateways', 'lists', a vendor, a vendor/service, a list, or a name.")
    owner: str = Field(description="Who asked for it, and answers for it.")
    reason: str
    ticket: str | None = None
    starts_at: Moment | None = Field(None, description="Left out: now.")
    expires_at: Moment | None = None
    duration_seconds: int | None = Field(None, description="From the start on; of what waits for approval, from that.")


class RenewBody(Sent):
    """Until when it is to last. One of `expires_at` and `duration_seconds` (from now on) is required."""

    expires_at: Moment | None = None
    duration_seconds: int | None = None
    reason: str | None = None


class ReasonBody(Sent):
    """Why."""

    reason: Annotated[str, reading(read_one_line)] | None = Field(None, max_length=1000)


class ExemptionsPage(Page):
    """A page of exemptions."""

    status: ExemptionStatus | None = None
    owner: str | None = Field(None, max_length=200)
    ending_before: Moment | None = Field(None, description="Only those that end before then, or have.")


class LeaseBody(Sent):
    """Who has the address, for how long, and which other addresses the device has."""

    identity: str = Field(examples=["alice@example.com"])
    group: str | None = Field(None, description="Left out: the group that its network gives.")
    ttl_seconds: int
    addresses: list[str] = Field([], description="More addresses of the same device.")


class LeasesPage(Page):
    """A page of leases."""

    identity: str | None = Field(None, max_length=200)
    contains: str | None = Field(
        None, min_length=1, max_length=200, description="Only those with this text in identity or address."
    )


class LeaseEnd(Sent):
    """Whose lease is meant."""

    identity: str | None = Field(None, max_length=200, description="Role `lease` has to name it.")


class LeaseHistoryPage(Page):
    """A page of what happened to leases."""

    address: str | None = Field(None, max_length=100)
    identity: str | None = Field(None, max_length=200)


class PauseBody(Sent):
    """A pause to be. One of `duration_seconds` and `expires_at` is required."""

    group: str | None = Field(None, description="Left out: every group.")
    reason: str
    duration_seconds: int | None = None
    expires_at: Moment | None = None


class ReportQuery(Window):
    """A report of a window."""

    format: Literal["json", "csv"] = "json"


class UsageQuery(ReportQuery):
    """Hits by what, and over time."""

    by: str = Field("group,vendor", description="'group', 'vendor', 'service', 'list', 'exemption' or 'group,vendor'.")
    step_seconds: int | None = Field(
        None, ge=3600, le=86400 * 366, multiple_of=3600, description="Left out: the window as one."
    )


class ExemptionEvent(BaseModel):
    """What happened to an exemption; `status` and `expires_at` are those after it."""

    at: AwareDatetime
    action: str
    actor: str
    owner: str
    status: ExemptionStatus
    expires_at: AwareDatetime
    note: str | None


class Renewal(BaseModel):
    """A renewal that waits for approval."""

    expires_at: AwareDatetime
    reason: str | None
    by: str
    owner: str
    at: AwareDatetime


class ExemptionItem(BaseModel):
    """An exemption. `in_force`: it is active, and has begun."""

    id: str
    subject: dict[str, Any]
    scope: list[str]
    owner: str
    reason: str
    ticket: str | None
    status: ExemptionStatus
    in_force: bool
    requested_by: str
    requested_owner: str = Field(description="Who answers for the token that asked: somebody else has to approve it.")
    decided_by: str | None
    created_at: AwareDatetime
    starts_at: AwareDatetime
    expires_at: AwareDatetime = Field(description="Of what is pending, and is to last from its approval on: it lapses.")
    requested_seconds: int | None = Field(description="For how long it was asked; null once granted.")
    waits_until: AwareDatetime | None = Field(description="When what is pending lapses; null of all others.")
    from_approval: bool = Field(description="What is asked for is to last from its approval on.")
    ended_at: AwareDatetime | None
    renewal: Renewal | None = Field(description="That waits for approval.")


class ExemptionWithHistory(ExemptionItem):
    """An exemption with all that happened to it."""

    history: list[ExemptionEvent]


class Exemptions(BaseModel):
    """A page of exemptions, newest first."""

    items: list[ExemptionItem]
    next: str | None


class LeaseItem(BaseModel):
    """A lease. `addresses` are all of the same device, of single resources only."""

    address: str
    identity: str
    group: str | None
    set_by: str
    created_at: AwareDatetime
    updated_at: AwareDatetime
    ends_at: AwareDatetime
    addresses: list[str] | None = None


class Leases(BaseModel):
    """A page of leases."""

    items: list[LeaseItem]
    next: str | None


class LeaseEventItem(BaseModel):
    """What happened to a lease."""

    at: AwareDatetime
    action: Literal["set", "renewed", "ended", "expired"]
    address: str
    identity: str
    group: str | None
    ends_at: AwareDatetime
    actor: str
    request_id: str | None


class LeaseHistory(BaseModel):
    """A page of what happened to leases, newest first."""

    items: list[LeaseEventItem]
    next: str | None


class PauseItem(BaseModel):
    """A pause; `group` null is every group."""

    id: str
    group: str | None
    reason: str
    set_by: str
    created_at: AwareDatetime
    expires_at: AwareDatetime


class Pauses(BaseModel):
    """All pauses."""

    items: list[PauseItem]


class ExemptionUse(BaseModel):
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
    uses: int
    last_used_at: AwareDatetime | None = Field(description="To the minute, hour or day of counts, within its time.")
    stale: bool = Field(description="It was in force, and nobody used it.")
    requested_seconds: int | None = Field(description="For how long it was asked; null once granted.")
    waits_until: AwareDatetime | None = Field(description="When what is pending lapses; null of all others.")


class ExemptionReport(BaseModel):
    """Who had which exemption."""

    start: AwareDatetime = Field(serialization_alias="from")
    end: AwareDatetime = Field(serialization_alias="to")
    items: list[ExemptionUse]


class UsageReport(BaseModel):
    """Hits. Each item has `at`, the columns of `by`, blocked, monitored and exempted."""

    start: AwareDatetime = Field(serialization_alias="from")
    end: AwareDatetime = Field(serialization_alias="to")
    by: list[str]
    items: list[dict[str, Any]]
