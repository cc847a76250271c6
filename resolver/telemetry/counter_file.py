"""Counters in a mapped file: what was counted outlives whoever counted it, and is read without asking.

A header, then cells of 64 bits, then the cells' keys (each with its length), in the cells' order. A key is whole before
the number of cells in use is raised, so a reader sees a consistent beginning at any moment. The writer holds a lock on
its file while it lives. One writer; any number of readers.

What is written to has its room on the disk beforehand: a page that the disk has no room for would kill the writer
(SIGBUS). Where there is none, there are no new cells.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
import struct
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from resolver.errors import MoatdnsError
from resolver.system.state_files import make_folder, reading, write_whole

SUFFIX = ".counters"
CELLS = 65_536
KEY_BYTES = 8 << 20
_ROOM_BYTES = 256 << 10  # of keys, taken from the disk at once
_SLACK_BYTES = 4 << 10  # of it; for what comes along with a key that leaves something over to others
_LONGEST_KEY = 0xFFFF
_MAGIC = b"moatcnt1"
_HEADER = struct.Struct("=8sQQQ")  # magic, capacity, cells in use, octets of keys
_USED_AT, _KEYS_AT = 16, 24
_BEGIN = 64  # of the cells
_LENGTH = struct.Struct("=H")


class CounterFileError(MoatdnsError):
    """A counter file that cannot be read."""


class MemoryCells:
    """Cells without a file, for as long as the process lives."""

    def __init__(self) -> None:
        self.cells = memoryview(bytearray(CELLS * 8)).cast("Q")
        self.used = 0  # cells that have a key
        self.keys: list[str] = []  # for a file that takes over

    def intern(self, key: str, *, reserve: int = 0) -> int | None:
        """A new cell for a key, its index; None where fewer than `reserve` and one are free."""
        if self.used + reserve >= CELLS:
            return None
        self.keys.append(key)
        self.used += 1
        return self.used - 1

    @property
    def used_share(self) -> float:
        """Of all there is room for."""
        return self.used / CELLS

    def close(self) -> None:
        """End it."""


class CounterFile(MemoryCells):
    """Cells in a file of their own."""

    def __init__(self, descriptor: int, path: Path) -> None:
        """On a file of the full length; header, cells and the first keys have their room. Raises OSError."""
        self.path = path
        self.used = 0
        self.keys = []  # they are in the file, and take no memory here
        self._descriptor = descriptor
        self._roomy_to = _ROOM_BYTES  # octets of keys that there is room for
        self._map = mmap.mmap(descriptor, _BEGIN + CELLS * 8 + KEY_BYTES)
        self._map[: _HEADER.size] = _HEADER.pack(_MAGIC, CELLS, 0, 0)
        self._whole = memoryview(self._map)
        self.cells = self._whole[_BEGIN : _BEGIN + CELLS * 8].cast("Q")
        self._key_end = 0

    @classmethod
    def create(cls, folder: Path) -> CounterFile:
        """Make a new one. Raises OSError."""
        make_folder(folder)
        name = f"{os.getpid()}-{secrets.token_hex(6)}"
        temporary = folder / f".{name}.part"
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, _BEGIN + CELLS * 8 + KEY_BYTES)  # sparse: keys take room as they come
            os.posix_fallocate(descriptor, 0, _BEGIN + CELLS * 8 + _ROOM_BYTES)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            path = folder / f"{name}{SUFFIX}"
            made = cls(descriptor, path)
            temporary.rename(path)
        except OSError:
            os.close(descriptor)
            temporary.unlink(missing_ok=True)
            raise
        return made

    def intern(self, key: str, *, reserve: int = 0) -> int | None:
        """A new cell for a key, its index; None where fewer than `reserve` and one are free."""
        raw = key.encode()
        end = self._key_end + _LENGTH.size + len(raw)
        free = KEY_BYTES - end
        if self.used + reserve >= CELLS or free < reserve * 128 or len(raw) > _LONGEST_KEY:
            return None
        needed = end + _SLACK_BYTES if reserve else end
        if needed > self._roomy_to and not self._find_room(needed):
            return None
        at = _BEGIN + CELLS * 8 + self._key_end
        self._map[at : at + _LENGTH.size + len(raw)] = _LENGTH.pack(len(raw)) + raw
        self._key_end = end
        self.used += 1
        struct.pack_into("=Q", self._map, _KEYS_AT, end)
        struct.pack_into("=Q", self._map, _USED_AT, self.used)
        return self.used - 1

    def _find_room(self, end: int) -> bool:
        """Have room for keys up to `end`; False where the disk has none."""
        wanted = min(-(-end // _ROOM_BYTES) * _ROOM_BYTES, KEY_BYTES)
        if wanted == self._roomy_to:
            return True
        try:
            os.posix_fallocate(self._descriptor, _BEGIN + CELLS * 8 + self._roomy_to, wanted - self._roomy_to)
        except OSError:
            return False
        self._roomy_to = wanted
        return True

    def take_over(self, other: MemoryCells) -> bool:
        """Take the keys and counts of others into this file, which has none yet, in the same cells.

        False where the disk has no room for them: then the file is gone.
        """
        if any(self.intern(key) is None for key in other.keys):
            self.path.unlink(missing_ok=True)  # before anybody reads half of it
            self.close()
            return False
        count = len(other.keys)
        self.cells[:count] = other.cells[:count]
        return True

    @property
    def used_share(self) -> float:
        """Of all there is room for."""
        return max(self.used / CELLS, self._key_end / KEY_BYTES)

    def close(self) -> None:
        """Let go of it: it is nobody's then, and may be removed once it was read."""
        self.cells.release()
        self._whole.release()
        self._map.close()
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class Reading:
    """A counter file at one moment: values by key's place. `is_live`: its writer still counts.

    `key_end` is where the keys end, in octets from the first: a file only gains keys.
    """

    keys: list[str]
    key_end: int
    values: array[int]
    is_live: bool


