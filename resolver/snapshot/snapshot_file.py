"""Compiled policies on disk: write, check, map, keep the last good ones. What is in them is the policy's business.

A snapshot is a *manifest* that names immutable files by the hash of their content: one or more layers of rules, each
over those before it, and the groups::

    state/snapshots/manifest-000012.json
    state/snapshots/rules-5f0c….trie   rules-5f0c….ids   rules-5f0c….sets   groups-91ab….json

Files that a new policy shares with an old one are not written again. Every file is written beside its place, synced
and renamed, the manifest last: a crash leaves the old snapshot in force. Opening one checks every length and hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import re
import sys
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import marisa_trie

from resolver.errors import RuleError, SnapshotError
from resolver.policy.compiler import FORMAT, CompiledRules, load_layer, load_policy
from resolver.policy.rule_layer import RuleLayer
from resolver.policy.snapshot import PolicySnapshot
from resolver.system.state_files import make_folder, read_own, reading, write_whole

SNAPSHOTS = "snapshots"  # the folder of snapshots, below state_dir
KEPT = 3  # manifests kept, the newest among them
_UNNAMED_SECONDS = 600.0  # a file that no manifest names may belong to one that is still being written
_MANIFEST = re.compile(r"manifest-(\d{6,})\.json\Z")
_CONTENT = re.compile(r"(?:rules|groups)-([0-9a-f]{16})\.(?:trie|ids|sets|json)\Z")
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, IndexError, ArithmeticError, RuntimeError, RuleError)


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

    @property
    def fingerprint(self) -> str:
        """Of the config's policy, the catalogue and the compiler that it was made with."""
        return self.origin.fingerprint

    @property
    def entries(self) -> list[FileEntry]:
        """All its files."""
        return [entry for layer in self.layers for entry in layer.entries] + [self.groups]

    def holds_groups(self, groups: bytes) -> bool:
        """Whether its groups are these, as they were compiled."""
        return self.groups.sha256 == hashlib.sha256(groups).hexdigest()


def write_snapshot(folder: Path, rules: CompiledRules, groups: bytes, origin: Origin) -> Manifest:
    """Write a compiled policy of one layer as the next revision. Raises SnapshotError; the old ones are untouched."""
    return write_manifest(folder, [write_layer(folder, rules, 0)], groups, origin)


def write_layer(folder: Path, rules: CompiledRules, revision: int) -> LayerFiles:
    """Write the files of a layer, for a manifest to name. Raises SnapshotError."""
    with _told(folder):
        make_folder(folder)
        contents = {"trie": rules.trie, "ids": rules.ids, "sets": rules.sets}
        files = {role: _write_content(folder, "rules", role, content) for role, content in contents.items()}
        return LayerFiles(**files, revision=revision)


def write_manifest(folder: Path, layers: Sequence[LayerFiles], groups: bytes, origin: Origin) -> Manifest:
    """Write a policy of layers that are on disk as the next revision. Raises SnapshotError."""
    with _told(folder):
        body = {
            "format": FORMAT,
            "byteorder": sys.byteorder,
            "created_at": time.time(),
            "origin": asdict(origin),
            "layers": [asdict(layer) for layer in layers],
            "groups": asdict(_write_content(folder, "groups", "json", groups)),
        }
        path = _write_next(folder, body)
    _remove_old(folder)
    return read_manifest(path)


