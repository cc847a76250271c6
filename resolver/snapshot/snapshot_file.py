"""Compiled policies on disk: write, check, map, keep the last good ones. What is in them is the policy's business.

A snapshot is a *manifest* that names immutable files by the hash of their content: one or more layers of rules, each
over those before it, the groups, and local names where the policy has any::

    state/snapshots/manifest-000012.json
    state/snapshots/rules-5f0c….trie   rules-5f0c….ids   rules-5f0c….sets   groups-91ab….json   local-07d2….json

Files that a new policy shares with an old one are not written again. Every file is written beside its place, synced
and renamed, the manifest last: a crash leaves the old snapshot in force. Opening one checks every length and hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import marisa_trie

from resolver.errors import SnapshotError
from resolver.policy.compiled_format import FORMAT
from resolver.policy.compiler import CompiledRules, load_layer, load_policy
from resolver.policy.rule_layer import RuleLayer
from resolver.policy.snapshot import PolicyMemory, PolicySnapshot
from resolver.snapshot.local_file import read_local
from resolver.snapshot.manifests import (
    MALFORMED,
    FileEntry,
    LayerFiles,
    Manifest,
    Origin,
    check_file,
    checksum_of,
    read_manifest,
    revisions_in,
)
from resolver.system.state_files import make_folder, read_own, reading, write_whole
from resolver.wire.local_records import NO_LOCAL_NAMES, PolicyLocalNames

KEPT = 3  # manifests kept, the newest among them
_UNNAMED_SECONDS = 600.0  # a file that no manifest names may belong to one that is still being written


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


def write_manifest(
    folder: Path, layers: Sequence[LayerFiles], groups: bytes, origin: Origin, local: bytes = b""
) -> Manifest:
    """Write a policy of layers that are on disk as the next revision. Raises SnapshotError."""
    with _told(folder):
        body = {
            "format": FORMAT,
            "byteorder": sys.byteorder,
            "created_at": time.time(),
            "origin": asdict(origin),
            "layers": [asdict(layer) for layer in layers],
            "groups": asdict(_write_content(folder, "groups", "json", groups)),
            "local": asdict(_write_content(folder, "local", "json", local)) if local else None,
        }
        path = _write_next(folder, body)
    _remove_old(folder)
    return read_manifest(path)


def _write_next(folder: Path, body: Mapping[str, object]) -> Path:
    """Write a manifest under the next free number; another process may be writing one as well."""
    while True:
        numbered = {**body, "revision": max(revisions_in(folder), default=0) + 1}
        path = folder / f"manifest-{numbered['revision']:06d}.json"
        content = json.dumps({**numbered, "checksum": checksum_of(numbered)}, indent=1).encode()
        with contextlib.suppress(FileExistsError):
            write_whole(path, content, exclusive=True)
            return path


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SnapshotError(f"cannot write the compiled policy to {folder}: {error.strerror}") from error


def open_snapshot(
    manifest: Manifest,
    *,
    check: bool = True,
    like: PolicySnapshot | None = None,
    memory: PolicyMemory | None = None,
) -> PolicySnapshot:
    """Map a snapshot's files. Raises SnapshotError when any of them is not as it was written.

    `check` reads every octet; leave it out only where another process of the same start has just done so. Layers that
    the snapshot `like` has open already are taken from there.
    """
    folder = manifest.path.parent
    try:
        layers = open_layers(folder, manifest.layers, check=check, like=like)
        groups = folder / manifest.groups.name
        if check:
            check_file(groups, manifest.groups)
        local = _open_local(folder, manifest.local, check=check, like=like)
        return load_policy(manifest.revision, layers, read_own(groups), local, memory)
    except OSError as error:
        raise SnapshotError(f"{manifest.path}: {error.filename or ''}: {error.strerror or error}") from error
    except (*MALFORMED, StopIteration, MemoryError) as error:
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
    except (*MALFORMED, StopIteration, MemoryError) as error:
        raise SnapshotError(f"{folder}: a layer cannot be read: {error}") from error


def _open_local(folder: Path, entry: FileEntry | None, *, check: bool, like: PolicySnapshot | None) -> PolicyLocalNames:
    if entry is None:
        return NO_LOCAL_NAMES
    if like is not None and like.local.digest == entry.sha256:
        return like.local
    if check:
        check_file(folder / entry.name, entry)
    return read_local(read_own(folder / entry.name))


def _open_layer(folder: Path, files: LayerFiles, *, check: bool) -> RuleLayer:
    trie, ids, sets = (folder / entry.name for entry in files.entries)
    if check:
        for path, entry in zip((trie, ids, sets), files.entries, strict=True):
            check_file(path, entry)
    return load_layer(marisa_trie.BinaryTrie().mmap(str(trie)), _map(ids), read_own(sets), files.content)


def last_good(folder: Path) -> tuple[PolicySnapshot, Manifest, list[str]]:
    """The newest snapshot that is whole, its manifest, and what was wrong with newer ones.

    Raises SnapshotError when there is none.
    """
    refused: list[str] = []
    for revision in sorted(revisions_in(folder), reverse=True):
        try:
            manifest = read_manifest(folder / f"manifest-{revision:06d}.json")
            return open_snapshot(manifest), manifest, refused
        except SnapshotError as error:
            refused.append(str(error))
    raise SnapshotError("\n".join(refused) if refused else f"no compiled policy in {folder}")


def _write_content(folder: Path, stem: str, suffix: str, content: bytes) -> FileEntry:
    digest = hashlib.sha256(content).hexdigest()
    name = f"{stem}-{digest[:16]}.{suffix}"
    entry = FileEntry(name, digest, len(content))
    path = folder / name
    with contextlib.suppress(SnapshotError, OSError):
        check_file(path, entry)
        os.utime(path)  # named again soon
        return entry
    write_whole(path, content)
    return entry


def _map(path: Path) -> memoryview:
    with reading(path) as file:
        if os.fstat(file.fileno()).st_size == 0:
            return memoryview(b"")  # an empty file cannot be mapped
        return memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))


def _remove_old(folder: Path) -> None:
    """Remove all but the newest manifests, and files that none of those names. What is mapped lives until unmapped."""
    revisions = sorted(revisions_in(folder), reverse=True)
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
        is_ours = path.name.startswith(("rules-", "groups-", "local-")) and path.name not in named
        if is_ours or (path.name.startswith(".") and path.name.endswith(".part")):
            with contextlib.suppress(FileNotFoundError):
                # What was touched since its manifest was written is about to be named again.
                if path.stat().st_mtime < max(old, unnamed.get(path.name, 0.0)):
                    path.unlink()
