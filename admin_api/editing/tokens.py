"""Make and revoke tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import Field

from admin_api.editing.common import Said, validated
from admin_api.editing.errors import Invalid, raise_invalid
from admin_api.store import groups, tokens
from admin_api.store.store import Store
from admin_api.store.tokens import ROLES, Role, TokenRow
from resolver.config import fields
from resolver.config.section import Section

_MOST_BOUNDS: Final = 100  # networks, and groups, of one token


class _Body(Section):
    name: fields.Name
    owner: Annotated[Said, Field(max_length=200)]
    role: Annotated[Role, fields.one_of(*ROLES)]
    expires_at: fields.Moment | None = None
    networks: Annotated[fields.Networks, Field(min_length=1, max_length=_MOST_BOUNDS)] | None = None
    groups: Annotated[fields.References, Field(max_length=_MOST_BOUNDS)] | None = None


@dataclass(frozen=True, slots=True)
class TokenMade:
    """A new token, and its text, which nobody can ask for again."""

    row: TokenRow
    text: str


async def create_token(
    store: Store,
    body: Mapping[str, Any],
    *,
    actor: str,
    request_id: str | None = None,
    now: datetime | None = None,
    part: str | None = None,
) -> TokenMade:
    """Make a token of name, owner, role, expires_at, networks and groups; `part` is as `tokens.create` has it.

    Raises Invalid, Duplicate, TooMany, StoreAway.
    """
    wanted = validated(_Body, body)
    if wanted.expires_at is not None and wanted.expires_at <= (now or datetime.now(UTC)):
        raise Invalid([("/expires_at", "is already past: use a future time, or omit it")])
    if wanted.role != "lease":
        raise_invalid(
            ((name,), f"is for role lease: a token of role {wanted.role} cannot be bound")
            for name in ("networks", "groups")
            if getattr(wanted, name) is not None
        )
    async with store.change(actor, request_id) as change:
        missing = [name for name in wanted.groups or () if not await groups.exists(change.connection, name)]
        raise_invalid((("groups",), f"there is no group {name!r}") for name in missing)
        row, text = await tokens.create(change, **wanted.model_dump(), part=part)
    return TokenMade(row, text)


async def revoke_token(store: Store, name: str, *, actor: str, request_id: str | None = None) -> None:
    """Remove a token: it is worth nothing from now on. Raises NotFound, StoreAway."""
    async with store.change(actor, request_id) as change:
        await tokens.revoke(change, name)
