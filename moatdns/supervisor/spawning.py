"""Start of the nursery's interpreter. It imports next to nothing, so that one can load while the supervisor does."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys

WORKER_MODULE = "resolver.worker"

# Words of a service manager to the supervisor alone (moatdns.supervisor.service_manager).
_NOT_FOR_CHILDREN = ("NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC")


class Spawned:
    """An interpreter that becomes the nursery, and our ends of its two sockets: its channel, and for descriptors."""

    def __init__(self) -> None:
        """Start it. Raises OSError."""
        raise_file_limit()
        self.channel, channel = socket.socketpair()
        self.passing, passing = socket.socketpair()
        try:
            with channel, passing:
                self.process = subprocess.Popen(  # noqa: S603 (ourselves)
                    # -P: never code of the folder that we happen to be started in
                    [sys.executable, "-P", "-m", WORKER_MODULE, str(channel.fileno()), str(passing.fileno())],
                    pass_fds=(channel.fileno(), passing.fileno()),
                    stdin=subprocess.DEVNULL,
                    env={name: value for name, value in os.environ.items() if name not in _NOT_FOR_CHILDREN},
                )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close our ends."""
        self.channel.close()
        self.passing.close()

    def end(self) -> None:
        """End it at once, unless it has ended."""
        self.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def spawned_early() -> Spawned | None:
    """The nursery's interpreter before the supervisor knows anything, where it will not be another user's.

    None for root, who gives up what he is first; and where none can be started, which is told later.
    """
    if os.geteuid() == 0:
        return None
    try:
        return Spawned()
    except OSError:
        return None


def raise_file_limit() -> None:
    """Use all file descriptors that we may: clients' connections must not starve the upstreams' sockets."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
