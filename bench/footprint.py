"""Memory of each server after a load, and the time from its start to its first answer, with what it keeps on disk."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.arithmetic import Spread, spread
from bench.ask import addresses
from bench.datagrams import saturate, write_queries
from bench.errors import BenchError
from bench.kinds.job import Job, Server
from bench.kinds.ours import MOATDNS
from bench.measure import Effort, Say, settle
from bench.memory import tree_mib
from bench.queries import Asked, encode
from bench.servers import free_ports, process_of, running_stub
from bench.workloads import Workload

_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.002
_LOAD_SECONDS = 0.5
_NOBODY = 65534
# Root's rights to open ports cost moatdns a process at the start: it is an unprivileged one that is timed. Reading is
# allowed, since the interpreter may lie in root's home.
_UNPRIVILEGED = (
    *("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--"),
)


@dataclass(frozen=True, slots=True)
class Footprint:
    """One server's."""

    server: str
    mib: float  # of all its processes (PSS), after a load
    first_answer: Spread  # seconds, of starts after the first
    unprivileged: bool


def measure_footprints(
    servers: Sequence[Server], workload: Workload, effort: Effort, folder: Path, say: Say
) -> tuple[list[Footprint], dict[str, str]]:
    """Memory and start of each server with the names of a workload as its rules; and who is missing, and why."""
    found: list[Footprint] = []
    missing: dict[str, str] = {}
    (folder / "stub").mkdir(parents=True)
    write_queries(folder / "queries", workload.queries())
    with running_stub(folder / "stub") as stub:
        job = Job(workload.catalogue, workload.listed, stub.ports.do53)
        for number, server in enumerate(servers):
            say(f"memory and start of {server.name}")
            own = folder / str(number)
            own.mkdir()
            try:
                found.append(_measured(server, job, workload, effort.rounds, own, folder / "queries", say))
            except BenchError as error:
                missing[server.name] = str(error)
                say(str(error))
    return found, missing


def _measured(
    server: Server, job: Job, workload: Workload, starts: int, folder: Path, queries: Path, say: Say
) -> Footprint:
    ports = free_ports()
    command = server.command(job, ports, folder)
    unprivileged = server.program == MOATDNS and os.geteuid() == 0 and shutil.which("setpriv") is not None
    if unprivileged:
        command = [*_UNPRIVILEGED, *command]
        for path in (folder, *folder.rglob("*")):
            os.chown(path, _NOBODY, _NOBODY)
        folder.parent.parent.chmod(0o755)  # the temporary folder of this run
    blocked = workload.blocked[0]
    with process_of(server.name, command, folder) as process:  # moatdns compiles its first snapshot
        _first_answer(server, ports.do53, blocked)
        settle([process.pid], say)
    seconds = []
    for number in range(starts):
        began = time.monotonic()
        with process_of(server.name, command, folder) as process:
            _first_answer(server, ports.do53, blocked)
            seconds.append(time.monotonic() - began)
            if addresses(ports.do53, blocked) != workload.expected(Asked(blocked)):
                raise BenchError(f"{server.name} does not block {blocked} right after its start")
            if number == starts - 1:
                saturate(ports.do53, queries, _LOAD_SECONDS)
                settle([process.pid], say)
                mib = tree_mib(process.pid)
    own_user = unprivileged or os.geteuid() != 0
    return Footprint(server.name, mib, spread(seconds), own_user)


def _first_answer(server: Server, port: int, name: str) -> None:
    """Ask until an answer comes."""
    query = encode(Asked(name), 1)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(_POLL_SECONDS)
        while time.monotonic() < deadline:
            try:
                client.send(query)
                client.recv(512)
            except TimeoutError:
                continue
            except ConnectionRefusedError:
                time.sleep(_POLL_SECONDS)
            else:
                return
    raise BenchError(f"{server.name} did not answer within {_PATIENCE_SECONDS:g} s")
