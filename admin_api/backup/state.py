"""Files of the state directory that belong to a backup, and those that do not.

What is there by an unknown name belongs to it, so that a later version's keys are not forgotten. What follows from the
rest does not: compiled policies, the plan of the last start. Journals are kept to be looked at, and not restored:
exemptions would count by them before anybody confirms them. The key that signs evidence is left out, too: beside
`audit.key` it would let whoever has a backup make both a trail and its signed heads. So are the secrets of pseudonyms,
which are to be gone with the last row of their period.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from admin_api.backup.container import BackupWriter, is_good_name
from admin_api.backup.errors import BackupError
from admin_api.query_log import files as query_log
from admin_api.signed.keys import MADE
from admin_api.store.engine import FILE
from resolver.config.file_policy import CONTENTS
from resolver.config.settings import COUNTERS
from resolver.snapshot.journal_places import FOLDER as SUBJECTS
from resolver.snapshot.journal_places import newest
from resolver.snapshot.manifests import SNAPSHOTS
from resolver.system.placing import is_of_restoring
from resolver.system.state_files import reading
from resolver.telemetry.pseudonyms import SECRETS_FILE

PREFIX: Final = "state/"
"""Begin of these parts' names: ``state/audit.key``."""
JOURNALS: Final = "journals/"
"""Begin of journals' names: they are not restored."""

_DERIVED = frozenset({SNAPSHOTS, SUBJECTS, "boot.json", "moatdns.lock", "lost+found"})
_NOT_COPIED = frozenset({SECRETS_FILE})  # a copy would outlive the rows whose pseudonyms it resolves
_APART = frozenset({CONTENTS, COUNTERS, query_log.FOLDER})  # read at their own moments
_ASIDE = re.compile(r"lost-|before-|\.|.*\.part\Z")
_WORK = ".backup-"  # folders of copies that are being made
_DEEP = 4  # folders below each other


def is_kept(name: str) -> bool:
    """Whether an entry of the state directory belongs to a backup."""
    is_store = name.startswith(FILE)
    return not (is_store or name in _DERIVED or name in _NOT_COPIED or _ASIDE.match(name) or is_of_restoring(name))


def add_files(writer: BackupWriter, state_dir: Path, signing_key: Path) -> list[str]:
    """Add keys, heads, the catalogue in force, and whatever else is there; gives notes of what is left out.

    `signing_key` is the file whose key signs evidence: it is left out wherever it is.
    """
    notes: list[str] = []
    for entry in sorted(path.name for path in state_dir.iterdir()):
        if is_kept(entry) and entry not in _APART:
            _add(writer, state_dir / entry, _Leaves(state_dir, signing_key, notes), _DEEP)
    journal = newest(state_dir)
    if journal is not None:
        _copy(writer, journal, f"{JOURNALS}{journal.name}")
    return notes


def add_contents(writer: BackupWriter, state_dir: Path, done: set[str]) -> None:
    """Add the lists' content files that are not `done` yet, and note them there."""
    with contextlib.suppress(FileNotFoundError):
        for path in sorted((state_dir / CONTENTS).glob("*.rules")):
            if path.name not in done and _copy(writer, path, f"{PREFIX}{CONTENTS}/{path.name}"):
                done.add(path.name)


def add_counters(writer: BackupWriter, state_dir: Path) -> None:
    """Add the workers' counts: what was not folded yet is folded when they are restored."""
    with contextlib.suppress(FileNotFoundError):
        for path in sorted((state_dir / COUNTERS).iterdir()):
            if not _ASIDE.match(path.name):
                _copy(writer, path, f"{PREFIX}{COUNTERS}/{path.name}")


def add_query_log(writer: BackupWriter, state_dir: Path, told: Callable[[str], None]) -> None:
    """Add the days of the query log, each as one whole file. Raises BackupError."""
    folder = state_dir / query_log.FOLDER
    _sweep(state_dir)
    for day in sorted(query_log.days(folder)):
        told(f"query log of {day}")
        with work_folder(state_dir) as work:
            copy = work / "day"
            try:
                _copied_day(folder, day, copy)
            except sqlite3.Error as error:
                if query_log.path_of(folder, day).exists():
                    raise BackupError(f"the query log of {day} cannot be copied: {error}") from error
                continue  # its time was over meanwhile
            with copy.open("rb") as file:
                writer.add_file(f"{PREFIX}{query_log.FOLDER}/{day}.sqlite", file, copy.stat().st_size)


@contextlib.contextmanager
def work_folder(state_dir: Path) -> Iterator[Path]:
    """A folder for a copy, which no other backup takes for one that was left: it is locked."""
    while True:
        work = Path(tempfile.mkdtemp(prefix=_WORK, dir=state_dir))
        descriptor = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not work.exists():  # another backup was quicker: it took this for one that was left
                continue
            yield work
            return
        finally:
            shutil.rmtree(work, ignore_errors=True)
            os.close(descriptor)


def _sweep(state_dir: Path) -> None:
    """Remove what killed backups have left."""
    for left in state_dir.glob(f"{_WORK}*"):
        with contextlib.suppress(OSError):
            descriptor = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(descriptor)


def _copied_day(folder: Path, day: str, copy: Path) -> None:
    source, target = query_log.open_to_read(folder, day), sqlite3.connect(copy)
    with contextlib.closing(source), contextlib.closing(target):
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")


@dataclass(frozen=True, slots=True)
class _Leaves:
    """Below which folder files are added, which of them never is, and notes of what was left out."""

    state_dir: Path
    signing_key: Path
    notes: list[str]

    def is_signing_key(self, path: Path) -> bool:
        """Whether a file is that key, by the name that it has there or in the config."""
        return path == self.state_dir / MADE or os.path.realpath(path) == os.path.realpath(self.signing_key)


def _add(writer: BackupWriter, path: Path, leaves: _Leaves, deep: int) -> None:
    name = str(path.relative_to(leaves.state_dir))
    if leaves.is_signing_key(path):
        leaves.notes.append(f"{name}, the key that signs evidence, is left out: save it apart from backups")
        return
    try:
        facts = path.lstat()
    except FileNotFoundError:  # gone meanwhile
        return
    if stat.S_ISDIR(facts.st_mode) and deep:
        for below in sorted(one.name for one in path.iterdir()):
            if not _ASIDE.match(below):
                _add(writer, path / below, leaves, deep - 1)
    elif stat.S_ISREG(facts.st_mode) and is_good_name(name):
        _copy(writer, path, f"{PREFIX}{name}")
    else:
        leaves.notes.append(f"{name} is no plain file, and is left out")


def _copy(writer: BackupWriter, path: Path, name: str) -> bool:
    """Add a file; False where it is gone by now. Raises BackupError where it cannot be read."""
    with contextlib.ExitStack() as opened:
        try:
            file = opened.enter_context(reading(path))
        except FileNotFoundError:
            return False
        except OSError as error:
            raise BackupError(f"{path} cannot be read: {error.strerror}") from error
        writer.add_file(name, file, os.fstat(file.fileno()).st_size)
    return True
