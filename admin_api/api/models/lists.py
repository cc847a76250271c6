"""Models of lists, and how far the fetching of one is."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import Listing, Page, Sent, Told
from admin_api.api.models.rules import RulesBody


class ListsPage(Page):
    """A page of lists."""

    kind: Literal["bundled", "own", "subscription"] | None = None


class ListBody(RulesBody):
    """A list to be: with rules of its own, or with a url that it is fetched from."""

    name: str = Field(description="Lower-case letters, digits and '-'.", examples=["house"])
    enabled: bool = True
    url: str | None = Field(None, description="http or https; the list then has no own rules.")
    format: str | None = Field(None, description="auto, domains, hosts, adblock, dnsmasq, unbound or rpz.")
    refresh_seconds: int | None = Field(None, description="How often it is fetched; default 86,400.")
    allow_private: bool = Field(False, description="Permits private and local addresses in the url; for admins.")
    sha256: str | None = Field(None, description="The SHA-256 that a download must have.")


class ListPut(RulesBody):
    """A list as it is to be; rules only where it is new."""

    name: str | None = None
    enabled: bool = True
    url: str | None = None
    format: str | None = None
    refresh_seconds: int | None = None
    allow_private: bool = False
    sha256: str | None = None


class ListPatch(Sent):
    """Changes to a list; its rules have a path of their own."""

    name: str | None = None
    enabled: bool | None = None
    url: str | None = None
    format: str | None = None
    refresh_seconds: int | None = None
    allow_private: bool | None = None
    sha256: str | None = None


class Refresh(Told):
    """How far the fetching of a list is."""

    state: Literal["idle", "waiting", "fetching", "reading", "compiling"]
    received_bytes: int
    total_bytes: int | None
    started_at: AwareDatetime | None
    next_at: AwareDatetime | None
    last_attempt_at: AwareDatetime | None
    report: dict[str, object] | None = Field(description="Lines of the copy that could not be read or expressed.")


class ListItem(Told):
    """A list."""

    name: str
    kind: Literal["bundled", "own", "subscription"]
    origin: Literal["bundled", "file", "api"]
    enabled: bool
    url: str | None
    format: str | None
    refresh_seconds: int | None
    rules: int
    created_at: AwareDatetime | None
    updated_at: AwareDatetime | None
    last_success_at: AwareDatetime | None
    last_error: str | None
    allow_private: bool = False
    sha256: str | None = None
    refresh: Refresh | None = Field(None, description="For subscriptions.")


class Lists(Listing[ListItem]):
    """A page of lists."""
