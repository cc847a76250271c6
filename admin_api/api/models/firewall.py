"""Models of what firewalls take: rules, and lists of names and networks that the policy in force closes."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from admin_api.api.models.common import Sent

_MOST: Final = 200  # items of one parameter


def _items(value: object) -> object:
    """The items of a parameter that has them with commas between."""
    return [item for part in value.split(",") if (item := part.strip())] if isinstance(value, str) else value


_Items = Annotated[list[str], BeforeValidator(_items, json_schema_input_type=str), Field(max_length=_MOST)]


class FirewallQuery(Sent):
    """Choices beside the config: addresses and networks that rules leave open or close. Several have commas between."""

    resolver: _Items = Field([], description="Addresses of this resolver. Default: those of `listen`.")
    clients: _Items = Field([], description="Networks to close in. Default: `clients.allow`.")
    public_resolvers: bool = Field(False, description="Close port 443 of the known public resolvers, too.")
    doh: _Items = Field([], description="Close port 443 of these addresses and networks, too.")
    vendor: _Items = Field([], description="Close all networks that these vendors publish as solely their own.")


class PolicyNetworksQuery(Sent):
    """The group whose policy it is."""

    group: str = Field("default", min_length=1, max_length=63)


class PolicyDomainsQuery(PolicyNetworksQuery):
    """Names of one group's policy, or a part of them, and how they are written."""

    format: Literal["plain", "wildcard"] = Field(
        "plain", description="plain: a name a line, with all below it; wildcard: NAME and *.NAME."
    )
    set: str | None = Field(
        None,
        min_length=1,
        max_length=127,
        description="A set, kind, vendor, service or list. Default: all that is closed.",
    )
