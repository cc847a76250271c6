"""Models of leases."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import Listing, Looking, Page, Sent, Told


class LeaseBody(Sent):
    """Holder of an address, for how long, and the other addresses of the device."""

    identity: str = Field(examples=["alice@example.com"])
    group: str | None = Field(None, description="Default: the group of its network.")
    ttl_seconds: int
    addresses: list[str] = Field([], description="More addresses of the same device.")


class LeasesPage(Page):
    """A page of leases."""

    identity: str | None = Field(None, max_length=200)
    contains: str | None = Field(
        None, min_length=1, max_length=200, description="Only those with this text in identity or address."
    )


class LeaseEnd(Sent):
    """Whose lease is meant."""

    identity: str | None = Field(None, max_length=200, description="Required for role `lease`.")


class LeaseHistoryPage(Page, Looking):
    """A page of what happened to leases."""

    address: str | None = Field(None, max_length=100)
    identity: str | None = Field(None, max_length=200)


class LeaseItem(Told):
    """A lease. `addresses` are all of the same device, of single resources only."""

    address: str
    identity: str
    group: str | None
    set_by: str
    created_at: AwareDatetime
    updated_at: AwareDatetime
    ends_at: AwareDatetime
    addresses: list[str] | None = None


class Leases(Listing[LeaseItem]):
    """A page of leases."""


class LeaseEventItem(Told):
    """Event of a lease."""

    at: AwareDatetime
    action: Literal["set", "renewed", "ended", "expired"]
    address: str
    identity: str
    group: str | None
    ends_at: AwareDatetime
    actor: str
    request_id: str | None


class LeaseHistory(Listing[LeaseEventItem]):
    """A page of what happened to leases, newest first."""
