"""A caller, however it proved who it is: by a token, or as a person who signed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from admin_api.persons import name_of
from admin_api.sign_in.person import SignedIn
from admin_api.store.tokens import TokenRow

SIGNED_IN: Final = "signed-in"
"""In place of a token's id, in what a person asked for."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The one who calls."""

    name: str  # of the token, or of the person
    owner: str  # who answers for it; with the subject of who signed in
    roles: tuple[str, ...]
    token: TokenRow | None = None

    @classmethod
    def by_token(cls, token: TokenRow) -> Caller:
        """The holder of that token."""
        return cls(token.name, token.owner, token.roles, token)

    @classmethod
    def signed_in(cls, person: SignedIn) -> Caller:
        """That person."""
        return cls(person.name, person.owner, person.roles)

    @property
    def actor(self) -> str:
        """As the audit trail has it."""
        return f"person:{self.owner}" if self.token is None else f"token:{self.name}"

    @property
    def person(self) -> str:
        """The name of who answers for it."""
        return name_of(self.owner)

    @property
    def told(self) -> str:
        """The beginning of a sentence about its roles."""
        return repr(self.name) if self.token is None else f"the token {self.name!r}"
