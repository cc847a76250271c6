"""The menu: what stands where, and who sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """A line of the menu; `address` is the first part of those of all pages that belong to it."""

    label: str
    address: str
    role: str = "viewer"
    operation: str | None = None  # of the API, without which the page has nothing to show


@dataclass(frozen=True, slots=True)
class MenuChapter:
    """Entries that belong together."""

    label: str
    entries: tuple[MenuEntry, ...]


MENU: tuple[MenuChapter, ...] = (
    MenuChapter(
        "Watch", (MenuEntry("Overview", "/"), MenuEntry("Query log", "/queries"), MenuEntry("Check a name", "/check"))
    ),
    MenuChapter(
        "Decide",
        (
            MenuEntry("Exemptions", "/exemptions"),
            MenuEntry("Changes", "/changes"),
            MenuEntry("Groups", "/groups"),
            MenuEntry("Roll-out", "/roll-out"),
            MenuEntry("Clients", "/clients", operation="GET /leases"),
            MenuEntry("Catalogue", "/catalogue"),
            MenuEntry("Lists", "/lists"),
            MenuEntry("Unlisted names", "/unlisted"),
            MenuEntry("Local names", "/local"),
        ),
    ),
    MenuChapter(
        "Account for",
        (MenuEntry("Reports", "/reports"), MenuEntry("Audit trail", "/audit"), MenuEntry("Policy history", "/policy")),
    ),
    MenuChapter(
        "Node", (MenuEntry("Status", "/status"), MenuEntry("Tokens", "/tokens", "admin"), MenuEntry("Set-up", "/setup"))
    ),
)
