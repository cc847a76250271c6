"""Giving up root: what has to be done as root is done, and all the rest is done as an ordinary user."""

from __future__ import annotations

import os
import pwd
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from resolver.errors import MoatdnsError


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine."""

    name: str
    uid: int
    gid: int

    @classmethod
    def named(cls, name: str) -> Account:
        """The user of that name. Raises MoatdnsError."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            raise MoatdnsError(
                f"user: there is no user {name!r} on this machine; make one ('useradd --system {name}') or name another"
            ) from None
        if entry.pw_uid == 0:
            raise MoatdnsError(f"user: {name!r} is root itself: name an ordinary user")
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid)


def become(account: Account, state_dir: Path) -> None:
    """Be that user from now on, in this process and all that it starts. Raises MoatdnsError.

    What root has left in the state directory becomes the user's: the files of a first start, and of starts before
    `user` was set.
    """
    try:
        _hand_over(state_dir, account)
        os.setgroups([])
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
    except OSError as error:
        raise MoatdnsError(f"user: cannot become {account.name!r}: {error.strerror or error}") from error
    if not os.access(sys.executable, os.R_OK | os.X_OK):
        raise MoatdnsError(
            f"user: {account.name!r} may not run {sys.executable}, which workers are started with: install moatdns "
            "where that user may read it, in /opt/moatdns for example"
        )
    if not os.access(state_dir, os.R_OK | os.W_OK | os.X_OK):
        raise MoatdnsError(
            f"state_dir: {state_dir} cannot be written by user {account.name!r}: give it to that user "
            f"('chown -R {account.name} {state_dir}'), and let it pass the folders above"
        )


def _hand_over(state_dir: Path, account: Account) -> None:
    """Give root's files below a folder to a user, by descriptors.

    The folder may have been that user's before: a link planted there must not make us give away what it leads to. So
    links are not followed, and a file that has a second name stays whose it is.
    """
    for _, _, files, folder in os.fwalk(state_dir, follow_symlinks=False):
        _give(folder, account)
        for name in files:
            try:
                one = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            except OSError:  # a link, a socket, or gone
                continue
            try:
                _give(one, account)
            finally:
                os.close(one)


def _give(descriptor: int, account: Account) -> None:
    facts = os.fstat(descriptor)
    is_plain = stat.S_ISDIR(facts.st_mode) or (stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1)
    if facts.st_uid == 0 and is_plain:
        os.fchown(descriptor, account.uid, account.gid)
