"""Log sinks whose collector is stopped, slow, killed, or has a full disk: DNS loses nothing, and every row arrives."""

from __future__ import annotations

import json
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from tests.support.clients import ask, is_blocked
from tests.support.encrypted import SERVER_NAME, Certificates
from tests.support.log_collector import Collector
from tests.support.moatdns import Moatdns
from tests.support.programs import free_port, wait_until
from tests.support.rsyslog import Rsyslog

MOST_GROWTH_MIB = 40  # of the control process: far below what waits
LEAST_ASKED = 100  # queries under each fault


@dataclass
class Asked:
    """Names that the server was asked for, each once, and the number of missing answers."""

    names: list[str]
    lost: int = 0


@contextmanager
def asking(server: Moatdns, first: int) -> Iterator[Asked]:
    """Ask for blocked names all the time, each once, beside what the block does."""
    asked, over = Asked([]), threading.Event()

    def ask_on() -> None:
        number = first
        while not over.is_set():
            name = f"n{number}.claude.ai"
            asked.names.append(name)
            try:
                asked.lost += not is_blocked(ask(server.port, name))
            except Exception:  # no answer in time
                asked.lost += 1
            number += 1

    thread = threading.Thread(target=ask_on)
    thread.start()
    try:
        yield asked
    finally:
        over.set()
        thread.join()


class Sunk(NamedTuple):
    """A server, and the collector that its sink sends everything to."""

    server: Moatdns
    collector: Collector

    @property
    def whys(self) -> list[str]:
        """Why the node is degraded."""
        why: list[str] = self.server.api.call("GET", "/ready").body["why"]
        return why


@pytest.fixture(scope="module")
def sunk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sunk]:
    folder = tmp_path_factory.mktemp("sunk")
    collector = Collector(folder / "collector", free_port())
    sink = {"to": collector.url, "timeout_seconds": 2}
    config = {"workers": 2, "upstream": {"servers": ["127.0.0.1:1"]}, "log_sinks": [sink]}
    with collector, Moatdns(folder / "moatdns", config, with_api=True) as server:
        wait_until(lambda: any(server.state_dir.glob("log-sinks/*.json")), "the sink has begun")
        sunk = Sunk(server, collector)
        wait_until(lambda: not sunk.whys, "all is well")
        yield sunk


def queries_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if "dns" in row]


