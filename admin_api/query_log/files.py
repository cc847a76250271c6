"""The query log's files: one a day, of the queries and of what time each block of them is about.

Rows are only ever added, and have ascending ids. No column has an index: a row would cost several times as much to
write, and a million rows are looked through in a tenth of a second.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from resolver.system.state_files import check_own, make_folder, open_own

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
    "remark",
)
"""As the events have them, but for the remark, which they have before the duration, where there is one; `at` is in Unix
seconds, `grp` is the group."""

BLOCK_BITS: Final = 14
"""Rows whose ids are the same but for so many low bits make a block."""

_BESIDE = ("-wal", "-shm")  # what SQLite keeps beside a file
_WAIT_SECONDS = 0.05  # of a reader, for a lock: nobody holds one for long
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_TABLE = """CREATE TABLE IF NOT EXISTS queries (
  id INTEGER PRIMARY KEY, at REAL NOT NULL, client TEXT, grp TEXT, name TEXT NOT NULL, type TEXT, rcode TEXT,
  verdict TEXT NOT NULL, service TEXT, list TEXT, rule TEXT, exemption TEXT, protocol TEXT NOT NULL,
  duration_ms REAL NOT NULL, remark TEXT)"""
_ADD_REMARK = "ALTER TABLE queries ADD COLUMN remark TEXT"
_SPANS = "CREATE TABLE spans (block INTEGER PRIMARY KEY, oldest REAL NOT NULL, newest REAL NOT NULL)"
_SPANS_SO_FAR = "INSERT INTO spans SELECT id >> ?, min(at), max(at) FROM queries GROUP BY 1"
_INSERT = f"INSERT INTO queries ({','.join(COLUMNS)}) VALUES ({','.join('?' * len(COLUMNS))})"  # noqa: S608 (names of ours)
_SPAN = """INSERT INTO spans VALUES (?, ?, ?) ON CONFLICT (block) DO UPDATE SET
  oldest = min(oldest, excluded.oldest), newest = max(newest, excluded.newest)"""


def days(folder: Path) -> list[str]:
    """The days that there are files of, the newest first."""
    if not folder.is_dir():
        return []
    return sorted((path.stem for path in folder.glob("*.sqlite") if _DAY.match(path.stem)), reverse=True)


def day_of(at: float) -> str:
    """The day (UTC) of a Unix time."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def path_of(folder: Path, day: str) -> Path:
    """A day's file."""
    return folder / f"{day}.sqlite"


def open_to_write(folder: Path, day: str) -> sqlite3.Connection:
    """A day's file, made if need be. Raises sqlite3.Error, OSError."""
    make_folder(folder)
    path = path_of(folder, day)
    os.close(open_own(path, os.O_RDWR | os.O_CREAT))
    check_own(*(Path(f"{path}{suffix}") for suffix in _BESIDE))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_TABLE)
        if lacks_remark(connection):  # a version without them has begun the day
            connection.execute(_ADD_REMARK)
        if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'spans'").fetchone() is None:
            connection.execute(_SPANS)
            connection.execute(_SPANS_SO_FAR, [BLOCK_BITS])  # what a version without spans has written
        connection.execute("COMMIT")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def ids(connection: sqlite3.Connection) -> tuple[int, int]:
    """The first and the last id; (0, 0) where there are none. Raises sqlite3.Error."""
    # Both in one SELECT would look through all rows: SQLite finds one end of a table at once, not two.
    first, last = connection.execute("SELECT (SELECT min(id) FROM queries), (SELECT max(id) FROM queries)").fetchone()
    return first or 0, last or 0


def add(connection: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Add rows, each as COLUMNS says, or without the remark, in one transaction.

    Raises sqlite3.Error; then none is added.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(_INSERT, (row if len(row) == len(COLUMNS) else (*row, None) for row in rows))
        _, last = ids(connection)
        first = last - len(rows) + 1
        for block in range(first >> BLOCK_BITS, (last >> BLOCK_BITS) + 1):
            begin, end = block << BLOCK_BITS, (block + 1) << BLOCK_BITS
            times = [row[0] for row in rows[max(0, begin - first) : end - first]]
            connection.execute(_SPAN, (block, min(times), max(times)))
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def lacks_remark(connection: sqlite3.Connection) -> bool:
    """Whether a version that knew of no remarks made the file. Raises sqlite3.Error."""
    return all(row[1] != COLUMNS[-1] for row in connection.execute("PRAGMA table_info(queries)"))


def open_to_read(folder: Path, day: str) -> sqlite3.Connection:
    """A day's file. Raises sqlite3.Error."""
    path = path_of(folder, day)
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False, timeout=_WAIT_SECONDS)


def remove(folder: Path, day: str) -> None:
    """Remove a day's file, and what SQLite keeps beside it."""
    for suffix in ("", *_BESIDE):
        Path(f"{path_of(folder, day)}{suffix}").unlink(missing_ok=True)


def size(folder: Path, day: str) -> int:
    """Octets that a day takes."""
    paths = (Path(f"{path_of(folder, day)}{suffix}") for suffix in ("", "-wal"))
    return sum(path.stat().st_size for path in paths if path.exists())
