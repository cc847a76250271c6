"""The query log's files: one a day, of one table."""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path
from typing import Final

FOLDER: Final = "query-log"
COLUMNS: Final = (
    "at",
    "client",
    "grp",
    "name",
    "type",
    "rcode",
    "verdict",
    "service",
    "list",
    "rule",
    "exemption",
    "protocol",
    "duration_ms",
)
"""As the events have them; `at` is in Unix seconds, `grp` is the group."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_TABLE = """CREATE TABLE IF NOT EXISTS queries (
  id INTEGER PRIMARY KEY, at REAL NOT NULL, client TEXT, grp TEXT, name TEXT NOT NULL, type TEXT, rcode TEXT,
  verdict TEXT NOT NULL, service TEXT, list TEXT, rule TEXT, exemption TEXT, protocol TEXT NOT NULL,
  duration_ms REAL NOT NULL)"""


def days(folder: Path) -> list[str]:
    """The days that there are files of, the newest first."""
    if not folder.is_dir():
        return []
    return sorted((path.stem for path in folder.glob("*.sqlite") if _DAY.match(path.stem)), reverse=True)


def path_of(folder: Path, day: str) -> Path:
    """A day's file."""
    return folder / f"{day}.sqlite"


def open_to_write(folder: Path, day: str) -> sqlite3.Connection:
    """A day's file, made if need be. Raises sqlite3.Error, OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = path_of(folder, day)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(_TABLE)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def open_to_read(folder: Path, day: str) -> sqlite3.Connection:
    """A day's file. Raises sqlite3.Error."""
    return sqlite3.connect(f"file:{path_of(folder, day)}?mode=ro", uri=True, check_same_thread=False)


def remove(folder: Path, day: str) -> None:
    """Remove a day's file, and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path_of(folder, day)}{suffix}").unlink(missing_ok=True)


def size(folder: Path, day: str) -> int:
    """Octets that a day takes."""
    paths = (Path(f"{path_of(folder, day)}{suffix}") for suffix in ("", "-wal"))
    return sum(path.stat().st_size for path in paths if path.exists())
