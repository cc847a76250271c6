"""Findings that a person declined, so that it is not asked again: ``declined.tsv`` beside the catalogue's folders.

A row is a host (new, moved) or a rule (gone), the change, the date of the decision, the register, and perhaps why.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blocklists.gathering.findings import RegisterChange
from blocklists.gathering.registers import read_text
from resolver.errors import CatalogueError

FILE: Final = "declined.tsv"
_HEAD: Final = (
    "# Declined by a person: names that registers have and that get no rule, and rules kept that registers lost.\n"
)
_COLUMNS: Final = "# name\tchange\tdate\tregister\twhy\n"


@dataclass(frozen=True, slots=True, order=True)
class DeclinedFinding:
    """One decision. `name` is a host, or for what is gone the rule as it is written with its service behind a space."""

    name: str
    change: RegisterChange
    date: datetime.date
    register: str
    why: str


def read_declined(folder: Path) -> list[DeclinedFinding]:
    """All decisions. Raises CatalogueError with file and line."""
    path = folder / FILE
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            name, change, date, register, why = line.split("\t")
            found.append(
                DeclinedFinding(name, RegisterChange(change), datetime.date.fromisoformat(date), register, why)
            )
        except ValueError as error:
            raise CatalogueError(
                f"{path}:{number}: expected name, change (new, gone), date, register and why, with tabs between"
            ) from error
    return found


def declined_text(rows: Iterable[DeclinedFinding]) -> str:
    """The file's text, in order of the names."""
    once = {(row.name, row.change): row for row in rows}
    lines = ("\t".join((one.name, one.change, str(one.date), one.register, one.why)) for one in sorted(once.values()))
    return _HEAD + _COLUMNS + "".join(f"{line}\n" for line in lines)
