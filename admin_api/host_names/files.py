"""Files with host names, read when they change: hosts files, and lease files of DHCP servers by what they look like.

Kea works on several files while it cleans up (kea-lfc): those beside its own are read before it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from admin_api.host_names import dhcpd, kea
from admin_api.host_names.dnsmasq import read_dnsmasq
from admin_api.host_names.found import FoundNames
from admin_api.host_names.hosts import read_hosts
from resolver.errors import MoatdnsError

HOSTS: Final = "hosts"
DHCP: Final = "dhcp"

_CLEANED: Final = ".completed"  # what a clean-up of Kea has made; with it, the other two count no more
_BEING_CLEANED: Final = (".2", ".1")
_BESIDE: Final = (_CLEANED, *_BEING_CLEANED)
_DNSMASQ_LINE = re.compile(rb"(?:\d+|duid) \S")
_FIRST_WORD = re.compile(rb"[A-Za-z-]+")

Read = Callable[[bytes, FoundNames], None]
Signature = tuple[tuple[int, int, int] | None, ...]
"""By file of a path, its inode, size and time of change; None for one that is not there."""


class HostFileError(MoatdnsError):
    """A file with host names that cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class HostFile:
    """A file of the config. `kind` is HOSTS or DHCP."""

    kind: str
    path: str

    def signature(self) -> Signature:
        """Facts that change whenever the file does."""
        beside = [self.path + suffix for suffix in _BESIDE] if self.kind == DHCP else []
        return tuple(map(_facts, (self.path, *beside)))

    def read(self, *, most: int, most_bytes: int) -> FoundNames:
        """The names in the file. Raises HostFileError where there are none to be had."""
        content = _content(self.path, most_bytes)
        found = FoundNames(most)
        if self.kind == HOSTS:
            read_hosts(content, found)
            return found
        content = _whole_lines(content)
        read = _reader_of(content)
        if read is kea.read_kea:
            for path in _kea_files_before(self.path):
                read(_whole_lines(_content(path, most_bytes)), found)
        if read is not None:
            read(content, found)
        return found


def _facts(path: str) -> tuple[int, int, int] | None:
    try:
        facts = Path(path).stat()
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _content(path: str, most_bytes: int) -> bytes:
    try:
        # Never waits: a pipe that nobody writes to is no file.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        raise HostFileError(f"cannot be read: {why}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise HostFileError("is not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise HostFileError(f"cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if len(content) > most_bytes:
        raise HostFileError(f"is larger than {most_bytes >> 20} MiB: raise clients.host_names.max_mib")
    return content


def _whole_lines(content: bytes) -> bytes:
    """The content without a last line that is still being written."""
    return content[: content.rfind(b"\n") + 1]


def _reader_of(content: bytes) -> Read | None:
    """The reader for a lease file; None for an empty one. Raises HostFileError for what is none."""
    line = next((line for line in content.splitlines() if line.strip() and not line.startswith(b"#")), None)
    if line is None:
        return None
    if line.startswith(kea.HEAD):
        return kea.read_kea
    word = _FIRST_WORD.match(line)
    if word is not None and word[0] in dhcpd.FIRST_WORDS:
        return dhcpd.read_dhcpd
    if _DNSMASQ_LINE.match(line):
        return read_dnsmasq
    raise HostFileError("is no lease file of dnsmasq, ISC dhcpd or Kea (memfile)")


def _kea_files_before(path: str) -> list[str]:
    """The files that Kea itself reads before its lease file, in its order."""
    if Path(path + _CLEANED).exists():
        return [path + _CLEANED]
    return [path + suffix for suffix in _BEING_CLEANED if Path(path + suffix).exists()]
