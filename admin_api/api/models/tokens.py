"""Models of the API's tokens."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from admin_api.api.models.common import Listing, Sent, Told
from admin_api.store.roles import Role
from resolver.config.fields import Moment


class TokenBody(Sent):
    """A token to be."""

    name: str = Field(examples=["dashboard"])
    roles: list[Role] | None = Field(
        None, description="What it may do: one or more.", examples=[["viewer", "investigator"]]
    )
    role: Role | None = Field(None, description="Instead of `roles`: one alone.")
    owner: str = Field(min_length=1, max_length=200, description="The person responsible.")
    expires_at: Moment | None = None
    expires: str | None = Field(None, description="Instead of `expires_at`: '90d', '12h'.")
    networks: list[str] | None = Field(
        None, description="Role lease: networks whose addresses it may lease; default: any."
    )
    groups: list[str] | None = Field(None, description="Role lease: groups into which it may lease; default: any.")


class TokenItem(Told):
    """A token, without its secret."""

    name: str
    owner: str
    roles: list[Role]
    role: Role = Field(description="The first of `roles`, for clients that know one alone.")
    created_at: AwareDatetime
    expires_at: AwareDatetime | None
    last_used_at: AwareDatetime | None
    networks: list[str] | None = Field(
        None, description="Role lease: networks whose addresses it may lease; null: any."
    )
    groups: list[str] | None = Field(None, description="Role lease: groups into which it may lease; null: any.")
    suspended: bool = Field(False, description="It came out of a backup, and waits for an admin's word.")


class NewToken(TokenItem):
    """A token that was just made: `token` is shown this once."""

    token: str


class Tokens(Listing[TokenItem]):
    """A page of tokens."""
