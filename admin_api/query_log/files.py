"""The query log's files: one a day, of blocks as workers packed them, or as days of earlier versions have it, of rows.

A block's row in the table `blocks` says of what time it is, so that a search passes it over. A logged query has an id:
that of its block, and its place in it; whatever was written later has a higher one. Older versions kept a row a query
in the table `queries`, with lower ids. Their days are read; a version that knows no blocks passes over days of ours,
and its rows may stand beside our blocks.
"""

from __future__ import annotations

import os
import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

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
"""Columns that a search finds of a query; `at` is in Unix seconds, `grp` is the group."""

PLACE_BITS: Final = 12
"""Low bits of an id, for the place in the block."""
MOST_PLACE: Final = (1 << PLACE_BITS) - 1
FIRST_BLOCK: Final = 1 << 30
"""Lowest id of a block: ids of queries in blocks are above all those of rows."""
FIRST_IN_BLOCKS: Final = FIRST_BLOCK << PLACE_BITS

_BESIDE = ("-wal", "-shm")  # what SQLite keeps beside a file
_WAIT_SECONDS = 0.05  # of a reader, for a lock: nobody holds one for long
_PAGE_BYTES = 2048  # a block takes some thousand octets: of larger pages more would be left empty
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_BLOCKS = """CREATE TABLE IF NOT EXISTS blocks (
  id INTEGER PRIMARY KEY, oldest INTEGER NOT NULL, newest INTEGER NOT NULL, count INTEGER NOT NULL,
  packed BLOB NOT NULL)"""
_BY_TIME = "CREATE INDEX IF NOT EXISTS blocks_by_time ON blocks (newest, oldest)"


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
    """A day's file, made if need be, with a table of blocks. Raises sqlite3.Error, OSError."""
    make_folder(folder)
    path = path_of(folder, day)
    os.close(open_own(path, os.O_RDWR | os.O_CREAT))
    check_own(*(Path(f"{path}{suffix}") for suffix in _BESIDE))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA secure_delete=ON")  # else what a tail was before is still there
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_BLOCKS)
        connection.execute(_BY_TIME)
        connection.execute("COMMIT")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def open_to_read(folder: Path, day: str) -> sqlite3.Connection:
    """A day's file. Raises sqlite3.Error."""
    path = path_of(folder, day)
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False, timeout=_WAIT_SECONDS)


def tables(connection: sqlite3.Connection) -> set[str]:
    """The tables that a day has: `blocks`, `queries`, or both. Raises sqlite3.Error."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def last_id(connection: sqlite3.Connection) -> int:
    """The highest id; 0 where there are no queries. Raises sqlite3.Error."""
    found = tables(connection)
    if "blocks" in found:
        last = connection.execute("SELECT id, count FROM blocks ORDER BY id DESC LIMIT 1").fetchone()
        if last is not None:
            return int(last[0]) << PLACE_BITS | int(last[1]) - 1
    if "queries" in found:
        (row,) = connection.execute("SELECT max(id) FROM queries").fetchone()
        return int(row or 0)
    return 0


def remove(folder: Path, day: str) -> None:
    """Remove a day's file, and what SQLite keeps beside it."""
    for suffix in ("", *_BESIDE):
        Path(f"{path_of(folder, day)}{suffix}").unlink(missing_ok=True)


def size(folder: Path, day: str) -> int:
    """Octets that a day takes."""
    paths = (Path(f"{path_of(folder, day)}{suffix}") for suffix in ("", "-wal"))
    return sum(path.stat().st_size for path in paths if path.exists())
