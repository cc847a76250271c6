"""Models of the catalogue: vendors, services, domains, and what a new version would change."""

from __future__ import annotations

from pydantic import BaseModel, Field

from blocklists.catalogue import Kind, ServiceKind


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
    kind: ServiceKind | None = Field(description="What people use it for; null for ways round the resolver.")
    domains: list[CatalogueDomainItem]
    shared: list[CatalogueShared]


class CatalogueVendor(BaseModel):
    """A vendor, a reseller, a cloud's model service, or (`bypass`) the ways round the resolver.

    `gateway` is a reseller or a cloud in a catalogue of an earlier version that is still in force.
    """

    vendor: str
    name: str
    kind: Kind
    serves_models_of: list[str]
    limits: list[str] = Field(description="What DNS cannot separate there, and side effects.")
    services: list[CatalogueService]


class CatalogueDifference(BaseModel):
    """Rules with their service, more and less."""

    added: list[str]
    removed: list[str]


class CatalogueReply(BaseModel):
    """The catalogue in force; `waiting` is what a new version would change, where it is held back."""

    fingerprint: str
    waiting: CatalogueDifference | None
    own_vendors: list[str] = Field(
        description="Vendors that bundled and subscribed rules do not block (policy.own_vendors)."
    )
    vendors: list[CatalogueVendor]