def names_of(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(row["dns"]["question"]["name"] for row in queries_of(rows))


def has_taken(collector: Collector, names: set[str]) -> bool:
    return names_of(collector.rows()).keys() >= names


def control_mib(server: Moatdns) -> float:
    control = server.control()
    assert control
    return float(psutil.Process(control.pid).memory_full_info().uss) / 2**20


def test_every_row_arrives_whatever_happens_to_the_collector_and_dns_loses_nothing(sunk: Sunk) -> None:
    server, collector = sunk
    expected: set[str] = set()
    began = control_mib(server)
    assert collector.process
    for number, fault in enumerate(("stopped", "slow", "killed", "full")):
        with asking(server, number * 1_000_000) as asked:
            if fault == "stopped":
                collector.process.send_signal(signal.SIGSTOP)
            elif fault == "killed":
                collector.kill()
            else:
                collector.mode = fault
            if fault != "slow":
                told = wait_until(lambda: sunk.whys, f"{fault} is told")
                assert any(f"log sink http://127.0.0.1:{collector.port}: " in why for why in told)
            wait_until(lambda: len(asked.names) > LEAST_ASKED, "queries", seconds=90)  # this long it lasts
            if fault == "slow":  # it is behind what is asked, and takes it a second later
                wait_until(lambda: has_taken(collector, set(asked.names[:1])), "the first row")
            if fault == "stopped":
                collector.process.send_signal(signal.SIGCONT)
            elif fault == "killed":
                collector.start()
            collector.mode = "ok"
        assert (fault, asked.lost) == (fault, 0)
        assert len(asked.names) > LEAST_ASKED
        expected |= set(asked.names)
        wait_until(partial(has_taken, collector, expected), f"all rows, {fault}", seconds=90)
    (state,) = server.api.get("log-sinks")["items"]
    assert (state["dropped"], state["last_error"]) == ({}, None)
    wait_until(lambda: not sunk.whys, "all is well again")
    assert control_mib(server) - began < MOST_GROWTH_MIB
    # A sink that was away has rows again where it had taken them and the answer was lost; each has one id.
    ids = {row["event"]["id"] for row in queries_of(collector.rows())}
    assert len(ids) == len(expected)
    metrics = server.api.get("/metrics")
    assert f'moatdns_log_sink_dropped_total{{to="http://127.0.0.1:{collector.port}"}} 0.0' in metrics
    server.assert_no_trouble()


def test_a_node_that_is_killed_goes_on_where_the_sink_was(sunk: Sunk) -> None:
    server, collector = sunk
    server.expects_trouble = True
    server.api.call("POST", "lists", {"name": "house", "block": ["blocked.example"]})
    collector.mode = "full"
    names = [f"killed{number}.claude.ai" for number in range(200)]
    for name in names:
        assert is_blocked(ask(server.port, name))
    logged = "queries?contains=killed&limit=1000"
    wait_until(lambda: len(server.api.get(logged)["items"]) == 200, "all are in the log")
    family = server.family()
    server.kill()
    psutil.wait_procs(family, timeout=30)
    collector.mode = "ok"
    server.start()
    wait_until(lambda: has_taken(collector, set(names)), "all rows")
    actions = {
        (row["event"]["action"], row["moatdns"]["audit"]["object"]) for row in collector.rows() if "dns" not in row
    }
    assert ("create", "lists/house") in actions


def test_rsyslog_takes_queries_and_the_audit_trail_over_tls_with_a_verified_name_alone(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "certificates")
    others = Certificates(tmp_path / "others")
    trusted, untrusted = (Rsyslog(tmp_path / name, free_port(), certificates) for name in ("trusted", "untrusted"))
    sinks = [
        {
            "to": f"syslog+tls://127.0.0.1:{daemon.port}",
            "tls": {"ca": str(whose.authority), "server_name": SERVER_NAME},
        }
        for daemon, whose in ((trusted, certificates), (untrusted, others))
    ]
    config = {"upstream": {"servers": ["127.0.0.1:1"]}, "log_sinks": sinks}
    with (
        trusted.running(),
        untrusted.running(),
        Moatdns(tmp_path / "moatdns", config, with_api=True) as server,
    ):
        wait_until(lambda: len([*server.state_dir.glob("log-sinks/*.json")]) == 2, "the sinks have begun")
        names = [f"r{number}.claude.ai" for number in range(100)]
        for name in names:
            assert is_blocked(ask(server.port, name))
        wait_until(lambda: sum(" query " in line for line in trusted.lines()) >= 100, "all queries")
        ready = wait_until(lambda: server.api.get("/ready")["why"], "it is told")
        (why,) = [why for why in ready if "log sink" in why]
        assert f"log sink syslog+tls://127.0.0.1:{untrusted.port}: its certificate is not valid" in why
        assert untrusted.lines() == []
        taken = [line.split(" ", 4) for line in trusted.lines()]
        queries = [json.loads(text) for *_, msgid, text in taken if msgid == "query"]
        assert sorted(row["dns"]["question"]["name"] for row in queries) == sorted(names)  # two workers
        assert {(level, program) for level, _, program, msgid, _ in taken if msgid == "query"} == {
            ("daemon.notice", "moatdns")
        }
        audit = [(level, json.loads(text)) for level, _, _, msgid, text in taken if msgid == "audit"]
        assert audit and all(row["event"]["dataset"] == "moatdns.audit" for _, row in audit)
        assert {level for level, _ in audit} <= {"authpriv.notice", "audit.notice", "security.notice", "13.notice"}
