"""The service manager that started us (systemd), if one did: it hands us sockets, and is told how we are.

Both go by the environment, as sd_listen_fds(3) and sd_notify(3) have it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping

from resolver.system.safe_text import visible

_FIRST_HANDED = 3  # SD_LISTEN_FDS_START
_MOST_HANDED = 1024


class ServiceManager:
    """Takes its words out of the environment, so that no child takes them for its own."""

    def __init__(self, environ: MutableMapping[str, str], pid: int) -> None:
        self._address = environ.pop("NOTIFY_SOCKET", "")
        own = environ.pop("LISTEN_PID", "") == str(pid)
        count = environ.pop("LISTEN_FDS", "")
        environ.pop("LISTEN_FDNAMES", None)
        self._handed = min(int(count), _MOST_HANDED) if own and count.isdecimal() else 0
        watched = environ.pop("WATCHDOG_PID", str(pid)) == str(pid)
        within = environ.pop("WATCHDOG_USEC", "")
        self.watchdog_seconds = int(within) / 1e6 if watched and within.isdecimal() else 0.0
        """How often it wants a sign of life at least; 0: it wants none."""

    def take_sockets(self) -> list[socket.socket]:
        """The sockets that it has opened for us, which are the caller's from now on."""
        sockets = []
        for descriptor in range(_FIRST_HANDED, _FIRST_HANDED + self._handed):
            with contextlib.suppress(OSError):  # not a socket: a unit may hand us anything
                sockets.append(socket.socket(fileno=descriptor))
        self._handed = 0
        for one in sockets:
            one.set_inheritable(False)
            one.setblocking(False)
        return sockets

    def ready(self, status: str) -> None:
        """We serve."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """We read the config anew; `ready` ends that."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """We finish what is in flight, and end."""
        self._tell("STOPPING=1", "STATUS=finishing queries in flight")

    def alive(self) -> None:
        """A sign of life, for its watchdog."""
        self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with (
            contextlib.suppress(OSError),  # it is gone, or does not read: that must not keep us from serving
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel,
        ):
            channel.sendto("\n".join(visible(line) for line in lines).encode(), address)


def of_this_process() -> ServiceManager:
    """The one that started this process, perhaps nobody."""
    return ServiceManager(os.environ, os.getpid())
