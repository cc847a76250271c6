"""Preparation of the service's own process before it serves: file descriptors, the state directory, the user."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from moatdns.plan import Ground
from moatdns.supervisor.privileges import acting_as, become, check_config_file
from moatdns.supervisor.state_dir import prepare
from resolver.errors import MoatdnsError
from resolver.system import placing
from resolver.system.privileges import Account
from resolver.system.state_files import open_own, sweep


@contextlib.contextmanager
def held_state(state_dir: Path) -> Iterator[None]:
    """Hold the state directory for this process. Raises MoatdnsError when another one has it."""
    path = state_dir / "moatdns.lock"
    try:
        lock = os.fdopen(open_own(path, os.O_RDWR | os.O_CREAT), "r+b", buffering=0)
    except OSError as error:
        raise MoatdnsError(f"state_dir: {path}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = lock.read(20).decode("ascii", "replace").strip()
            raise MoatdnsError(
                f"state_dir: {state_dir} is in use by another moatdns (pid {holder or 'unknown'}); "
                "give this one a separate folder"
            ) from None
        lock.truncate(0)
        lock.write(b"%d\n" % os.getpid())
        finish_restore(state_dir)
        _sweep(state_dir)
        yield


def _sweep(state_dir: Path) -> None:
    """Remove half-written files of processes that were killed, in the state directory and its folders."""
    sweep(state_dir)
    with contextlib.suppress(OSError):  # of a folder that cannot be read, whoever needs it tells
        for path in state_dir.iterdir():
            if path.is_dir() and not path.is_symlink() and not placing.is_of_restoring(path.name):
                sweep(path)


def finish_restore(state_dir: Path) -> None:
    """Put in place what a restore had decided on when it was killed. Raises MoatdnsError."""
    if (state_dir / placing.READY).exists():
        try:
            placing.finish(state_dir)
        except OSError as error:
            raise MoatdnsError(
                f"state_dir: a restore in {state_dir} cannot be finished: {error.filename}: {error.strerror}"
            ) from error


class Ownership:
    """As whom this process works: whom it is to become, if it was started as root, and what it may be told by then."""

    def __init__(self, path: Path | None, ground: Ground) -> None:
        """For a config file, None for the built-in defaults. Raises MoatdnsError where the user is none."""
        self._is_root = os.geteuid() == 0
        self.account = Account.named(ground.user) if self._is_root and ground.user is not None else None
        self._state_dir = ground.state_dir
        self.notes: list[str] = []
        if self._is_root:
            self.notes += check_config_file(path, self.account)
            if self.account is None:
                self.notes.append("moatdns runs as root: set user, or start it as an ordinary user (deploy/systemd)")

    @contextlib.contextmanager
    def held_state(self) -> Iterator[None]:
        """Make the state directory ready, and hold it. Raises MoatdnsError."""
        self.notes += prepare(self._state_dir, self.account)
        with contextlib.ExitStack() as held:
            with acting_as(self.account):
                held.enter_context(held_state(self._state_dir))
            yield

    def give_up_root(self) -> None:
        """Be an ordinary user from here on, if there is one to be. Raises MoatdnsError."""
        if self.account is not None:
            become(self.account, self._state_dir)
