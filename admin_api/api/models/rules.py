"""Replies on lists, groups and the catalogue, and on a decision."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field


class Refresh(BaseModel):
    """How far the fetching of a list is."""

    state: Literal["idle", "waiting", "fetching", "reading", "compiling"]
    received_bytes: int
    total_bytes: int | None
    started_at: AwareDatetime | None
    next_at: AwareDatetime | None
    last_attempt_at: AwareDatetime | None
    report: dict[str, Any] | None = Field(description="What of the copy could not be read or expressed.")


class ListItem(BaseModel):
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
    refresh: Refresh | None = Field(None, description="Of lists that are fetched.")


class Lists(BaseModel):
    """A page of lists."""

    items: list[ListItem]
    next: str | None


class RuleItem(BaseModel):
    """A rule of a list."""

    action: Literal["block", "allow"]
    rule: str


class Rules(BaseModel):
    """A page of rules."""

    items: list[RuleItem]
    next: str | None


class Added(BaseModel):
    """How many rules were new."""

    added: int
    revision: int


class Deleted(BaseModel):
    """How many rules were there to be removed."""

    deleted: int
    revision: int


class Accepted(BaseModel):
    """A large write that is stored, and comes in force: /status shows the revision."""

    revision: int


class GroupItem(BaseModel):
    """A group."""

    name: str
    description: str
    networks: list[str]
    client_names: list[str]
    exempt: bool
    mode: Literal["enforce", "monitor"]
    block: list[str] | None
    allow: list[str]
    response: dict[str, Any] | None
    schedule: dict[str, Any] | None
    origin: Literal["bundled", "file", "api"]
    created_at: AwareDatetime
    updated_at: AwareDatetime
    notes: list[str] = Field(default=[], description="What an admin should know of how its settings fit together.")


class Groups(BaseModel):
    """A page of groups."""

    items: list[GroupItem]
    next: str | None


class CatalogueDomainItem(BaseModel):
    """A rule of the catalogue."""

    rule: str
    surface: str
    needed_by: list[str]
    response: str | None
    source: str
    seen: str
    note: str | None


class CatalogueShared(BaseModel):
    """A name that innocent services stand on too: known, and not in force."""

    rule: str
    surface: str
    reason: str
    source: str
    seen: str


class CatalogueService(BaseModel):
    """A service."""

    id: str
    name: str
    description: str
    domains: list[CatalogueDomainItem]
    shared: list[CatalogueShared]


class CatalogueVendor(BaseModel):
    """A vendor, a gateway, or (`bypass`) the ways round the resolver."""

    vendor: str
    name: str
    kind: Literal["vendor", "gateway", "bypass"]
    serves_models_of: list[str]
    limits: list[str] = Field(description="What DNS cannot separate there, and what else breaks.")
    services: list[CatalogueService]


class CatalogueDifference(BaseModel):
    """Rules with their service, more and less."""

    added: list[str]
    removed: list[str]


class CatalogueReply(BaseModel):
    """The catalogue in force; `waiting` is what a new version would change, where it is held back."""

    fingerprint: str
    waiting: CatalogueDifference | None
    own_vendors: list[str] = Field(description="That bundled and subscribed rules do not touch (policy.own_vendors).")
    vendors: list[CatalogueVendor]


class Explained(BaseModel):
    """What becomes of a query, and why."""

    name: str
    type: str
    client: str
    group: dict[str, str | None]
    verdict: Literal["allow", "block", "monitor", "exempt", "refused"]
    service: str | None
    list: str | None
    rule: str | None
    exemption: str | None
    response: dict[str, Any] | None
    trace: Annotated[list[dict[str, str]], Field(description="step, outcome, detail")]  # type: ignore[valid-type]
    revision: int
