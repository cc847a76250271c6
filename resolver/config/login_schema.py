"""The section of the configuration about people who sign in at an OpenID provider."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from resolver.config import fields
from resolver.config.addresses import says_loopback
from resolver.config.section import Section
from resolver.config.settings import LONGEST_SESSION_SECONDS
from resolver.config.subscription import read_base_url
from resolver.config.wording import shown
from resolver.errors import RuleError

_LONGEST: Final = 1000
_MOST_VALUES: Final = 100


def _read_issuer(text: str) -> str:
    """An issuer as it writes itself, since it is compared exactly (OpenID Connect Core section 3.1.3.7)."""
    read_base_url(text)
    parts = urlsplit(text)
    if text != text.strip() or parts.fragment or "@" in parts.netloc:
        raise RuleError(f"{shown(text)} is not an issuer: write it as the provider does, 'https://login.corp.example'")
    if parts.scheme != "https" and not says_loopback(parts.hostname or ""):
        raise RuleError(f"{shown(text)} would be asked unencrypted: use https://")
    return text


_Value = Annotated[str, Field(min_length=1, max_length=_LONGEST)]
_Values = Annotated[tuple[_Value, ...], Field(max_length=_MOST_VALUES)]


class LoginRoles(Section):
    """Values of the claim by the role that each gives."""

    admin: _Values = ()
    """Values of the claim that give the role admin."""
    operator: _Values = ()
    """Values of the claim that give the role operator."""
    investigator: _Values = ()
    """Values of the claim that give the role investigator, which needs another one beside it."""
    viewer: _Values = ()
    """Values of the claim that give the role viewer."""


class OidcSection(Section):
    """Sign-in by OpenID Connect."""

    issuer: Annotated[str, fields.reading(_read_issuer)] | None = None
    """The OpenID provider, as its discovery document writes it; null: nobody signs in, tokens alone."""
    client_id: Annotated[str, Field(min_length=1, max_length=_LONGEST)] | None = None
    """The id that the provider knows moatdns by."""
    client_secret: Annotated[str, Field(min_length=1, max_length=_LONGEST)] | None = None
    """The secret that goes with it, as 'file:PATH' or '${VAR}'; null: a public client, by PKCE alone."""
    ca_file: fields.File | None = None
    """PEM file with the CAs that the provider's certificate must come from; null: the system's."""
    session_seconds: Annotated[int, Field(ge=60, le=LONGEST_SESSION_SECONDS), fields.NUMBER] | None = None
    """Length of a session, in seconds; null: that of the ID token."""
    audience: Annotated[str, Field(min_length=1, max_length=_LONGEST)] | None = None
    """The audience of JWTs of this issuer that the API takes as bearer tokens; null: none are taken."""
    name_claim: Annotated[str, Field(min_length=1, max_length=100)] = "name"
    """The claim that has a person's name."""
    roles_claim: Annotated[str, Field(min_length=1, max_length=100)] = "groups"
    """The claim whose values give roles."""
    roles: LoginRoles = LoginRoles()
    """Values of that claim, by the role that each gives."""

    @model_validator(mode="after")
    def _is_whole(self) -> OidcSection:
        fields.raise_mistakes([fields.mistake(why, None, key) for key, why in self._lacks()])
        return self

    def _lacks(self) -> Iterator[tuple[str, str]]:
        if self.issuer is None:
            return
        if self.client_id is None:
            yield "client_id", "is missing: the provider gives one to each application"
        if self.audience is not None and self.audience == self.client_id:
            yield "audience", "is the client_id: the API would take ID tokens, which are for sign-in alone"
        if not (self.roles.admin or self.roles.operator or self.roles.viewer):
            yield "roles", "give nobody a role: name values of the claim under admin, operator or viewer"


class LoginSection(Section):
    """How people come in, beside tokens."""

    oidc: OidcSection = OidcSection()
