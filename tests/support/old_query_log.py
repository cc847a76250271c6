"""Query log as versions before blocks wrote it: a row a query, and of what time each run of rows is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from admin_api.query_log import files
from admin_api.query_log.row_search import SPAN_BITS

_TABLE = """CREATE TABLE IF NOT EXISTS queries (
  id INTEGER PRIMARY KEY, at REAL NOT NULL, client TEXT, grp TEXT, name TEXT NOT NULL, type TEXT, rcode TEXT,
  verdict TEXT NOT NULL, service TEXT, list TEXT, rule TEXT, exemption TEXT, protocol TEXT NOT NULL,
  duration_ms REAL NOT NULL, remark TEXT)"""
_SPANS = "CREATE TABLE IF NOT EXISTS spans (block INTEGER PRIMARY KEY, oldest REAL NOT NULL, newest REAL NOT NULL)"
_INSERT = f"INSERT INTO queries ({','.join(files.COLUMNS)}) VALUES ({','.join('?' * len(files.COLUMNS))})"


def add_old_rows(folder: Path, day: str, rows: Iterable[Sequence[Any]]) -> None:
    """Write rows into a day, each as files.COLUMNS says, with or without the remark."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(files.path_of(folder, day), isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_TABLE)
        connection.execute(_SPANS)
        connection.executemany(_INSERT, (row if len(row) == len(files.COLUMNS) else (*row, None) for row in rows))
        connection.execute("DELETE FROM spans")
        spans = "INSERT INTO spans SELECT id >> ?, min(at), max(at) FROM queries GROUP BY 1"
        connection.execute(spans, [SPAN_BITS])
        connection.execute("COMMIT")
