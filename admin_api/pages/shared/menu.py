"""The menu: what stands where, and who sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the menu; `address` is the first part of those of all pages that belong to it."""

    label: str
    address: str
    role: str = "viewer"


@dataclass(frozen=True, slots=True)
class Chapter:
    """Entries that belong together."""

    label: str
    entries: tuple[Entry, ...]


MENU: tuple[Chapter, ...] = (
    Chapter("Watch", (Entry("Overview", "/"), Entry("Query log", "/queries"), Entry("Check a name", "/check"))),
    Chapter(
        "Decide",
        (
            Entry("Exemptions", "/exemptions"),
            Entry("Changes", "/changes"),
            Entry("Groups", "/groups"),
            Entry("Clients", "/clients"),
            Entry("Catalogue", "/catalogue"),
            Entry("Lists", "/lists"),
        ),
    ),
    Chapter(
        "Account for",
        (Entry("Reports", "/reports"), Entry("Audit trail", "/audit"), Entry("Policy history", "/policy")),
    ),
    Chapter("Node", (Entry("Status", "/status"), Entry("Tokens", "/tokens", "admin"), Entry("Set-up", "/setup"))),
)
