"""The state directory, before anything in it is read or written: made, checked, and ours alone.

As root, every folder on the way is opened by its parent's descriptor. A link is followed only where nobody but root
could have put it; and what is given to a user is a folder that the config names, with what root itself has left in it.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from resolver.errors import MoatdnsError
from resolver.system.privileges import Account, name_of
from resolver.system.state_files import FOLDER_MODE, NotOursError

_MOST_LINKS = 40  # as the kernel has it
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS = 0o077
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDERS = ("snapshots", "lists", "catalogue", "subjects", "counters", "query-log")
_FILES = (
    *("moatdns.lock", "moatdns.sqlite", "audit.key", "audit.head", "admin.token", "boot.json"),
    *("cookie.secret", "pseudonyms.secret"),
)
_OURS = frozenset((*_FOLDERS, *_FILES))
_NOBODYS = frozenset(("lost+found",))  # of a volume of its own


def prepare(state_dir: Path, account: Account | None) -> list[str]:
    """Have the state directory, for `account` where root is to become that user. Raises MoatdnsError.

    Gives notes for the admin.
    """
    try:
        if os.geteuid() == 0:
            return _prepare_as_root(state_dir, account)
        state_dir.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        descriptor = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _close_to_others(descriptor)
        finally:
            os.close(descriptor)
        if not os.access(state_dir, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise MoatdnsError(
            f"state_dir: {state_dir} cannot be used: {error.filename or state_dir}: {error.strerror}; set state_dir to "
            f"a folder that user {name_of(os.geteuid())!r} can write (default: 'state' beside the config file)"
        ) from error
    return []


def is_roots_alone(folder: Path) -> bool:
    """Whether nobody but root can change what is in a folder, or put another in its place. Raises OSError."""
    descriptor, is_guarded = _open(folder, make=False)
    try:
        facts = os.fstat(descriptor)
        return is_guarded and facts.st_uid == 0 and not facts.st_mode & _OTHERS_WRITE
    finally:
        os.close(descriptor)


def owner_of(state_dir: Path) -> int | None:
    """The id of the user whose folder it is; None where there is none yet. Raises OSError for a planted link."""
    try:
        descriptor, _ = _open(state_dir, make=False)
    except FileNotFoundError:
        return None
    try:
        return os.fstat(descriptor).st_uid
    finally:
        os.close(descriptor)


def _prepare_as_root(state_dir: Path, account: Account | None) -> list[str]:
    descriptor, _ = _open(state_dir, make=True)
    try:
        owner = os.fstat(descriptor).st_uid
        if account is None and owner != 0:
            raise MoatdnsError(
                f"state_dir: {state_dir} belongs to {name_of(owner)}, and moatdns would work in it as root: set "
                f"user: {name_of(owner)}, or give the folder to root ('chown -R root {state_dir}')"
            )
        if account is not None and owner not in (0, account.uid):
            raise MoatdnsError(
                f"state_dir: {state_dir} belongs to {name_of(owner)}, neither to root nor to {account.name!r}, the "
                f"configured user: give it to that user ('chown -R {account.name} {state_dir}'), or name another folder"
            )
        notes = []
        if account is not None and owner == 0:
            _check_it_is_ours(descriptor, state_dir)
            _hand_over(descriptor, account)
        elif account is not None and (left := _of_root(descriptor)):
            notes.append(
                f"state_dir: {', '.join(left)} in {state_dir} {'belongs' if len(left) == 1 else 'belong'} to root, and "
                f"may be out of reach for {account.name!r}: 'chown -R {account.name} {state_dir}'"
            )
        _close_to_others(descriptor)
        return notes
    finally:
        os.close(descriptor)


def _open(path: Path, *, make: bool) -> tuple[int, bool]:
    """A descriptor of a folder, and whether nobody but root could have put another one there. Raises OSError."""
    links = 0
    is_guarded = True
    todo = list(reversed(path.absolute().parts[1:]))
    here = os.open("/", _FLAGS)
    try:
        while todo:
            name = todo.pop()
            is_safe = _only_root_puts(here, name)
            is_guarded = is_guarded and is_safe
            try:
                facts = os.stat(name, dir_fd=here, follow_symlinks=False)
            except FileNotFoundError:
                if not make:
                    raise
                os.mkdir(name, 0o755 if todo else FOLDER_MODE, dir_fd=here)
                facts = os.stat(name, dir_fd=here, follow_symlinks=False)
            if stat.S_ISLNK(facts.st_mode):
                links += 1
                target = _target(here, name, path, is_safe=is_safe and links <= _MOST_LINKS)
                if target.is_absolute():
                    os.close(here)
                    here = os.open("/", _FLAGS)
                todo += reversed(target.parts[1:] if target.is_absolute() else target.parts)
                continue
            below = os.open(name, _FLAGS, dir_fd=here)
            os.close(here)
            here = below
    except OSError as error:
        os.close(here)
        error.filename = error.filename or str(path)
        raise
    return here, is_guarded


def _target(folder: int, name: str, path: Path, *, is_safe: bool) -> Path:
    if not is_safe:
        raise NotOursError(path, f"{name!r} is a symbolic link that users other than root could have created")
    return Path(os.readlink(name, dir_fd=folder))


def _only_root_puts(folder: int, name: str) -> bool:
    """Whether only root could have put what has that name in a folder."""
    facts = os.fstat(folder)
    if facts.st_uid != 0:
        return False
    if not facts.st_mode & _OTHERS_WRITE:
        return True
    if not facts.st_mode & stat.S_ISVTX:
        return False
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_uid == 0
    except FileNotFoundError:
        return True


def _check_it_is_ours(descriptor: int, state_dir: Path) -> None:
    """Refuse to give away a folder of root's with other things in it: a slip in the config must not cost /etc."""
    names = set(os.listdir(descriptor)) - _NOBODYS
    if names and not names & _OURS:
        raise MoatdnsError(
            f"state_dir: {state_dir} is root's and holds other things ({min(names)}, for example): it is not given to "
            "another user; choose a folder that is empty, or does not exist yet"
        )


def _hand_over(folder: int, account: Account) -> None:
    """Give a folder of root's, and what root has left in it, to a user, by descriptors.

    Links are not followed, a file that has a second name stays whose it is, and so does all that is in a folder of
    somebody else's. The folder itself is last: until then, that user cannot touch what is in it.
    """
    for _, _, files, here in os.fwalk(".", topdown=False, follow_symlinks=False, dir_fd=folder):
        if os.fstat(here).st_uid != 0:
            continue
        for name in files:
            try:
                one = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
            except OSError:  # a link, a socket, or gone
                continue
            try:
                facts = os.fstat(one)
                if stat.S_ISREG(facts.st_mode) and facts.st_uid == 0 and facts.st_nlink == 1:
                    os.fchown(one, account.uid, account.gid)
            finally:
                os.close(one)
        os.fchown(here, account.uid, account.gid)


def _of_root(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.name not in _NOBODYS and entry.stat(follow_symlinks=False).st_uid == 0
        )


def _close_to_others(folder: int) -> None:
    facts = os.fstat(folder)
    if facts.st_mode & _OTHERS and (facts.st_uid == os.geteuid() or os.geteuid() == 0):
        os.fchmod(folder, FOLDER_MODE)