def read_counters(path: Path, before: Reading | None = None) -> Reading:
    """Read a file; of one that was read before, the keys that it has gained, which are added to those of `before`.

    Raises CounterFileError, FileNotFoundError.
    """
    with reading(path) as file:
        is_live = not _lock(file.fileno())  # asked first: a writer that ends meanwhile is read again later
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            raise CounterFileError(f"{path}: is too short for counters")
        magic, capacity, used, key_bytes = _HEADER.unpack(header)
        if magic != _MAGIC or capacity != CELLS or used > CELLS or key_bytes > KEY_BYTES:
            raise CounterFileError(f"{path}: holds no counters, or damaged ones")
        keys, key_end = ([], 0) if before is None else (before.keys, before.key_end)
        if len(keys) > used:
            raise CounterFileError(f"{path}: has fewer keys than before")
        if len(keys) < used:
            file.seek(_BEGIN + CELLS * 8 + key_end)
            key_end += _add_keys(keys, file.read(key_bytes - key_end), used, path)
        file.seek(_BEGIN)
        values = array("Q")
        values.frombytes(raw := file.read(used * 8))
        if len(raw) < used * 8:
            raise CounterFileError(f"{path}: is cut off")
        return Reading(keys, key_end, values, is_live)


def rewrite_keys(path: Path, anew: Callable[[str], str]) -> None:
    """Give the cells of a file that nobody counts in other keys, where `anew` gives others for theirs.

    Raises CounterFileError, OSError.
    """
    read = read_counters(path)
    keys = [anew(key) for key in read.keys]
    if keys == read.keys:
        return
    raw = b"".join(_LENGTH.pack(len(octets)) + octets for octets in (key.encode() for key in keys))
    header = _HEADER.pack(_MAGIC, CELLS, len(keys), len(raw)).ljust(_BEGIN, b"\0")
    write_whole(path, header + read.values.tobytes().ljust(CELLS * 8, b"\0") + raw)


def _add_keys(keys: list[str], raw: bytes, used: int, path: Path) -> int:
    """Add keys until there are as many as are in use; gives the octets that they take. Raises CounterFileError."""
    at = 0
    try:
        for _ in range(used - len(keys)):
            (length,) = _LENGTH.unpack_from(raw, at)
            at += _LENGTH.size + length
            keys.append(raw[at - length : at].decode())
    except (struct.error, ValueError) as error:
        raise CounterFileError(f"{path}: its keys are damaged") from error
    if len(raw) < at:
        raise CounterFileError(f"{path}: its keys are cut off")
    return at


def _lock(descriptor: int) -> bool:
    """Whether the file can be locked, since nobody holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
