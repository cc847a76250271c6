"""The catalogue's data files as they are on disk, and their fingerprint; nothing is parsed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from resolver.errors import CatalogueError
from resolver.system.state_files import read_own

if TYPE_CHECKING:
    from blocklists.catalogue import Kind

KINDS: Final[dict[str, Kind]] = {  # by folder
    "bypass": "bypass",
    "clouds": "cloud",
    "gateways": "gateway",  # in a copy that an earlier version kept
    "resellers": "reseller",
    "vendors": "vendor",
}

VERSION: Final = "version.txt"
"""The file with the catalogue's number: the date of its last change, and two digits that count within a day."""


def catalogue_fingerprint(folder: Path | None = None) -> str:
    """The fingerprint that `load_catalogue(folder)` would have, without parsing anything. Raises CatalogueError."""
    return digest_of(data_files(folder))


def data_files(folder: Path | None) -> list[tuple[str, bytes]]:
    """Every data file as ``vendors/anthropic.yaml`` and its bytes, in order of that name."""
    root = folder or Path(__file__).parent
    paths = sorted(f"{name}/{path.name}" for name in KINDS for path in (root / name).glob("*.yaml"))
    if not paths:
        raise CatalogueError(f"{root}: no catalogue here: expected files such as vendors/NAME.yaml")
    try:
        read = read_own if folder else Path.read_bytes
        return [(path, read(root / path)) for path in paths]
    except OSError as error:
        raise CatalogueError(f"{root}: the catalogue cannot be read: {error}") from error


def catalogue_version(folder: Path | None = None) -> int:
    """The number of the catalogue in `folder` (the bundled one if None) within its series; 0 where it has none."""
    try:
        text = read_own(folder / VERSION) if folder else (Path(__file__).parent / VERSION).read_bytes()
        return int(text)
    except (OSError, ValueError):
        return 0  # a copy that an earlier version kept


def digest_of(contents: list[tuple[str, bytes]]) -> str:
    """SHA-256 of the content of all data files, as hexadecimal digits."""
    return hashlib.sha256(b"".join(content for _, content in contents)).hexdigest()
