"""Log sinks under load: the collector by HTTP is stopped, slow, killed, has a full disk; rsyslog over TLS is stopped.

Every query is logged. By HTTP each has to arrive, told apart by the ids of its events; DNS has to lose none meanwhile.
"""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from prove.background import Background
from prove.dnsperf import dnsperf
from prove.figures import Figure, at_least, at_most, exactly, told
from prove.queries import write_for_dnsperf
from prove.service import Service
from prove.upstream import Upstream
from tests.support.encrypted import SERVER_NAME, Certificates
from tests.support.log_collector import Collector
from tests.support.programs import free_port, wait_until
from tests.support.rsyslog import Rsyslog

WHAT = "log sinks whose collector is stopped, slow, killed, full"
_NAMES = [*(f"open-{number}.example" for number in range(2_000)), *(f"n{number}.claude.ai" for number in range(400))]
_ARRIVAL_SECONDS = 240.0
_MOST_GROWTH_MIB = 48
_EVENT_ID = re.compile(r'"id":"([^"]+)","duration"')


@dataclass(frozen=True, slots=True)
class LogSinksEffort:
    """Size of a run: the full one, or a short look."""

    queries_per_second: int
    fault_seconds: float
    between_seconds: float


FULL = LogSinksEffort(queries_per_second=5_000, fault_seconds=15.0, between_seconds=5.0)
SHORT = LogSinksEffort(queries_per_second=500, fault_seconds=2.0, between_seconds=0.5)


class _ControlMemory(Background):
    """The most memory of its own that the control process had, in MiB."""

    _PAUSE_SECONDS = 0.25

    def __init__(self, service: Service) -> None:
        super().__init__("memory watch", self._run)
        control = service.control()
        assert control is not None
        self._process = psutil.Process(control.pid)
        self.began = self.mib = self._now()

    def _now(self) -> float:
        return float(self._process.memory_full_info().uss) / 2**20

    def _run(self) -> None:
        while not self._over.wait(self._PAUSE_SECONDS):
            self.mib = max(self.mib, self._now())


def run(effort: LogSinksEffort, folder: Path) -> list[Figure]:
    """All faults, one after the other, under one load."""
    write_for_dnsperf(queries := folder / "queries", _NAMES)
    certificates = Certificates(folder / "certificates")
    collector = Collector(folder / "collector", free_port())
    daemon = Rsyslog(folder / "rsyslog", free_port(), certificates)
    to_rsyslog = {
        "to": f"syslog+tls://127.0.0.1:{daemon.port}",
        "what": ["queries"],
        "tls": {"ca": str(certificates.authority), "server_name": SERVER_NAME},
    }
    by_http = {"to": collector.url, "what": ["queries"], "timeout_seconds": 3}
    with Upstream(folder / "upstream") as upstream, collector, daemon.running() as syslog:
        config = {
            "workers": 2,
            "upstream": {"servers": [upstream.server]},
            "query_log": {"what": "all", "max_mib": 4096},
            "log_sinks": [by_http, to_rsyslog],
        }
        with Service(folder / "moatdns", config, with_api=True) as service:
            api = service.api
            wait_until(lambda: len(list(service.state_dir.glob("log-sinks/*.json"))) == 2, "the sinks have begun")
            behind: list[float] = []
            with _ControlMemory(service) as memory:
                with dnsperf(service.port, queries, effort.queries_per_second) as load:
                    time.sleep(effort.between_seconds)
                    for begin, over in _faults(collector, syslog):
                        begin()
                        time.sleep(effort.fault_seconds)
                        behind.append(max(sink["behind_seconds"] for sink in api.get("log-sinks")["items"]))
                        over()
                        time.sleep(effort.between_seconds)
                assert load.load
                sent, ended = load.load.sent, time.monotonic()
                wait_until(lambda: _lines(collector.taken_file) >= sent, "all rows by HTTP", seconds=_ARRIVAL_SECONDS)
                wait_until(lambda: _lines(daemon.taken) >= sent, "all rows by syslog", seconds=_ARRIVAL_SECONDS)
                arrived = time.monotonic() - ended
                wait_until(lambda: _is_well(api.get("log-sinks")["items"]), "the sinks are well")
            states = api.get("log-sinks")["items"]
            troubles = len(service.troubles)
    ids = [found[1] for line in _text(collector.taken_file) if (found := _EVENT_ID.search(line))]
    syslogged = {json.loads(line.split(" ", 4)[4])["event"]["id"] for line in _text(daemon.taken)}
    return [
        told("queries", sent),
        told("– a second", effort.queries_per_second),
        exactly("– lost", load.load.lost, 0),
        exactly("rows by HTTP, each counted once, less the queries", len(set(ids)) - sent, 0),
        told("– that came twice, when an answer was lost", len(ids) - len(set(ids))),
        exactly("rows by rsyslog over TLS, each counted once, less the queries", len(syslogged) - sent, 0),
        exactly("– other ids than by HTTP", len(syslogged ^ set(ids)), 0),
        exactly("rows dropped", sum(sum(sink["dropped"].values()) for sink in states), 0),
        at_least("furthest that a sink was behind", max(behind), effort.fault_seconds / 2, "s"),
        told("all have arrived after the load's end", arrived, "s"),
        told("memory of the control process before", memory.began, "MiB"),
        at_most("– growth, the most", memory.mib - memory.began, _MOST_GROWTH_MIB, "MiB"),
        exactly("unexpected errors", troubles, 0),
    ]


def _faults(collector: Collector, syslog: Any) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    """How each fault begins, and how it ends."""

    def behave(mode: str) -> Callable[[], None]:
        def change() -> None:
            collector.mode = mode

        return change

    assert collector.process
    yield (
        lambda: _signal(collector.process, signal.SIGSTOP),
        lambda: _signal(collector.process, signal.SIGCONT),
    )
    yield behave("slow"), behave("ok")
    yield collector.kill, collector.start
    yield behave("full"), behave("ok")
    yield lambda: _signal(syslog, signal.SIGSTOP), lambda: _signal(syslog, signal.SIGCONT)


def _signal(process: Any, number: int) -> None:
    process.send_signal(number)


def _is_well(sinks: list[dict[str, Any]]) -> bool:
    return all(sink["last_error"] is None and sink["behind_seconds"] == 0 for sink in sinks)


def _lines(path: Path) -> int:
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))


def _text(path: Path) -> Iterator[str]:
    with path.open(encoding="ascii") as file:
        yield from file
