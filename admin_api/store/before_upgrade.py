"""The copy of SQLite's file that is kept before its tables are migrated, for the way back to the version before.

One file a revision, ``before-upgrade-0009-moatdns.sqlite`` of tables that were 0009; the newest two stay. Where the
disk has no room for it, the migration goes on without: that the service starts counts more.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Final

from resolver.system.state_files import open_own, sync_folder
from resolver.telemetry.log import Log

MOST_COPIES: Final = 2

_PREFIX = "before-upgrade-"
_SPARE_OCTETS = 64 << 20  # that the disk has left beside the copy


def copy_of(file: Path, version: str) -> Path:
    """The path of the copy of that revision."""
    return file.with_name(f"{_PREFIX}{version}-{file.name}")


def keep_copy(file: Path, version: str, log: Log) -> None:
    """Copy the store, whole or not at all, and remove copies beyond the newest. Never fails."""
    copy = copy_of(file, version)
    part = copy.with_name(f".{copy.name}.part")
    try:
        octets = sum(one.stat().st_size for one in (file, file.with_name(f"{file.name}-wal")) if one.exists())
        if shutil.disk_usage(file.parent).free < octets + _SPARE_OCTETS:
            log.warning("the store is upgraded without a copy: the disk has no room for it", file=str(copy))
            return
        part.unlink(missing_ok=True)
        os.close(open_own(part, os.O_RDWR | os.O_CREAT | os.O_EXCL))
        _copy(file, part)
        part.replace(copy)
        sync_folder(file.parent)
        kept = sorted(file.parent.glob(f"{_PREFIX}*-{file.name}"), key=lambda path: path.stat().st_mtime)
        for old in kept[:-MOST_COPIES]:
            old.unlink(missing_ok=True)
    except (OSError, sqlite3.Error) as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        log.warning("the store is upgraded without a copy", file=str(copy), why=str(error))
    else:
        log.info("a copy of the store is kept for the way back", file=str(copy))


def _copy(file: Path, to: Path) -> None:
    source, target = sqlite3.connect(file), sqlite3.connect(to)
    with contextlib.closing(source), contextlib.closing(target):
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
    descriptor = os.open(to, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
