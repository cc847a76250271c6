"""Models of the audit trail."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import Listing, Page, Sent, Told
from resolver.config.fields import Moment


class AuditPage(Page):
    """A page of the audit trail."""

    actor: str | None = Field(None, max_length=300)
    object: str | None = Field(None, max_length=300)
    action: str | None = Field(None, max_length=300)


class AuditExport(Sent):
    """A part of the audit trail, oldest first."""

    after_id: int = Field(0, ge=0, le=1 << 62, description="`id` of the last row that the client has.")
    start: Moment | None = Field(None, alias="from", description="Only rows from this time on.")
    limit: int = Field(10_000, ge=1, le=10_000)


class AcknowledgeBody(Sent):
    """Why rows of the audit trail are gone."""

    reason: str = Field(min_length=1, max_length=1000, examples=["restored from the backup of Monday"])


class AuditItem(Told):
    """Entry of the audit trail: an actor and a change."""

    id: int
    at: AwareDatetime
    actor: str
    action: str
    object: str
    before: Any
    after: Any
    request_id: str | None


class Audit(Listing[AuditItem]):
    """A page of the audit trail, newest first."""


class LostHead(Told):
    """A row of the audit trail that was noted as its last one, and is gone."""

    row: int
    mac: str


class Acknowledged(Told):
    """Parts of a loss of audit rows, as the row says that acknowledges it."""

    reason: str
    lost_heads: list[LostHead]
