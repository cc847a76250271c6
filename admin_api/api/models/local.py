"""Models of local names."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from admin_api.api.models.common import Listing, Page, Sent, Told


class LocalNamesPage(Page):
    """A page of local names."""

    contains: str | None = Field(
        None, min_length=1, max_length=253, description="Only those with this text in the name, an address or alias."
    )


class LocalNameBody(Sent):
    """A local name as it is to be: with addresses, or as an alias of one other name."""

    addresses: list[str] | None = Field(None, max_length=64, examples=[["192.0.2.7", "2001:db8::7"]])
    alias: str | None = Field(None, max_length=255, description="The one name that it stands for.")


class LocalNameItem(Told):
    """A local name: its addresses, or the one name that it stands for."""

    name: str = Field(description="'*.x' is all below x.", examples=["printer.office.example"])
    addresses: list[str]
    alias: str | None
    reverse_of: list[str] = Field(description="Its addresses whose reverse name leads to it.")
    origin: Literal["file", "api"] = Field(
        description="`file`: it is given in the config file, or in a hosts file that this names, and changed there."
    )
    where: str = Field(description="`local`, the config's key; FILE:LINE; or `api`.")
    replaces_api: bool = Field(description="The API has another one of that name, which is not in force.")
    version: int = Field(description="Version of the API's one, for If-Match; 0 where it has none.")


class LocalNameItems(Listing[LocalNameItem]):
    """A page of local names, in their order by name."""

    ttl_seconds: int
