"""What the service manager hands us and is told, over real sockets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from moatdns.supervisor.service_manager import ServiceManager

PID = 4711


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(str(tmp_path / "notify"))
        one.settimeout(5)
        yield one


def manager(listener: socket.socket, **more: str) -> ServiceManager:
    return ServiceManager({"NOTIFY_SOCKET": listener.getsockname(), **more}, PID)


def test_it_is_told_that_we_serve_reload_and_stop(listener: socket.socket) -> None:
    systemd = manager(listener)
    systemd.ready("serving policy 7")
    assert listener.recv(1000) == b"READY=1\nSTATUS=serving policy 7"
    systemd.reloading()
    assert listener.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    systemd.alive()
    assert listener.recv(1000) == b"WATCHDOG=1"
    systemd.stopping()
    assert listener.recv(1000).startswith(b"STOPPING=1\n")


def test_an_abstract_address_is_one_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.bind(f"\0moatdns-test-{os.getpid()}")
        one.settimeout(5)
        ServiceManager({"NOTIFY_SOCKET": f"@moatdns-test-{os.getpid()}"}, PID).alive()
        assert one.recv(1000) == b"WATCHDOG=1"


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "not an address"])
def test_a_manager_that_does_not_listen_stops_nothing(address: str) -> None:
    ServiceManager({"NOTIFY_SOCKET": address}, PID).ready("serving")


def test_no_child_takes_its_words_for_its_own(listener: socket.socket) -> None:
    environ = {
        "NOTIFY_SOCKET": listener.getsockname(),
        "LISTEN_PID": str(PID),
        "LISTEN_FDS": "2",
        "LISTEN_FDNAMES": "a:b",
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(PID),
        "PATH": "/bin",
    }
    ServiceManager(environ, PID)
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PID)}, 30),
        ({"WATCHDOG_USEC": "30000000"}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0),
        ({"WATCHDOG_USEC": "soon"}, 0),
        ({}, 0),
    ],
)
def test_its_watchdog_is_ours_only_if_it_says_so(environ: dict[str, str], seconds: float) -> None:
    assert ServiceManager(environ, PID).watchdog_seconds == seconds


@pytest.mark.parametrize("environ", [{"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_PID": str(PID)}, {}])
def test_sockets_for_others_are_left_alone(environ: dict[str, str]) -> None:
    assert ServiceManager(environ, PID).take_sockets() == []


_CHILD = """
import os
from moatdns.supervisor.service_manager import of_this_process
os.environ["LISTEN_PID"] = str(os.getpid())
manager = of_this_process()
taken = manager.take_sockets()
print([(one.getsockname()[1], one.type.name, one.get_inheritable(), one.getblocking()) for one in taken])
print(manager.take_sockets())
"""


def test_sockets_that_were_handed_over_are_taken_once(tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as streams,
        (tmp_path / "no socket").open("w") as other,
    ):
        for one in (datagrams, streams):
            one.bind(("127.0.0.1", 0))
        streams.listen()
        handed = (datagrams.fileno(), streams.fileno(), other.fileno())

        # As systemd does it: from 3 on, in order. First out of the way, since they may be 3, 4 or 5 themselves.
        moved = [os.dup(fd) for fd in handed]
        shell = " ".join(f"{3 + n}<&{fd}" for n, fd in enumerate(moved))
        found = subprocess.run(
            ["bash", "-c", f'exec "$0" -c "$1" {shell}', sys.executable, _CHILD],
            pass_fds=moved,
            env={**os.environ, "LISTEN_FDS": "3"},
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        ).stdout.splitlines()
        for fd in moved:
            os.close(fd)
        assert found == [
            str(
                [
                    (datagrams.getsockname()[1], "SOCK_DGRAM", False, False),
                    (streams.getsockname()[1], "SOCK_STREAM", False, False),
                ]
            ),
            "[]",
        ]
