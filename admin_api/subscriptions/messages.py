"""Messages between the control process and the child that reads a fetched list (admin_api.subscriptions.child)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from resolver.system.channel import Asks, MessageSet

READ_SECONDS: Final = 600.0
"""For a fetched list to be read."""


@dataclass(frozen=True, slots=True)
class ListRead:
    """A list's rules, written to the content file that is named by their SHA-256, and a report for people."""

    content: str
    rules: int
    patterns: int
    regexes: int
    report: Mapping[str, Any]  # JSON, as the store keeps it and the API shows it


@dataclass(frozen=True, slots=True)
class ReadList(Asks[ListRead]):
    """Read a file that was fetched. `quotes`: the report may show lines of it."""

    file: Path
    format: str
    most_bytes: int
    state_dir: Path
    quotes: bool


LIST_CHANNEL: Final = MessageSet("list", 1, ListRead, patience_seconds={ReadList: READ_SECONDS})
