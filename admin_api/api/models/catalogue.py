"""Models of the catalogue: vendors, services, domains, and what a new version would change."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import Told
from blocklists.catalogue import Kind, ServiceKind


class CatalogueDomainItem(Told):
    """A rule of the catalogue."""

    rule: str
    surface: str
    needed_by: list[str]
    response: str | None
    source: str
    seen: str
    note: str | None
    fed: bool = Field(False, description="Whether it comes from the feed, and not from the bundled catalogue.")


class CatalogueShared(Told):
    """A name that innocent services stand on too: known, and not in force."""

    rule: str
    surface: str
    reason: str
    source: str
    seen: str


class CatalogueService(Told):
    """A service."""

    id: str
    name: str
    description: str
    kind: ServiceKind | None = Field(description="What people use it for; null for ways round the resolver.")
    domains: list[CatalogueDomainItem]
    shared: list[CatalogueShared]


class CatalogueVendor(Told):
    """A vendor, a reseller, a cloud's model service, or (`bypass`) the ways round the resolver.

    `gateway` is a reseller or a cloud in a catalogue of an earlier version that is still in force.
    """

    vendor: str
    name: str
    kind: Kind
    serves_models_of: list[str]
    limits: list[str] = Field(description="What DNS cannot separate there, and side effects.")
    services: list[CatalogueService]


class CatalogueDifference(Told):
    """Rules with their service, more and less."""

    added: list[str]
    removed: list[str]
    moved: list[str] = Field(description="Services that came into a set or left it, with the set.")


class ServiceQueries(Told):
    """Queries of a service."""

    service: str
    queries: int


class CatalogueNews(Told):
    """Queries of the last days that another catalogue would have blocked: one that came into force, or that waits."""

    at: AwareDatetime
    waits: bool = Field(description="Whether it waits to be accepted; else it came into force with a new version.")
    days: int
    logged: int = Field(description="Queries that the query log has of these days, with a client.")
    queries: int
    clients: int
    services: list[ServiceQueries] = Field(description="The most asked first.")
    cannot_show: list[str] = Field(description="Limits of these figures, as sentences.")


class FedVersion(Told):
    """A version of the feed."""

    series: str
    version: int
    expires_at: datetime
    rules: int | None = Field(None, description="How many it adds to the bundled catalogue, where it is in force.")


class FedWaiting(FedVersion):
    """A version of the feed that waits to be accepted."""

    why: str
    added: list[str]
    removed: list[str]


class CatalogueFeed(Told):
    """The feed of signed catalogues: what is in force of it, what waits, and how the last look at it went."""

    source: str
    mode: Literal["auto", "review"]
    keys: list[str] = Field(description="The public keys that it may be signed with.")
    in_force: FedVersion | None
    waiting: FedWaiting | None
    last_success_at: datetime | None
    last_attempt_at: datetime | None
    next_at: datetime | None
    last_error: str | None
    troubles: list[str] = Field(description="Why the node is degraded because of it.")


class CatalogueReply(Told):
    """The catalogue in force; `waiting` is what a new version would change, where it is held back."""

    fingerprint: str
    version: int = Field(description="The number of the bundled catalogue; 0 in a copy that an earlier version kept.")
    waiting: CatalogueDifference | None
    feed: CatalogueFeed | None = Field(description="The feed of signed catalogues; null where the config has none.")
    news: CatalogueNews | None = Field(description="The last change of the catalogue, by queries of the days before.")
    own_vendors: list[str] = Field(
        description="Vendors that bundled and subscribed rules do not block (policy.own_vendors)."
    )
    vendors: list[CatalogueVendor]
