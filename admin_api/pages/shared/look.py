"""A look at persons, as pages have it: what the session remembers a reason by, and what has a page ask for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """A look at persons: at one, by a filter, or at rankings of them, whichever these are."""

    operation: str
    client: str = ""
    identity: str = ""

    @classmethod
    def of(cls, operation: str, query: Mapping[str, object]) -> Look:
        """The look of a query."""
        client = query.get("client") or query.get("address")
        return cls(operation, str(client or ""), str(query.get("identity") or ""))

    @property
    def whom(self) -> str:
        """In a sentence; "" for nobody in particular."""
        named = (("client", self.client), ("identity", self.identity))
        return " and ".join(f"{what} {who}" for what, who in named if who)

    @property
    def key(self) -> str:
        """As the session remembers its reason."""
        return f"{self.operation}: {self.whom}"


class AsksWhy(Exception):
    """Persons are looked at, and nobody has said why."""

    def __init__(self, look: Look) -> None:
        super().__init__(look.key)
        self.look = look
