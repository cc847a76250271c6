"""Models of the query log."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import CLIENT_HOST, LONGEST_NAME, Looking, Sent, Told, Window

Verdict = Literal["allow", "block", "monitor", "exempt"]


class LogQuery(Window, Looking):
    """A page of the query log."""

    limit: int = Field(100, ge=1, le=1000)
    cursor: str | None = Field(None, max_length=2000, description="`next` of the last page, with the same filters.")
    after: str | None = Field(
        None, max_length=2000, description="`newest` of an earlier page: only what was written since."
    )
    client: str | None = Field(None, max_length=100)
    identity: str | None = Field(
        None,
        max_length=200,
        description="Whose the client was: a name as in rows or in lower case, or a pseudonym.",
    )
    name: str | None = Field(None, max_length=LONGEST_NAME, description="This name and all names below it.")
    contains: str | None = Field(None, min_length=1, max_length=253, description="Names that contain this text.")
    group: str | None = Field(None, max_length=63)
    service: str | None = Field(None, max_length=127)
    verdict: Verdict | Literal["failed", "refused"] | None = None


class LogItem(Told):
    """A logged query."""

    at: str
    client: str | None
    identity: str | None = Field(
        None,
        description="Whose the client was then: a name or a pseudonym, by certificate or lease; null: nobody's.",
    )
    client_host: str | None = Field(None, description=CLIENT_HOST)
    group: str | None
    name: str
    type: str | None
    rcode: str | None
    verdict: str
    service: str | None
    list: str | None
    rule: str | None
    exemption: str | None
    protocol: str
    duration_ms: float
    remark: str | None = Field(
        None, description="Why there is no answer, or who filtered it: the guard against rebinding, or the upstream."
    )


class Log(Told):
    """A page of the query log, newest first. It may be short, or empty, and still have a `next`: its time was over."""

    items: list[LogItem]
    next: str | None = Field(description="`cursor` for the next page; null if all was searched.")
    searched_to: AwareDatetime | None = Field(
        description="The time down to which was searched; null for nothing, or for all."
    )
    newest: str | None = Field(description="`after` for later rows; null with a `cursor`.")


class EraseBody(Sent):
    """A client or a person whose queries are to be erased: exactly one of them."""

    client: str | None = Field(
        None, max_length=64, description="An address, or a network or a pseudonym, as rows of the log have it."
    )
    identity: str | None = Field(
        None, max_length=200, description="A person, as leases and certificates name them, or their pseudonym."
    )
    reason: str = Field(max_length=1000, description="Why. The audit trail keeps it, and not whom it is about.")


class ErasedQueries(Told):
    """An erasure, of the queries that were written by then."""

    erased: str = Field(description="Who it was, as the audit trail and the journal of erasures have it: a digest.")
    queries: int | None = Field(description="How many were removed; null while it goes on.")
    is_over: bool = Field(description="False while a search still keeps their octets in a file; they go behind it.")
