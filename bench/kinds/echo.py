"""The floor: a C program that sends every datagram back. It blocks and forwards nothing."""

from __future__ import annotations

from pathlib import Path

from bench.building import built
from bench.kinds.job import Job, Server
from bench.ways import Ports

ECHO = "echo"
_LACKS = dict.fromkeys(("tcp", "dot", "doh", "doh-get"), "answers datagrams only")


def server() -> Server:
    """bench/c/echo.c, compiled into the folder of its turn."""
    return Server(ECHO, ECHO, _command, lacks=_LACKS)


def _command(job: Job, ports: Ports, folder: Path) -> list[str]:
    return [str(built("echo", folder)), str(ports.do53)]
