"""Models of exemptions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import CLIENT_HOST, Listing, Page, Sent, Told
from resolver.config.fields import Moment, read_one_line, reading

ExemptionStatus = Literal["pending", "active", "suspended", "expired", "revoked", "denied"]


class SubjectBody(Sent):
    """Subject of an exemption: one of these."""

    client: str | None = Field(None, description="An address.", examples=["10.1.2.3"])
    clients: list[str] | None = Field(None, description="Addresses.")
    network: str | None = Field(None, description="A network in CIDR form.")
    group: str | None = None
    identity: str | None = Field(None, description="The identity in a lease, or in a client's certificate.")


class ExemptionBody(Sent):
    """An exemption to be. One of `expires_at` and `duration_seconds` is required."""

    subject: SubjectBody
    scope: list[str] = Field(description="'ai', 'gateways', 'lists', a vendor, a vendor/service, a list, or a name.")
    owner: str = Field(description="The person responsible for it.")
    reason: str
    ticket: str | None = None
    starts_at: Moment | None = Field(None, description="Left out: now.")
    expires_at: Moment | None = None
    duration_seconds: int | None = Field(
        None, description="From the start; while approval is pending, from the approval."
    )


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
    ending_before: Moment | None = Field(None, description="Only those that end, or ended, before this time.")


class ExemptionEvent(Told):
    """Event of an exemption; `status` and `expires_at` are those after it."""

    at: AwareDatetime
    action: str
    actor: str
    owner: str
    status: ExemptionStatus
    expires_at: AwareDatetime
    note: str | None


class Renewal(Told):
    """A renewal that waits for approval."""

    expires_at: AwareDatetime
    reason: str | None
    by: str
    owner: str
    at: AwareDatetime


class ExemptionItem(Told):
    """An exemption. `in_force`: it is active, and has begun."""

    id: str
    subject: dict[str, object]
    client_hosts: dict[str, str] = Field({}, description=f"By address of the subject: {CLIENT_HOST}")
    scope: list[str]
    owner: str
    reason: str
    ticket: str | None
    status: ExemptionStatus
    in_force: bool
    requested_by: str
    requested_owner: str = Field(description="The owner of the requesting token: somebody else has to approve it.")
    decided_by: str | None
    created_at: AwareDatetime
    starts_at: AwareDatetime
    expires_at: AwareDatetime = Field(description="Null while a pending one counts from its approval.")
    requested_seconds: int | None = Field(description="The requested duration; null once granted.")
    waits_until: AwareDatetime | None = Field(description="When a pending one lapses; otherwise null.")
    from_approval: bool = Field(description="The requested duration counts from the approval.")
    ended_at: AwareDatetime | None
    renewal: Renewal | None = Field(description="The renewal that waits for approval.")


class ExemptionWithHistory(ExemptionItem):
    """An exemption with all that happened to it."""

    history: list[ExemptionEvent]


class Exemptions(Listing[ExemptionItem]):
    """A page of exemptions, newest first."""
