"""Small stand-ins that several tests share."""

from __future__ import annotations

from typing import Any

from admin_api.store.store import Store


class Said:
    """A log that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **facts: Any) -> None:
        self.lines.append((event, facts))

    warning = error = info


class SteadyAccess:
    """A store that is there."""

    trouble: str | None = None

    def __init__(self, store: Store) -> None:
        self.store = store
