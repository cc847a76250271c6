"""A person as a verified token tells of one: name, subject, and the roles by a claim."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from admin_api.persons import name_of, normal_form, person_text
from admin_api.sign_in.refusal import SignInRefused
from admin_api.store.roles import mistake_in, set_of
from resolver.config.settings import OidcSettings

_NAMES: Final = ("name", "preferred_username", "email", "upn")  # beside the configured claim; upn is Entra ID's
_ADDRESS: Final = "email"
_MOST_VALUES: Final = 20_000


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person who has proved who it is."""

    owner: str  # persons.person_text
    roles: tuple[str, ...]
    ends: float  # Unix time

    @property
    def name(self) -> str:
        """As people are shown it."""
        return name_of(self.owner)


@dataclass(frozen=True, slots=True)
class ClaimLink:
    """A link that stands instead of a claim's values."""

    url: str
    access_token: str | None  # that goes with it


def person_of(claims: Mapping[str, Any], values: Iterable[str], settings: OidcSettings) -> SignedIn:
    """The person of checked claims; `values` are those that give roles. Raises SignInRefused."""
    is_verified = claims.get("email_verified")
    if settings.roles_claim == _ADDRESS and is_verified is not True and is_verified != "true":
        # Else an address that somebody claims to have would give the roles of who has it (Core section 5.7).
        raise SignInRefused("the provider has not verified the address that roles go by (email_verified)")
    subject = claims["sub"]
    given = (claims.get(name) for name in (settings.name_claim, *_NAMES))
    names = [name for name in given if isinstance(name, str) and normal_form(name)]
    owners = (person_text(name, settings.issuer, subject, names) for name in (*names, subject))
    owner = next((owner for owner in owners if normal_form(name_of(owner))), None)  # "<>" alone leaves no name
    if owner is None:
        raise SignInRefused("the token has neither a name nor a subject (sub) that can be shown")
    had = frozenset(values)
    roles = set_of(role for role, wanted in settings.roles if not had.isdisjoint(wanted))
    return SignedIn(owner, () if mistake_in(roles) else roles, float(claims["exp"]))


def values_in(claim: object) -> tuple[str, ...]:
    """The values of a claim that is a text, or a list of texts."""
    if isinstance(claim, str):
        return (claim,)
    return tuple(one for one in claim[:_MOST_VALUES] if isinstance(one, str)) if isinstance(claim, list) else ()


def claim_at(claims: Mapping[str, Any], path: str) -> object:
    """A claim by its name, or by a path of names with dots, as in Keycloak's 'realm_access.roles'."""
    if path in claims:
        return claims[path]
    found: object = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def link_of(claims: Mapping[str, Any], name: str) -> ClaimLink | None:
    """Where a provider keeps a claim that is too large for the token (Core section 5.6.2); None where it sends none.

    Entra ID does so for persons in more than 200 groups.
    """
    names, sources = claims.get("_claim_names"), claims.get("_claim_sources")
    source = names.get(name) if isinstance(names, Mapping) else None
    found = sources.get(source) if isinstance(sources, Mapping) and isinstance(source, str) else None
    if not isinstance(found, Mapping) or not isinstance(found.get("endpoint"), str):
        return None
    token = found.get("access_token")
    return ClaimLink(found["endpoint"], token if isinstance(token, str) else None)
