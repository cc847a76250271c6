"""Base models of requests: no unknown names; a page of a listing; a time window. And the problem document."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from resolver.config.fields import Moment, read_one_line, reading

LONGEST_NAME = 1024  # characters: 255 octets, each of which may be written as \DDD (RFC 1035 section 5.1)
JsonObject = dict[str, Any]
"""An object whose keys the API's description leaves open: it entered, or leaves, as JSON."""

CLIENT_HOST = "The host name of the client's address by now, as clients.host_names finds it; null: not known."
"""Description of the fields that have one."""

Item = TypeVar("Item", bound=BaseModel)


class Told(BaseModel):
    """Something that is told to clients. Its validator is made when it is first used: most are not, in most runs."""

    model_config = ConfigDict(defer_build=True)


class Sent(Told):
    """Something that clients send: unknown names are mistakes."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Looking(Sent):
    """Parameters of what may be a look at persons."""

    reason: Annotated[str, reading(read_one_line)] | None = Field(
        None, max_length=1000, description="Why persons are looked at: no look without it; the audit trail has it."
    )


class Page(Sent):
    """A page of a listing."""

    limit: int = Field(100, ge=1, le=1000, description="Maximum number of items of a page.")
    cursor: str | None = Field(None, max_length=2000, description="`next` of the last page.")


class Window(Sent):
    """A time window, [from, to)."""

    start: Moment | None = Field(None, alias="from", description="Default: 24 hours before `to`.")
    end: Moment | None = Field(None, alias="to", description="Left out: now.")


class WindowReply(Told):
    """A reply about a time window."""

    start: AwareDatetime = Field(serialization_alias="from")
    end: AwareDatetime = Field(serialization_alias="to")


class Items(Told, Generic[Item]):
    """Things of one kind."""

    items: list[Item]


class Listing(Items[Item], Generic[Item]):
    """Some of many things; `next` is the cursor to go on, null at the end."""

    next: str | None


class ProblemError(Told):
    """One mistake in what was sent."""

    pointer: str = Field(description="JSON pointer (RFC 6901) into the body, or '/NAME' of a query parameter.")
    detail: str


class Problem(Told):
    """Problem details (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[ProblemError] = []
