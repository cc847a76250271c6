"""Models of groups."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import Listing, Page, Sent, Told


class GroupsPage(Page):
    """A page of groups."""

    contains: str | None = Field(
        None, min_length=1, max_length=253, description="Only those with this text in name or description."
    )


class ResponseBody(Sent):
    """How blocked queries are answered."""

    mode: Literal["zero-ip", "nxdomain", "nodata", "refused", "address"] | None = None
    ttl_seconds: int | None = None
    ipv4: str | None = None
    ipv6: str | None = None


class GroupPatch(Sent):
    """Changes to a group (RFC 7396: null takes a value away)."""

    name: str | None = None
    description: str | None = None
    networks: list[str] | None = None
    client_names: list[str] | None = Field(
        None,
        description="Names of its clients over DoT or DoH, `proved:` and names in certificates, `mac:` and MAC "
        "addresses that trusted proxies name; each in one group.",
    )
    exempt: bool | None = None
    mode: Literal["enforce", "monitor"] | None = None
    block: list[str] | None = Field(None, description="Default or null: the blocks of the group `default`.")
    monitor: list[str] | None = Field(
        None, description="Watched: answered, and counted as monitored where it would have been blocked."
    )
    monitor_until: str | None = Field(None, description="End of the watch, with a time zone; null: none.")
    allow: list[str] | None = None
    response: ResponseBody | None = None
    schedule: dict[str, object] | None = None


class GroupBody(GroupPatch):
    """A group to be."""

    name: str = Field(examples=["research"])


class GroupItem(Told):
    """A group."""

    name: str
    description: str
    networks: list[str]
    client_names: list[str]
    exempt: bool
    mode: Literal["enforce", "monitor"]
    block: list[str] | None
    monitor: list[str]
    monitor_until: AwareDatetime | None
    allow: list[str]
    response: dict[str, object] | None
    schedule: dict[str, object] | None
    origin: Literal["bundled", "file", "api"]
    created_at: AwareDatetime
    updated_at: AwareDatetime
    version: int = Field(description="For If-Match.")
    notes: list[str] = Field(default=[], description="Notes on how its settings interact.")


class Groups(Listing[GroupItem]):
    """A page of groups."""
