"""Local names as an admin gives them, before anything is made of them: plain data, of workers' settings or a policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WILDCARD: Final = "*."
"""Beginning of a local name that stands for all below a name, and not for that name itself."""

BY_KEY: Final = "local"
"""Origin of the local names that the config's key of that name gives; others have FILE:LINE."""

BY_API: Final = "api"
"""Origin of the local names that are made through the admin API: they come with the policy."""

MOST_ALIASES: Final = 8
"""Local names that may lead to each other before there is an address, or a name that is not local."""


@dataclass(frozen=True, slots=True)
class LocalRecord:
    """One local name: its addresses, or the one name that it stands for. `origin` says where it was given."""

    name: str  # "printer.office.example", or "*.lab.office.example"
    addresses: tuple[str, ...] = ()
    alias: str = ""
    origin: str = ""

    @property
    def base(self) -> str:
        """The name without its wildcard."""
        return self.name.removeprefix(WILDCARD)

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for what is below its base."""
        return self.name.startswith(WILDCARD)


@dataclass(frozen=True, slots=True)
class PolicyLocalNames:
    """Local names that come with a policy. `digest` is of the octets that they were read from; "" where none are."""

    records: tuple[LocalRecord, ...] = ()
    digest: str = ""


NO_LOCAL_NAMES: Final = PolicyLocalNames()
