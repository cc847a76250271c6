"""The load over UDP, by bench/c/load.c: from many client addresses, saturating or at a steady rate."""

from __future__ import annotations

import functools
import ipaddress
import json
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.building import built
from bench.errors import BenchError
from bench.load import Load
from bench.queries import Asked, encode

OUTSTANDING = 150  # so that the server under it is never idle; of 200, Linux's usual receive buffer drops some
MOST_CLIENTS = 1000
GROUPS = 8
_SPARE_SECONDS = 15.0
_CLIENTS_A_BLOCK = 250


@dataclass(frozen=True, slots=True)
class Latency:
    """How long answers took, in microseconds, until the kernel had them at the client's socket."""

    p50: float
    p99: float
    p999: float
    late_p99: float  # how far behind its schedule the load was: beyond some 100 µs, the machine was too busy


def network_of(group: int) -> str:
    """The network of a group's clients."""
    return f"127.{group + 1}.0.0/16"


def address_of(client: int) -> str:
    """A client's address: clients are in the groups by turns."""
    number = client // GROUPS
    return f"127.{client % GROUPS + 1}.{number // _CLIENTS_A_BLOCK}.{number % _CLIENTS_A_BLOCK + 1}"


def write_queries(path: Path, queries: Iterable[Asked]) -> None:
    """Write load.c's file; its sockets are the clients up to the highest that asks."""
    records = bytearray()
    clients = 0
    for asked in queries:
        octets = encode(asked)
        records += len(octets).to_bytes(2, "big") + asked.client.to_bytes(2, "big") + octets
        clients = max(clients, asked.client + 1)
    addresses = (ipaddress.IPv4Address(address_of(client)).packed for client in range(clients))
    path.write_bytes(clients.to_bytes(4, "big") + b"".join(addresses) + records)


def saturate(port: int, queries: Path, seconds: float, *, once: bool = False) -> Load:
    """Keep OUTSTANDING queries on their way for so many seconds; with `once`, only until each was asked."""
    return _run(port, queries, seconds, OUTSTANDING, 0, once=once)[0]


def at_rate(port: int, queries: Path, seconds: float, per_second: int) -> tuple[Load, Latency]:
    """Ask so many a second at random moments, whatever comes back."""
    load, found = _run(port, queries, seconds, 0, per_second, once=False)
    return load, Latency(**{name: found[name] for name in Latency.__slots__})


def _run(
    port: int, queries: Path, seconds: float, outstanding: int, rate: int, *, once: bool
) -> tuple[Load, dict[str, float]]:
    program = str(built("load", _folder()))
    numbers = (f"{seconds:g}", str(outstanding), str(rate), str(int(once)))
    command = [program, str(port), str(queries), *numbers]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + _SPARE_SECONDS)
    if done.returncode:
        raise BenchError(f"the load ended with status {done.returncode}: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    return Load(found["sent"], found["answered"], found["failed"], found["lost"], found["seconds"]), found


@functools.cache
def _folder() -> Path:
    """Where this process has its programs; removed when it ends."""
    holder = tempfile.TemporaryDirectory(prefix="moatdns-bench-")
    _HELD.append(holder)
    return Path(holder.name)


_HELD: list[tempfile.TemporaryDirectory[str]] = []