def _write_next(folder: Path, body: Mapping[str, object]) -> Path:
    """Write a manifest under the next free number; another process may be writing one as well."""
    while True:
        numbered = {**body, "revision": max(_revisions(folder), default=0) + 1}
        path = folder / f"manifest-{numbered['revision']:06d}.json"
        content = json.dumps({**numbered, "checksum": _checksum(numbered)}, indent=1).encode()
        with contextlib.suppress(FileExistsError):
            write_whole(path, content, exclusive=True)
            return path


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SnapshotError(f"cannot write the compiled policy to {folder}: {error.strerror}") from error


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest, not yet its files. Raises SnapshotError."""
    try:
        body = json.loads(read_own(path))
        checksum = body.pop("checksum")
        if checksum != _checksum(body):
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
        )
    except OSError as error:
        raise SnapshotError(f"{path}: {error.strerror}") from error
    except _MALFORMED as error:
        raise SnapshotError(f"{path}: cannot be read: {error}") from error
    if not manifest.layers or manifest.revision < 1:
        raise SnapshotError(f"{path}: has no layer, or no revision")
    return manifest


def open_snapshot(manifest: Manifest, *, check: bool = True, like: PolicySnapshot | None = None) -> PolicySnapshot:
    """Map a snapshot's files. Raises SnapshotError when any of them is not as it was written.

    `check` reads every octet; leave it out only where another process of the same start has just done so. Layers that
    the snapshot `like` has open already are taken from there.
    """
    folder = manifest.path.parent
    try:
        layers = open_layers(folder, manifest.layers, check=check, like=like)
        groups = folder / manifest.groups.name
        if check:
            _check(groups, manifest.groups)
        return load_policy(manifest.revision, layers, read_own(groups))
    except OSError as error:
        raise SnapshotError(f"{manifest.path}: {error.filename or ''}: {error.strerror or error}") from error
    except (*_MALFORMED, StopIteration, MemoryError) as error:
        raise SnapshotError(f"{manifest.path}: cannot be read: {error}") from error


def open_layers(
    folder: Path, layers: Sequence[LayerFiles], *, check: bool = True, like: PolicySnapshot | None = None
) -> list[RuleLayer]:
    """Map layers, or take them from `like`. Raises SnapshotError."""
    known = {layer.content: layer for layer in like.stack.layers} if like else {}
    try:
        return [known.get(layer.content) or _open_layer(folder, layer, check=check) for layer in layers]
    except OSError as error:
        raise SnapshotError(f"{error.filename or folder}: {error.strerror or error}") from error
    except (*_MALFORMED, StopIteration, MemoryError) as error:
        raise SnapshotError(f"{folder}: a layer cannot be read: {error}") from error


def _open_layer(folder: Path, files: LayerFiles, *, check: bool) -> RuleLayer:
    trie, ids, sets = (folder / entry.name for entry in files.entries)
    if check:
        for path, entry in zip((trie, ids, sets), files.entries, strict=True):
            _check(path, entry)
    return load_layer(marisa_trie.BinaryTrie().mmap(str(trie)), _map(ids), read_own(sets), files.content)


def last_good(folder: Path) -> tuple[PolicySnapshot, Manifest, list[str]]:
    """The newest snapshot that is whole, its manifest, and what was wrong with newer ones.

    Raises SnapshotError when there is none.
    """
    refused: list[str] = []
    for revision in sorted(_revisions(folder), reverse=True):
        try:
            manifest = read_manifest(folder / f"manifest-{revision:06d}.json")
            return open_snapshot(manifest), manifest, refused
        except SnapshotError as error:
            refused.append(str(error))
    raise SnapshotError("\n".join(refused) if refused else f"no compiled policy in {folder}")


def newest_whole(folder: Path, harmful: Container[tuple[Path, float]] = ()) -> tuple[Manifest, list[str]]:
    """The manifest of the newest snapshot whose files are as they were written, and what was wrong with newer ones.

    Nothing is mapped: a file that was made to harm harms a worker alone. `harmful` are left out. Raises SnapshotError
    when there is none.
    """
    refused: list[str] = []
    for revision in sorted(_revisions(folder), reverse=True):
        path = folder / f"manifest-{revision:06d}.json"
        try:
            manifest = read_manifest(path)
            if (path, manifest.created_at) in harmful:
                continue
            for entry in manifest.entries:
                _check(folder / entry.name, entry)
        except OSError as error:
            refused.append(f"{path}: {error.filename or ''}: {error.strerror or error}")
        except SnapshotError as error:
            refused.append(str(error))
        else:
            return manifest, refused
    raise SnapshotError("\n".join(refused) if refused else f"no compiled policy in {folder}")


def _revisions(folder: Path) -> Iterator[int]:
    if folder.is_dir():
        for entry in folder.iterdir():
            match = _MANIFEST.match(entry.name)
            if match:
                yield int(match[1])


def _checksum(body: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _write_content(folder: Path, stem: str, suffix: str, content: bytes) -> FileEntry:
    digest = hashlib.sha256(content).hexdigest()
    name = f"{stem}-{digest[:16]}.{suffix}"
    entry = FileEntry(name, digest, len(content))
    path = folder / name
    with contextlib.suppress(SnapshotError, OSError):
        _check(path, entry)
        os.utime(path)  # named again soon
        return entry
    write_whole(path, content)
    return entry


def _check(path: Path, entry: FileEntry) -> None:
    with reading(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size != entry.bytes:
            raise SnapshotError(f"{path}: {size} octets instead of {entry.bytes}")
        if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
            raise SnapshotError(f"{path}: the content has been changed")


def _map(path: Path) -> memoryview:
    with reading(path) as file:
        if os.fstat(file.fileno()).st_size == 0:
            return memoryview(b"")  # an empty file cannot be mapped
        return memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))


def _remove_old(folder: Path) -> None:
    """Remove all but the newest manifests, and files that none of those names. What is mapped lives until unmapped."""
    revisions = sorted(_revisions(folder), reverse=True)
    named: set[str] = set()
    for revision in revisions[:KEPT]:
        with contextlib.suppress(SnapshotError):
            manifest = read_manifest(folder / f"manifest-{revision:06d}.json")
            named |= {entry.name for entry in manifest.entries}
    unnamed: dict[str, float] = {}  # by manifests that go; with the time of the last one
    for revision in revisions[KEPT:]:
        path = folder / f"manifest-{revision:06d}.json"
        with contextlib.suppress(SnapshotError):
            manifest = read_manifest(path)
            for entry in manifest.entries:
                unnamed[entry.name] = max(unnamed.get(entry.name, 0.0), manifest.created_at + 1)
        path.unlink(missing_ok=True)
    old = time.time() - _UNNAMED_SECONDS
    for path in folder.iterdir():
        is_ours = path.name.startswith(("rules-", "groups-")) and path.name not in named
        if is_ours or (path.name.startswith(".") and path.name.endswith(".part")):
            with contextlib.suppress(FileNotFoundError):
                # What was touched since its manifest was written is about to be named again.
                if path.stat().st_mtime < max(old, unnamed.get(path.name, 0.0)):
                    path.unlink()
