"""Compiled policies on disk: write, check, map, keep the last good ones. What is in them is the policy's business.

A snapshot is a *manifest* that names immutable files by the hash of their content::

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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import marisa_trie

from resolver.errors import SnapshotError
from resolver.policy.compiler import FORMAT, CompiledRules, load_layer, load_policy
from resolver.policy.snapshot import PolicySnapshot

KEPT = 3  # manifests kept, the newest among them
_MANIFEST = re.compile(r"manifest-(\d{6,})\.json\Z")
_ROLES = ("trie", "ids", "sets", "groups")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says. `fingerprint` stands for all that went into the compilation."""

    path: Path
    revision: int
    fingerprint: str
    created_at: float  # Unix time, seconds
    files: dict[str, dict[str, Any]]  # role → name, sha256, bytes

    @property
    def mapped_bytes(self) -> int:
        """Octets that a worker maps or reads."""
        return sum(int(entry["bytes"]) for entry in self.files.values())


def write_snapshot(folder: Path, rules: CompiledRules, groups: bytes, fingerprint: str) -> Manifest:
    """Write a compiled policy as the next revision. Raises SnapshotError; the old ones are untouched then."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        revision = max(_revisions(folder), default=0) + 1
        contents = {"trie": rules.trie, "ids": rules.ids, "sets": rules.sets, "groups": groups}
        files = {role: _write_content(folder, role, content) for role, content in contents.items()}
        body = {
            "format": FORMAT,
            "byteorder": sys.byteorder,
            "revision": revision,
            "fingerprint": fingerprint,
            "created_at": time.time(),
            "files": files,
        }
        path = folder / f"manifest-{revision:06d}.json"
        _write_atomically(path, json.dumps({**body, "checksum": _checksum(body)}, indent=1).encode())
    except OSError as error:
        raise SnapshotError(f"cannot write the compiled policy to {folder}: {error.strerror}") from error
    _remove_old(folder)
    return read_manifest(path)


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest, not yet its files. Raises SnapshotError."""
    try:
        body = json.loads(path.read_bytes())
        checksum = body.pop("checksum")
        if checksum != _checksum(body):
            raise SnapshotError(f"{path}: the checksum is wrong")
        if body["format"] != FORMAT or body["byteorder"] != sys.byteorder:
            raise SnapshotError(f"{path}: written by another version (format {body['format']})")
        return Manifest(path, body["revision"], body["fingerprint"], body["created_at"], body["files"])
    except OSError as error:
        raise SnapshotError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SnapshotError(f"{path}: cannot be read: {error}") from error


def open_snapshot(manifest: Manifest, *, check: bool = True) -> PolicySnapshot:
    """Map a snapshot's files. Raises SnapshotError when any of them is not as it was written.

    `check` reads every octet; leave it out only where another process of the same start has just done so.
    """
    folder = manifest.path.parent
    try:
        paths = {role: folder / manifest.files[role]["name"] for role in _ROLES}
        if check:
            for role, path in paths.items():
                _check(path, manifest.files[role])
        trie = marisa_trie.BinaryTrie().mmap(str(paths["trie"]))
        layer = load_layer(trie, _map(paths["ids"]), paths["sets"].read_bytes())
        return load_policy(manifest.revision, layer, paths["groups"].read_bytes())
    except OSError as error:
        raise SnapshotError(f"{manifest.path}: {error.filename or ''}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, IndexError, StopIteration, RuntimeError) as error:
        raise SnapshotError(f"{manifest.path}: cannot be read: {error}") from error


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


def _revisions(folder: Path) -> Iterator[int]:
    if folder.is_dir():
        for entry in folder.iterdir():
            match = _MANIFEST.match(entry.name)
            if match:
                yield int(match[1])


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _write_content(folder: Path, role: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    stem = "groups" if role == "groups" else "rules"
    name = f"{stem}-{digest[:16]}.{'json' if role == 'groups' else role}"
    entry = {"name": name, "sha256": digest, "bytes": len(content)}
    path = folder / name
    with contextlib.suppress(SnapshotError, OSError):
        _check(path, entry)
        return entry
    _write_atomically(path, content)
    return entry


def _write_atomically(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check(path: Path, entry: dict[str, Any]) -> None:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size != entry["bytes"]:
            raise SnapshotError(f"{path}: {size} octets, {entry['bytes']} were written")
        if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
            raise SnapshotError(f"{path}: the content is not what was written")


def _map(path: Path) -> memoryview:
    with path.open("rb") as file:
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
            named |= {entry["name"] for entry in manifest.files.values()}
    for revision in revisions[KEPT:]:
        (folder / f"manifest-{revision:06d}.json").unlink(missing_ok=True)
    for entry in folder.iterdir():
        stale = entry.name.startswith(("rules-", "groups-")) and entry.name not in named
        if stale or (entry.name.startswith(".") and entry.name.endswith(".part")):
            entry.unlink(missing_ok=True)
