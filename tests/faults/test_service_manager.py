"""Started by a service manager, as systemd does it: with sockets that are open already, and an ear for how it goes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.clients import dig
from tests.support.programs import MOATDNS, end, free_port

PATIENCE_SECONDS = 20.0


class Manager:
    """Opens the ports, starts the service on them, and hears what it says."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.ear.bind(str(folder / "notify"))
        self.ear.settimeout(PATIENCE_SECONDS)
        self.sockets = [self._bound(socket.SOCK_DGRAM), self._bound(socket.SOCK_STREAM)]
        self.config = folder / "moatdns.yaml"
        listen = {"do53": [f"127.0.0.1:{self.port}"]}
        self.config.write_text(yaml.safe_dump({"listen": listen, "admin": {"listen": None}, "workers": 2}))
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def _bound(self, kind: socket.SocketKind) -> socket.socket:
        one = socket.socket(socket.AF_INET, kind)
        one.bind(("127.0.0.1", self.port))
        if kind == socket.SOCK_STREAM:
            one.listen(64)
        return one

    def start(self) -> None:
        moved = [os.dup(one.fileno()) for one in self.sockets]  # out of the way of 3 and 4, which they become
        shell = "export LISTEN_PID=$$; exec " + " ".join(f"{3 + n}<&{fd}" for n, fd in enumerate(moved))
        script = f'{shell} && exec "$0" serve --config "$1"'
        environ = {**os.environ, "LISTEN_FDS": "2", "NOTIFY_SOCKET": self.ear.getsockname(), "WATCHDOG_USEC": "300000"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", script, MOATDNS, str(self.config)], env=environ, pass_fds=moved, stdout=log, stderr=log
            )
        for fd in moved:
            os.close(fd)

    def hears(self, word: str) -> str:
        """Wait for a message that begins so; gives it."""
        while True:
            said = self.ear.recv(4096).decode()
            if said.startswith(word):
                return said

    def stop(self) -> int:
        assert self.process
        return end(self.process)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    one = Manager(tmp_path)
    yield one
    if one.process and one.process.poll() is None:
        one.stop()
    for opened in (*one.sockets, one.ear):
        opened.close()


def test_it_serves_on_the_ports_that_it_is_handed_and_says_how_it_goes(manager: Manager) -> None:
    manager.start()
    assert "serving policy" in manager.hears("READY=1")
    for over_tcp in ((), ("+tcp",)):
        assert dig(manager.port, "claude.ai", *over_tcp).rdata == ["0.0.0.0"]
    manager.hears("WATCHDOG=1")
    assert manager.process
    manager.process.send_signal(signal.SIGHUP)
    assert "MONOTONIC_USEC=" in manager.hears("RELOADING=1")
    manager.hears("READY=1")
    manager.process.send_signal(signal.SIGTERM)
    manager.hears("STOPPING=1")
    assert manager.process.wait(PATIENCE_SECONDS) == 0


def test_queries_wait_in_the_ports_while_it_is_away(manager: Manager) -> None:
    manager.start()
    manager.hears("READY=1")
    assert manager.stop() == 0
    asking = subprocess.Popen(
        ["dig", "@127.0.0.1", "-p", str(manager.port), "+time=15", "+tries=1", "+short", "claude.ai"],
        stdout=subprocess.PIPE,
    )
    manager.start()
    out, _ = asking.communicate(timeout=PATIENCE_SECONDS)
    assert out.decode().split() == ["0.0.0.0"]
