"""Errors of SQLite that are none a moment later."""

from __future__ import annotations

import sqlite3

_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT}


def passes(error: sqlite3.Error) -> bool:
    """Whether it would be no error a moment later."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _PASSING
