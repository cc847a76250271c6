"""Heads of the audit trail, noted where whoever changes the store cannot: lines of a file in the state directory.

A line is ``ROW MAC STORE_ID``; lines are only ever added. Beyond MOST_HEADS, every second of the older half goes, for a
head vouches for all rows before it; one whose row is gone from the trail stays, since it is evidence.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from admin_api.store.errors import StoreAway
from resolver.system.state_files import open_own, reading, write_whole

HEAD_FILE: Final = "audit.head"
MOST_HEADS: Final = 2000
_MOST_BYTES = 4 << 20  # that are read of the file


@dataclass(frozen=True, slots=True)
class Head:
    """A row that was the trail's last one; `store_id` is "" where an earlier version noted it."""

    row: int
    mac: str
    store_id: str = ""

    @property
    def pair(self) -> tuple[int, str]:
        """Row and mac."""
        return self.row, self.mac


def read_heads(state_dir: Path) -> list[Head]:
    """All heads of the file, the oldest first; lines that cannot be read are left out. Raises StoreAway."""
    path = state_dir / HEAD_FILE
    try:
        with reading(path) as file:
            text = file.read(_MOST_BYTES).decode("ascii", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:  # without them nobody could say that rows are gone
        raise StoreAway(f"the heads of the audit trail, {path}, cannot be read: {error.strerror}") from error
    return list(_heads(text))


def _heads(text: str) -> Iterator[Head]:
    for line in text.splitlines():
        number, _, rest = line.strip().partition(" ")
        mac, _, store_id = rest.partition(" ")
        if number.isdecimal() and len(number) < 19 and mac:
            yield Head(int(number), mac, store_id.strip())


def append_head(state_dir: Path, head: Head, lost: Collection[tuple[int, str]] = ()) -> None:
    """Add a head, synced; of too many, thin those that are not among the `lost`. Raises OSError, StoreAway."""
    path = state_dir / HEAD_FILE
    descriptor = open_own(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"  # by a loss of power
        file.write((b"\n" if torn else b"") + _line(head))
        os.fsync(descriptor)
    heads = read_heads(state_dir)
    if len(heads) > MOST_HEADS:
        thinned = thin(heads, lost)
        if len(thinned) < len(heads):
            write_heads(state_dir, thinned)


def write_heads(state_dir: Path, heads: Sequence[Head]) -> None:
    """Write the file anew, with these. Raises OSError."""
    write_whole(state_dir / HEAD_FILE, b"".join(map(_line, heads)))


def thin(heads: Sequence[Head], lost: Collection[tuple[int, str]]) -> list[Head]:
    """Without every second of the older half; lost ones, and the first, stay."""
    half = len(heads) // 2
    older = [head for number, head in enumerate(heads[:half]) if number % 2 == 0 or head.pair in lost]
    return [*older, *heads[half:]]


def _line(head: Head) -> bytes:
    return f"{head.row} {head.mac} {head.store_id}".rstrip().encode() + b"\n"
