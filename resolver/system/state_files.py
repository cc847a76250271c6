"""Files and folders of the state directory: opened without following links, ours alone, whole or not there.

Every place that reads or writes a file below `state_dir` by its name does it here. What was planted there (a link, a
file of another user, a pipe) is refused with an error that says so, and never read, truncated or written to.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

FOLDER_MODE = 0o700
FILE_MODE = 0o600
_OTHERS = 0o077  # permissions of group and others
_PART = ".part"
_LINK = "is a symbolic link, which is not followed: remove it"


class NotOursError(OSError):
    """Something in the place of a file or folder of ours. `strerror` says what it is, and how to mend it."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(errno.EPERM, what, str(path))


def make_folder(folder: Path) -> None:
    """Have a folder that is ours alone, with those above it. Raises OSError, NotOursError for a link."""
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    if stat.S_ISLNK(folder.lstat().st_mode):
        raise NotOursError(folder, _LINK)


def open_own(path: Path, flags: int) -> int:
    """A descriptor of a regular file that is ours; what `O_CREAT` makes has mode 0600. Raises OSError.

    A file that others may read is taken back from them where it is ours: files of earlier versions were.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, FILE_MODE)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotOursError(path, _LINK) from error
        if error.errno == errno.ENXIO:  # a pipe that nobody reads, a socket
            raise NotOursError(path, "is not a regular file: remove it") from error
        raise
    try:
        _check(descriptor, path, writes=flags & os.O_ACCMODE != os.O_RDONLY)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _check(descriptor: int, path: Path, *, writes: bool) -> None:
    facts = os.fstat(descriptor)
    if stat.S_ISLNK(facts.st_mode):
        raise NotOursError(path, _LINK)
    if not stat.S_ISREG(facts.st_mode):
        raise NotOursError(path, "is not a regular file: remove it")
    if facts.st_uid not in (0, os.geteuid()):
        raise NotOursError(
            path, f"belongs to the user with the id {facts.st_uid}: give it to the user of moatdns, or remove it"
        )
    if not writes and facts.st_mode & stat.S_IWOTH:
        raise NotOursError(
            path, f"can be written by everybody: remove it, or remove that permission ('chmod o-w {path}')"
        )
    if writes and facts.st_nlink != 1:
        raise NotOursError(path, "has a second name (a hard link), which would change with it: remove it")
    if writes and facts.st_mode & _OTHERS and facts.st_uid == os.geteuid():
        Path(f"/proc/self/fd/{descriptor}").chmod(stat.S_IMODE(facts.st_mode) & ~_OTHERS)  # also one of O_PATH


@contextlib.contextmanager
def reading(path: Path) -> Iterator[BufferedReader]:
    """A file of ours, to be read. Raises OSError."""
    with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
        yield file


def read_own(path: Path) -> bytes:
    """All that is in a file of ours. Raises OSError."""
    with reading(path) as file:
        return file.read()


@contextlib.contextmanager
def writing_whole(path: Path, *, exclusive: bool = False) -> Iterator[BinaryIO]:
    """A file that has its name once all is written and synced, and else leaves no trace. Raises OSError.

    It takes the place of whatever had the name (a link too, not of what that leads to); with `exclusive`, of nothing:
    FileExistsError.
    """
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}{_PART}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if exclusive:
            os.link(temporary, path, follow_symlinks=False)
            temporary.unlink()
        else:
            temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)  # on a full disk every octet counts
        raise
    sync_folder(path.parent)


def sweep(folder: Path) -> None:
    """Remove what killed writers have left in a folder: half-written files, of secrets too. Nobody may be writing."""
    with contextlib.suppress(OSError):  # to be told where it is read or written: nothing depends on what is left
        for left in folder.glob(f".*{_PART}"):
            with contextlib.suppress(OSError):
                left.unlink()


def write_whole(path: Path, content: bytes, *, exclusive: bool = False) -> None:
    """Write a file whole or not at all, as `writing_whole` does. Raises OSError."""
    with writing_whole(path, exclusive=exclusive) as file:
        file.write(content)


def check_own(*paths: Path) -> None:
    """Refuse what is there and not ours, before somebody else (SQLite) opens it by name. Raises OSError.

    No file is opened for it (O_PATH): closing one would end all locks that this process has on it, SQLite's as well.
    """
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            _check_unopened(path)


def have_own(path: Path) -> None:
    """Have a file that is ours, made with mode 0600 if need be, for SQLite to open by name. Raises OSError."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE))
    except FileExistsError:
        _check_unopened(path)


def _check_unopened(path: Path) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _check(descriptor, path, writes=True)
        if not os.access(f"/proc/self/fd/{descriptor}", os.R_OK | os.W_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Have a folder's names on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
