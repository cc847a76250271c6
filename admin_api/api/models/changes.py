"""Changes that wait for another owner, over the wire."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import Listing, Page, Told

ChangeStatus = Literal["pending", "approved", "denied", "withdrawn", "expired"]


class ChangesPage(Page):
    """A page of change requests."""

    status: ChangeStatus | None = None


class ChangedThing(Told):
    """Effect of a change on one thing, as the audit trail would tell it."""

    action: str
    object: str
    before: Any
    after: Any


class ChangeRequestItem(Told):
    """A change that opens something, and so waits until a token of another owner approves it."""

    id: str
    status: ChangeStatus
    operation: str = Field(description="The call, as in 'PATCH /groups/{name}'.", examples=["PATCH /groups/{name}"])
    path: dict[str, str] = Field(description="The parts of its path that are named.")
    query: dict[str, object]
    if_match: str | None
    opens: list[str] = Field(description="Why another owner has to agree.")
    changes: list[ChangedThing]
    requested_by: str
    requested_owner: str
    created_at: AwareDatetime
    waits_until: AwareDatetime = Field(description="When it lapses.")
    decided_by: str | None
    decided_owner: str | None
    decided_at: AwareDatetime | None
    note: str | None


class ChangeRequestWithBody(ChangeRequestItem):
    """A change request with what was sent, while it waits; null where that is large."""

    body: Any


class ChangeRequests(Listing[ChangeRequestItem]):
    """A page of change requests, newest first."""


class ChangeWaits(ChangeRequestItem):
    """Nothing was changed yet."""

    token_part: str | None = Field(
        None, description="The second half of a new token, shown only once; the approver gets the first."
    )


class ChangeDone(ChangeRequestItem):
    """The change was made; `result` is what its call replied."""

    result: Any = Field(description="A new token's has `token_part`, its first half, and no `token`.")
