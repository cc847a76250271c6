"""A million source addresses: no metric, no table and no row of the statistics grows with them.

A trusted proxy names them one after the other (PROXY, version 2), each with a query; some come by themselves, from
addresses of the loopback network. The policy blocks half of what they ask for, so that each address is worth a row.
"""

from __future__ import annotations

import itertools
import socket
import sqlite3
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil

from admin_api.store.engine import FILE
from prove.figures import Figure, at_most, exactly, told
from prove.queries import query
from prove.service import Service
from prove.upstream import Upstream
from resolver.wire.proxy_header import SIGNATURE

WHAT = "a million source addresses, and what is counted of them"
_WORKERS = 2
_SOCKETS = 16  # as many ports, so that both workers are asked
_AT_ONCE = 32  # queries in flight on one of them
_PATIENCE_SECONDS = 5.0
_FIRST = int.from_bytes(bytes((10, 0, 0, 0)), "big")  # of the addresses that the proxy names
_QUERIES = [query("open.example")[1], query("blocked.example")[1]]
_MOST_SERIES = 1000
_MOST_ROWS = 10_000  # of clients, in a minute
_MOST_WORKER_MIB = 96  # clients, twice (remembered, and their rates), and a file of counters
_MOST_LATER_MIB = 32  # of the control process, once as many addresses as come between two folds have been seen
_MOST_STATE_MIB = 256
_MINUTE = 60
_WARMING = 2000  # addresses, asked before the memory is looked at


@dataclass(frozen=True, slots=True)
class ManySourcesEffort:
    """Size of a run: the full one, or a short look."""

    by_proxy: int  # addresses
    by_themselves: int


FULL = ManySourcesEffort(by_proxy=970_000, by_themselves=30_000)
SHORT = ManySourcesEffort(by_proxy=4_000, by_themselves=200)


def run(effort: ManySourcesEffort, folder: Path) -> list[Figure]:
    """Ask from all of them, once."""
    with Upstream(folder / "upstream") as upstream:
        config = {
            "workers": _WORKERS,
            "clients": {"allow": ["10.0.0.0/8", "127.0.0.0/8"], "trusted_proxies": ["127.0.0.1/32"],
                        "queries_per_second": 1000},
            "upstream": {"servers": [upstream.server]},
        }  # fmt: skip
        with Service(folder / "moatdns", config, block=["blocked.example"], with_api=True) as service:
            warmed = _ask_by_proxy(service.port, range(_WARMING))
            before = _Memory(service)
            began = time.monotonic()
            half = effort.by_proxy // 2
            answered = _ask_by_proxy(service.port, range(half))
            halfway = _Memory(service)
            answered += _ask_by_proxy(service.port, range(half, effort.by_proxy))
            answered += _ask_from(service.port, effort.by_themselves)
            seconds = time.monotonic() - began
            after = _Memory(service)
            metrics = service.api.call("GET", "/metrics").body
            summary = service.api.get("stats/summary")
            counts = service.counts()
            troubles = len(service.troubles)
        rows = _most_rows_of_clients(service.state_dir)
        state_mib = sum(file.stat().st_blocks * 512 for file in service.state_dir.rglob("*") if file.is_file()) / 2**20
    addresses = effort.by_proxy + effort.by_themselves
    series = [line for line in metrics.splitlines() if line and not line.startswith("#")]
    return [
        told("addresses that asked", addresses),
        told("in", seconds, "s"),
        exactly("not answered", addresses - answered, 0),
        exactly("answered, less those in the statistics", answered + warmed - summary["queries"], 0),
        at_most("series on /metrics", len(series), _MOST_SERIES),
        exactly("– that name an address, the upstream's aside", sum(map(_names_an_address, series)), 0),
        told("a worker has remembered anew: limits.clients", counts.get("clients", 0)),
        at_most("rows about clients in one minute of the statistics, most", rows, _MOST_ROWS + 1),
        at_most("a worker's memory grows by, most", after.worker - before.worker, _MOST_WORKER_MIB, "MiB"),
        told("the control process's memory grows by", after.control - before.control, "MiB"),
        at_most(
            "– of it with the second half of the addresses", after.control - halfway.control, _MOST_LATER_MIB, "MiB"
        ),
        at_most("the state directory, at the end", state_mib, _MOST_STATE_MIB, "MiB"),
        exactly("unexpected errors", troubles, 0),
    ]


def _names_an_address(series: str) -> bool:
    return ("127." in series or '"10.' in series) and "udp://127.0.0.1:" not in series


class _Memory:
    """Memory of the fullest worker and of the control process, in MiB."""

    def __init__(self, service: Service) -> None:
        self.worker = max(service.worker_mib())
        control = service.control()
        assert control
        self.control = psutil.Process(control.pid).memory_full_info().uss / 2**20


def _proxied(number: int) -> bytes:
    addresses = struct.pack("!IIHH", _FIRST + number, 0x7F000001, 1024 + number % 60000, 53)
    return SIGNATURE + b"\x21\x12" + len(addresses).to_bytes(2, "big") + addresses + _QUERIES[number % 2]


def _ask_by_proxy(port: int, numbers: Iterable[int]) -> int:
    """Ask for each address, some at a time; how many were answered."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(_SOCKETS)]
    answered = 0
    packets = map(_proxied, numbers)
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
            one.connect(("127.0.0.1", port))
            one.settimeout(_PATIENCE_SECONDS)
        for sent in _rounds(packets, sockets):
            for one, count in sent:
                answered += _answers(one, count)
    finally:
        for one in sockets:
            one.close()
    return answered


def _rounds(packets: Iterator[bytes], sockets: list[socket.socket]) -> Iterator[list[tuple[socket.socket, int]]]:
    """Send some over each socket, again and again; gives how many went over which."""
    while True:
        sent = []
        for one in sockets:
            some = list(itertools.islice(packets, _AT_ONCE))
            for packet in some:
                one.send(packet)
            if some:
                sent.append((one, len(some)))
        if not sent:
            return
        yield sent


def _answers(one: socket.socket, count: int) -> int:
    for number in range(count):
        try:
            one.recv(4096)
        except TimeoutError:
            return number
    return count


def _ask_from(port: int, count: int) -> int:
    """Ask from so many addresses of the loopback network; how many were answered."""
    answered = 0
    for number in range(count):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind((f"127.{1 + number // 65536}.{number // 256 % 256}.{number % 256}", 0))
            one.connect(("127.0.0.1", port))
            one.send(_QUERIES[number % 2])
            one.settimeout(_PATIENCE_SECONDS)
            answered += _answers(one, 1)
    return answered


def _most_rows_of_clients(state_dir: Path) -> int:
    store = state_dir / FILE
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        found = connection.execute(
            "SELECT count(DISTINCT key) FROM stats_rollup"
            " WHERE dimension = 'client' AND period_seconds = ? GROUP BY at",
            (_MINUTE,),
        )
        return max((int(count) for (count,) in found), default=0)
