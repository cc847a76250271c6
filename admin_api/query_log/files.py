"""The query log's files: one a day, of blocks as workers packed them, or as days of earlier versions have it, of rows.

A block's row in the table `blocks` says of what time it is, so that a search passes it over. A logged query has an id:
that of its block, and its place in it; whatever was written later has a higher one. Older versions kept a row a query
in the table `queries`, with lower ids. Their days are read; a version that knows no blocks passes over days of ours,
and its rows may stand beside our blocks.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from resolver.config.settings import QUERY_LOG
from resolver.system.state_files import check_own, have_own, make_folder

FOLDER: Final = QUERY_LOG
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
"""Columns of the rows of older versions; `at` is in Unix seconds, `grp` is the group."""
FOUND: Final = (*COLUMNS, "identity")
"""Columns that a search finds of a query."""

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
_REMOVED = "CREATE TABLE IF NOT EXISTS removed (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL)"


def days(folder: Path) -> list[str]:
    """The days that there are files of, the newest first."""
    if not folder.is_dir():
        return []
    return sorted((path.stem for path in folder.glob("*.sqlite") if is_day(path.stem)), reverse=True)


def is_day(text: str) -> bool:
    """Whether a file's name is that of a day."""
    return _DAY.match(text) is not None


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
    have_own(path)
    connection = _opened(path)
    try:
        connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA secure_delete=ON")  # else what a tail was before is still there
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_BLOCKS)
        connection.execute(_BY_TIME)
        connection.execute(_REMOVED)
        connection.execute("COMMIT")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _opened(path: Path) -> sqlite3.Connection:
    check_own(*(Path(f"{path}{suffix}") for suffix in ("", *_BESIDE)))
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def fold(folder: Path, day: str) -> bool:
    """Have all of a day in its file, and nothing in the write-ahead log, where old states of pages lie.

    False while that cannot be, as a rule because a reader still has an old state.
    """
    path = path_of(folder, day)
    beside = Path(f"{path}-wal")
    try:
        if not beside.exists() or not beside.stat().st_size:
            return True
        with closing(_opened(path)) as connection:
            connection.execute(f"PRAGMA busy_timeout={round(_WAIT_SECONDS * 1000)}")
            (is_busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except (OSError, sqlite3.Error):
        return not path.exists()
    return not is_busy


def open_to_read(folder: Path, day: str) -> sqlite3.Connection:
    """A day's file. Raises sqlite3.Error."""
    path = path_of(folder, day)
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False, timeout=_WAIT_SECONDS)


def tables(connection: sqlite3.Connection) -> set[str]:
    """The tables that a day has: `blocks`, `queries`, or both. Raises sqlite3.Error."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def last_id(connection: sqlite3.Connection) -> int:
    """The highest id, of those that were removed, too; 0 where there were no queries. Raises sqlite3.Error."""
    found = tables(connection)
    last = 0
    if "removed" in found:
        (last,) = connection.execute("SELECT ifnull(max(last), 0) FROM removed").fetchone()
    if "blocks" in found:
        block = connection.execute("SELECT id, count FROM blocks ORDER BY id DESC LIMIT 1").fetchone()
        if block is not None:
            return max(int(last), int(block[0]) << PLACE_BITS | int(block[1]) - 1)
    if "queries" in found:
        (row,) = connection.execute("SELECT max(id) FROM queries").fetchone()
        last = max(last, row or 0)
    return int(last)


def note_last(connection: sqlite3.Connection) -> None:
    """Keep the highest id before queries are removed: what was seen by it is not seen again, nor is it given again.

    In a transaction. Raises sqlite3.Error.
    """
    connection.execute("INSERT OR REPLACE INTO removed (one, last) VALUES (1, ?)", [last_id(connection)])


def remove(folder: Path, day: str) -> None:
    """Remove a day's file, and what SQLite keeps beside it."""
    for suffix in ("", *_BESIDE):
        Path(f"{path_of(folder, day)}{suffix}").unlink(missing_ok=True)


def size(folder: Path, day: str) -> int:
    """Octets that a day takes."""
    paths = (Path(f"{path_of(folder, day)}{suffix}") for suffix in ("", "-wal"))
    return sum(path.stat().st_size for path in paths if path.exists())
