"""Models of local names."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from admin_api.api.models.common import Listing, Page


class LocalNamesPage(Page):
    """A page of local names."""

    contains: str | None = Field(
        None, min_length=1, max_length=253, description="Only those with this text in the name, an address or alias."
    )


class LocalNameItem(BaseModel):
    """A local name: its addresses, or the one name that it stands for."""

    name: str = Field(description="'*.x' is all below x.", examples=["printer.office.example"])
    addresses: list[str]
    alias: str | None
    reverse_of: list[str] = Field(description="Its addresses whose reverse name leads to it.")
    origin: Literal["file"] = Field(description="It is given in the config file, or in a hosts file that this names.")
    where: str = Field(description="`local`, the config's key, or FILE:LINE.")


class LocalNameItems(Listing[LocalNameItem]):
    """A page of local names, in their order by name."""

    ttl_seconds: int
