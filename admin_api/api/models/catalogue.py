"""Models of the catalogue: vendors, services, domains, and what a new version would change."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


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
