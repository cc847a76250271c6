"""Manifests of compiled policies (resolver.snapshot.snapshot_file): read, checked, and the newest whole one found.

Nothing is mapped here, and nothing of a policy imported: the supervisor needs no more.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from resolver.errors import RuleError, SnapshotError
from resolver.policy.compiled_format import FORMAT
from resolver.system.state_files import read_own, reading

SNAPSHOTS = "snapshots"  # the folder of snapshots, below state_dir
_MANIFEST = re.compile(r"manifest-(\d{6,})\.json\Z")
_CONTENT = re.compile(r"(?:rules|groups|local)-([0-9a-f]{16})\.(?:trie|ids|sets|json)\Z")
MALFORMED: Final = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    ArithmeticError,
    RuntimeError,
    RuleError,
)
"""Errors that the reading of a damaged file may raise."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """File of a snapshot, as a manifest names it."""

    name: str
    sha256: str
    bytes: int  # octets

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> FileEntry:
        """Read and check what a manifest says. Raises ValueError, KeyError or TypeError."""
        entry = cls(plain["name"], plain["sha256"], plain["bytes"])
        match = _CONTENT.match(entry.name)
        # A file is called by its content, and so is nowhere else.
        if match is None or not str(entry.sha256).startswith(match[1]) or type(entry.bytes) is not int:
            raise ValueError(f"{str(entry.name)[:100]!r} is not the name of one of its files")
        return entry


@dataclass(frozen=True, slots=True)
class LayerFiles:
    """A layer on disk. `revision` is the store's policy revision up to which it holds all changes."""

    trie: FileEntry
    ids: FileEntry
    sets: FileEntry
    revision: int = 0

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> LayerFiles:
        """Read and check what a manifest says. Raises ValueError, KeyError or TypeError."""
        trie, ids, sets = (FileEntry.from_plain(plain[role]) for role in ("trie", "ids", "sets"))
        return cls(trie, ids, sets, plain["revision"])

    @property
    def content(self) -> str:
        """Digest of all that is in it."""
        return f"{self.trie.sha256}{self.ids.sha256}{self.sets.sha256}"

    @property
    def entries(self) -> tuple[FileEntry, FileEntry, FileEntry]:
        """Its files."""
        return self.trie, self.ids, self.sets


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of a policy: what it was made from.

    The lowest layer holds the catalogue, the config's lists and the store's rules up to its revision. Of revision 0, it
    holds none of any store, and so fits under all.
    """

    fingerprint: str  # of the config's policy, the catalogue and the compiler
    base: str = ""  # of what the lowest layer holds beside the store's rules
    store_id: str = ""
    store_revision: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """Manifest of a compiled policy: its revision, files, groups and origin."""

    path: Path
    revision: int
    created_at: float  # Unix time, seconds
    origin: Origin
    layers: tuple[LayerFiles, ...]  # the lowest first
    groups: FileEntry
    local: FileEntry | None = None  # the policy's local names, where it has any

    @property
    def fingerprint(self) -> str:
        """Of the config's policy, the catalogue and the compiler that it was made with."""
        return self.origin.fingerprint

    @property
    def entries(self) -> list[FileEntry]:
        """All its files."""
        others = [self.groups] if self.local is None else [self.groups, self.local]
        return [entry for layer in self.layers for entry in layer.entries] + others

    def holds_groups(self, groups: bytes) -> bool:
        """Whether its groups are these, as they were compiled."""
        return self.groups.sha256 == hashlib.sha256(groups).hexdigest()

    def holds_local(self, local: bytes) -> bool:
        """Whether its local names are these, as they were packed."""
        if self.local is None:
            return not local
        return self.local.sha256 == hashlib.sha256(local).hexdigest()


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest, not yet its files. Raises SnapshotError."""
    try:
        body = json.loads(read_own(path))
        checksum = body.pop("checksum")
        if checksum != checksum_of(body):
            raise SnapshotError(f"{path}: the checksum is wrong")
        if body["format"] != FORMAT or body["byteorder"] != sys.byteorder:
            raise SnapshotError(f"{path}: written by another version (format {body['format']})")
        manifest = Manifest(
            path,
            int(body["revision"]),
            float(body["created_at"]),
            Origin(**body["origin"]),
            tuple(LayerFiles.from_plain(layer) for layer in body["layers"]),
            FileEntry.from_plain(body["groups"]),
            FileEntry.from_plain(body["local"]) if body.get("local") is not None else None,
        )
    except OSError as error:
        raise SnapshotError(f"{path}: {error.strerror}") from error
    except MALFORMED as error:
        raise SnapshotError(f"{path}: cannot be read: {error}") from error
    if not manifest.layers or manifest.revision < 1:
        raise SnapshotError(f"{path}: has no layer, or no revision")
    return manifest


def newest_whole(folder: Path, harmful: Container[tuple[Path, float]] = ()) -> tuple[Manifest, list[str]]:
    """The manifest of the newest snapshot whose files are as they were written, and what was wrong with newer ones.

    Nothing is mapped: a file that was made to harm harms a worker alone. `harmful` are left out. Raises SnapshotError
    when there is none.
    """
    refused: list[str] = []
    for revision in sorted(revisions_in(folder), reverse=True):
        path = folder / f"manifest-{revision:06d}.json"
        try:
            manifest = read_manifest(path)
            if (path, manifest.created_at) in harmful:
                continue
            for entry in manifest.entries:
                check_file(folder / entry.name, entry)
        except OSError as error:
            refused.append(f"{path}: {error.filename or ''}: {error.strerror or error}")
        except SnapshotError as error:
            refused.append(str(error))
        else:
            return manifest, refused
    raise SnapshotError("\n".join(refused) if refused else f"no compiled policy in {folder}")


def revisions_in(folder: Path) -> Iterator[int]:
    """The revisions whose manifests are in a folder."""
    if folder.is_dir():
        for entry in folder.iterdir():
            match = _MANIFEST.match(entry.name)
            if match:
                yield int(match[1])


def checksum_of(body: Mapping[str, object]) -> str:
    """The checksum of a manifest's other fields."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def check_file(path: Path, entry: FileEntry) -> None:
    """Read a whole file. Raises SnapshotError where it is not as it was written, OSError where it cannot be read."""
    with reading(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size != entry.bytes:
            raise SnapshotError(f"{path}: {size} octets instead of {entry.bytes}")
        if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
            raise SnapshotError(f"{path}: the content has been changed")
