"""Days whose file was damaged: set aside beside a new one, within the log's bounds, until they are removed."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from admin_api.query_log import files

_SUFFIX: Final = ".damaged"
_DAMAGE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_damage(error: Exception) -> bool:
    """Whether the file is no database, or one whose pages contradict each other."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGE


def set_aside(folder: Path, day: str) -> None:
    """Give a day's file another name, with what SQLite keeps beside it. Raises OSError.

    A write-ahead log that stayed would be played into the new file.
    """
    path = files.path_of(folder, day)
    _shared_memory(path).unlink(missing_ok=True)
    path.replace(path.with_suffix(_SUFFIX))
    beside = _write_ahead(path)
    if beside.exists():
        beside.replace(_write_ahead(path.with_suffix(_SUFFIX)))
    else:
        _write_ahead(path.with_suffix(_SUFFIX)).unlink(missing_ok=True)  # of one that was set aside before


def days_aside(folder: Path) -> list[str]:
    """The days of which a file was set aside, the newest first."""
    if not folder.is_dir():
        return []
    found = {path.name.partition(_SUFFIX)[0] for path in folder.glob(f"*{_SUFFIX}*")}
    return sorted(filter(files.is_day, found), reverse=True)


def size_aside(folder: Path, day: str) -> int:
    """Octets that a day's file takes that was set aside."""
    path = files.path_of(folder, day).with_suffix(_SUFFIX)
    return sum(one.stat().st_size for one in (path, _write_ahead(path)) if one.exists())


def remove_aside(folder: Path, day: str) -> None:
    """Remove a day's file that was set aside."""
    path = files.path_of(folder, day).with_suffix(_SUFFIX)
    for one in (path, _write_ahead(path), _shared_memory(path)):
        one.unlink(missing_ok=True)


def _write_ahead(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _shared_memory(path: Path) -> Path:
    return path.with_name(f"{path.name}-shm")
