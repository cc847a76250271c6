"""Giving up root: what has to be done as root is done, and all the rest is done as an ordinary user."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from moatdns.supervisor.state_dir import prepare
from resolver.errors import MoatdnsError
from resolver.system.privileges import Account, name_of


def become(account: Account, state_dir: Path) -> None:
    """Be that user from now on, in this process and all that it starts. Raises MoatdnsError.

    What root has left in a state directory of its own becomes the user's: the files of starts before `user` was set.
    """
    prepare(state_dir, account)
    try:
        account.take_over()
    except OSError as error:
        raise MoatdnsError(f"user: cannot become {account.name!r}: {error.strerror or error}") from error
    if not os.access(sys.executable, os.R_OK | os.X_OK):
        raise MoatdnsError(
            f"user: {account.name!r} may not run {sys.executable}, which starts the workers: install moatdns "
            "where that user may read it, in /opt/moatdns for example"
        )
    if not os.access(state_dir, os.R_OK | os.W_OK | os.X_OK):
        raise MoatdnsError(
            f"state_dir: {state_dir} cannot be written by user {account.name!r}: give it to that user "
            f"('chown -R {account.name} {state_dir}'), and let that user access the folders above"
        )


@contextlib.contextmanager
def acting_as(account: Account | None) -> Iterator[None]:
    """Have the kernel judge what is opened within by that user's rights, and leave root's aside. None: as ever."""
    if account is None:
        yield
        return
    group = os.getegid()
    os.setegid(account.gid)
    os.seteuid(account.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)


def check_config_file(path: Path | None, account: Account | None) -> list[str]:
    """Whether a config that root acts on is root's word; gives notes for the admin.

    Raises MoatdnsError where the user who is to serve, or anybody, can write it: it says what root gives to whom.
    """
    if path is None:
        return []
    for place in dict.fromkeys((path.absolute(), path.resolve())):
        for one in (place, *place.parents):
            try:
                facts = one.stat()
            except OSError:
                continue  # it was read a moment ago: the reading tells
            if (whose := _writer(facts, account)) is not None:
                raise MoatdnsError(
                    f"{one} can be written by {whose}, who could control root by the config: give it to root "
                    f"('chown root {one}; chmod go-w {one}')"
                )
    facts = path.stat()
    if account is None and facts.st_uid != 0:
        return [f"{path} belongs to {name_of(facts.st_uid)}, who thus controls moatdns as root: set user"]
    return []


def _writer(facts: os.stat_result, account: Account | None) -> str | None:
    """The writer that must not be one: the account, or anybody. In a sticky folder only an owner replaces a file."""
    if stat.S_ISDIR(facts.st_mode) and facts.st_mode & stat.S_ISVTX:
        return None
    if facts.st_mode & stat.S_IWOTH:
        return "everybody"
    if account is None:
        return None
    groups = os.getgrouplist(account.name, account.gid)
    if facts.st_uid == account.uid or (facts.st_mode & stat.S_IWGRP and facts.st_gid in groups and facts.st_gid):
        return f"user {account.name!r}"
    return None
