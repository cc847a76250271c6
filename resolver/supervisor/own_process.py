"""What the service does to its own process before it serves: file descriptors, the state directory, the user."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
from collections.abc import Iterator
from pathlib import Path

from resolver.errors import MoatdnsError
from resolver.plan import Plan
from resolver.supervisor.privileges import Account, become


def raise_file_limit() -> None:
    """Use all file descriptors that we may: clients' connections must not starve the upstreams' sockets."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextlib.contextmanager
def held_state(state_dir: Path) -> Iterator[None]:
    """Hold the state directory for this process. Raises MoatdnsError when another one has it."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = (state_dir / "moatdns.lock").open("a+", encoding="ascii")
    except OSError as error:
        raise MoatdnsError(f"state_dir: {state_dir}: {error.strerror}; choose a folder that can be written") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise MoatdnsError(
                f"state_dir: {state_dir} is in use by another moatdns (pid {lock.read().strip() or 'unknown'}); "
                "give this one a folder of its own"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def give_up_root(plan: Plan) -> list[str]:
    """Be an ordinary user from here on, if there is one to be. Gives notes for the admin. Raises MoatdnsError."""
    if os.geteuid() != 0:
        return []
    if plan.user is None:
        return ["moatdns runs as root: set user, or start it as an ordinary user (deploy/systemd)"]
    become(Account.named(plan.user), plan.state_dir)
    return []
