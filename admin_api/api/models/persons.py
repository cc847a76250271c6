"""Models of what is kept of one person."""

from __future__ import annotations

from pydantic import Field

from admin_api.api.models.common import Sent, Told


class PersonBody(Sent):
    """A person."""

    identity: str = Field(max_length=200, description="The identity, as leases and certificates have it, in any case.")
    reason: str = Field(max_length=1000, description="Why, without the name: the audit trail keeps it.")


class PersonTakenOut(Told):
    """Numbers of what was taken out of the store."""

    lease_history: int = Field(description="Rows, which are gone.")
    exemptions: int = Field(description="Ended ones that have `erased` in the place of texts.")
    change_requests: int = Field(description="Decided ones, likewise.")
    messages: int = Field(description="Messages to webhooks and mails that waited: they are not sent.")
    looks: int = Field(description="Looks at them that others had agreed to.")
    hits: int = Field(description="Hits that statistics have under `erased` now; no total changes.")
    audit_rows: int = Field(description="Rows of the audit trail whose texts were struck.")


class ErasedPerson(Told):
    """An erasure of a person from this node."""

    erased: str = Field(description="Who it was, as the audit trail and the journal of erasures have it: a digest.")
    taken_out: PersonTakenOut
    queries: int | None = Field(description="How many the query log lost; null while it goes on, or is not written.")
    not_reached: list[str] = Field(description="Where the person may still stand, in finished phrases.")
    is_over: bool = Field(description="Whether no file of this node has them, beside what `not_reached` says.")
