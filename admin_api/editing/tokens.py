"""Make and revoke tokens."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import Field

from admin_api.editing.common import Said, validated
from admin_api.editing.errors import Invalid, raise_invalid
from admin_api.editing.refusals import BadRequest
from admin_api.store import groups, tokens
from admin_api.store.roles import INVESTIGATOR, ROLES, Role, may_give, mistake_in, only_leases, told
from admin_api.store.store import Store
from admin_api.store.tokens import TokenRow
from resolver.config import fields
from resolver.config.section import Section

NOT_GIVEN: Final = (
    f"{INVESTIGATOR} is given by an {INVESTIGATOR}, or on the machine by 'moatdns token create --role {INVESTIGATOR}'"
)
"""Why a caller cannot have a token of that role made, or let in again."""

_MOST_BOUNDS: Final = 100  # networks, and groups, of one token


_Role = Annotated[Role, fields.one_of(*ROLES)]


class _Body(Section):
    name: fields.Name
    owner: Annotated[Said, Field(max_length=200)]
    roles: Annotated[list[_Role], Field(max_length=len(ROLES))] | None = None
    role: _Role | None = None  # instead of `roles`: one alone
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
    giver: Collection[str],
    actor: str,
    request_id: str | None = None,
    now: datetime | None = None,
    part: str | None = None,
) -> TokenMade:
    """Make a token of name, owner, roles, expires_at, networks and groups; `part` is as `tokens.create` has it.

    `giver` are the roles of who makes it. Raises Invalid, BadRequest (403), Duplicate, TooMany, StoreAway.
    """
    wanted = validated(_Body, body)
    if wanted.expires_at is not None and wanted.expires_at <= (now or datetime.now(UTC)):
        raise Invalid([("/expires_at", "is already past: use a future time, or omit it")])
    roles = _roles_of(wanted)
    if not may_give(giver, roles):
        where = "/role" if wanted.role is not None else "/roles"
        raise BadRequest(403, f"{NOT_GIVEN}; {told(giver)} may not", [(where, NOT_GIVEN)])
    if not only_leases(roles):
        raise_invalid(
            ((name,), f"is for role lease: a token of {told(roles)} cannot be bound")
            for name in ("networks", "groups")
            if getattr(wanted, name) is not None
        )
    async with store.change(actor, request_id) as change:
        missing = [name for name in wanted.groups or () if not await groups.exists(change.connection, name)]
        raise_invalid((("groups",), f"there is no group {name!r}") for name in missing)
        row, text = await tokens.create(change, **wanted.model_dump(exclude={"role", "roles"}), roles=roles, part=part)
    return TokenMade(row, text)


def _roles_of(wanted: _Body) -> list[str]:
    """The roles that are asked for. Raises Invalid."""
    if wanted.role is not None and wanted.roles is not None:
        raise Invalid([("/role", "is given together with roles: use one of them")])
    roles: list[str] = list(wanted.roles or ()) if wanted.role is None else [wanted.role]
    mistake = mistake_in(roles)
    if mistake is not None:
        raise Invalid([("/role" if wanted.role is not None else "/roles", mistake)])
    return roles


async def revoke_token(store: Store, name: str, *, actor: str, request_id: str | None = None) -> None:
    """Remove a token: it is worth nothing from now on. Raises NotFound, StoreAway."""
    async with store.change(actor, request_id) as change:
        await tokens.revoke(change, name)
