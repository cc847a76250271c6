"""The plain form of registers: rows with tabs between columns, behind comments that say where they are from."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Final

from blocklists.gathering.registers import Provenance, Provider, Register, Told, bounded, read_text
from resolver.errors import CatalogueError

_COLUMNS: Final = ("id", "name", "api")
_MOST_COMMENTS: Final = 50
_LONGEST_COMMENT: Final = 2_000
_ORIGIN = re.compile(r"([\w.-]+/[\w.-]+),? ([^;]{1,200}?) at ([0-9a-f]{7,40}) \((\d{4}-\d\d-\d\d)\)")


def read_tables(path: Path) -> list[Register]:
    """The registers in a table. Raises CatalogueError.

    Comments say each register as ``owner/repository PATH at REVISION (DATE)``, and the last one the columns: `id`,
    `name`, `api`, and perhaps `docs`, and `registry` where there are several.
    """
    lines = read_text(path).splitlines()
    comments = [line[:_LONGEST_COMMENT].lstrip("# ") for line in lines if line.startswith("#")]
    if len(comments) > _MOST_COMMENTS:
        raise CatalogueError(f"{path}: {len(comments)} comments: at most {_MOST_COMMENTS}, above the rows")
    origins = [_provenance(path, found) for line in comments for found in _ORIGIN.findall(line)]
    columns = comments[-1].split("\t") if comments else []
    if missing := [name for name in _COLUMNS if name not in columns]:
        raise CatalogueError(
            f"{path}:1: a comment has to name the columns, with tabs between; {missing[0]!r} is missing"
        )
    if not origins:
        raise CatalogueError(f"{path}:1: a comment has to say where it is from: OWNER/NAME PATH at REVISION (DATE)")
    fewest = max(columns.index(name) for name in (*_COLUMNS, "registry") if name in columns) + 1
    found: dict[str, list[Provider]] = {origin.name: [] for origin in origins}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = line.split("\t")
        if not fewest <= len(cells) <= len(columns):
            raise CatalogueError(f"{path}:{number}: {len(cells)} columns; expected {len(columns)}, with tabs between")
        row = dict(zip(columns, cells, strict=False))
        where = f"{path.name}:{number}"
        addresses = (Told(row["api"], where),) if row["api"] else ()
        documents = (Told(row["docs"], where),) if row.get("docs") else ()
        origin = _of(origins, row.get("registry"))
        if origin is None:
            raise CatalogueError(f"{where}: registry: no comment says where {row['registry']!r} is from")
        found[origin.name].append(Provider(row["id"], row["name"], addresses, documents))
    return [
        Register(origin, bounded(found[origin.name], f"{path}: {origin.name}"), is_list=False, is_whole=True)
        for origin in origins
    ]


def _of(origins: list[Provenance], registry: str | None) -> Provenance | None:
    """The register that a row's word is for: the first whose name has it; without such a column the only one."""
    if registry is None:
        return origins[0]
    return next((origin for origin in origins if registry and registry in origin.name), None)


def _provenance(path: Path, found: tuple[str, str, str, str]) -> Provenance:
    name, where, revision, date = found
    try:
        return Provenance(name, where, revision, datetime.date.fromisoformat(date))
    except ValueError as error:
        raise CatalogueError(f"{path}: {date!r} is no date") from error
