"""SQLite's file written anew, so that neither a free page nor the write-ahead log has what was removed."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Final

PATIENCE_SECONDS: Final = 20.0
"""How long locks of others, and readers whose snapshots keep the write-ahead log, are waited for."""

_LOOK_SECONDS = 0.2
_SPARE_OCTETS = 64 << 20  # that the disk has left beside the copy and the log of it


def rewrite(file: Path, patience_seconds: float = PATIENCE_SECONDS) -> str | None:
    """Write the file anew and empty its write-ahead log; gives why that is not done, None where it is.

    Whoever reads goes on; nobody else may write meanwhile. Takes time and room by the file's size.
    """
    until = time.monotonic() + patience_seconds
    try:
        octets = file.stat().st_size
        if shutil.disk_usage(file.parent).free < 2 * octets + _SPARE_OCTETS:
            return f"the disk has less than {(2 * octets + _SPARE_OCTETS) >> 20} MiB free, which writing it anew takes"
        with contextlib.closing(sqlite3.connect(file, timeout=patience_seconds, isolation_level=None)) as connection:
            connection.execute("VACUUM")
            while not _emptied(connection):
                if time.monotonic() >= until:
                    return "a reader kept its write-ahead log: erase again behind it"
                time.sleep(_LOOK_SECONDS)
    except (sqlite3.Error, OSError) as error:
        return str(error)
    return None


def _emptied(connection: sqlite3.Connection) -> bool:
    busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return int(busy) == 0
