"""Log sinks whose collector is stopped, slow, killed, or has a full disk: DNS loses nothing, and every row arrives."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.clients import ask, is_blocked
from tests.support.encrypted import SERVER_NAME, Certificates
from tests.support.log_collector import Collector
from tests.support.moatdns import Moatdns
from tests.support.programs import free_port, wait_until
from tests.support.rsyslog import Rsyslog

MOST_GROWTH_MIB = 40  # of the control process: far below what waits


@dataclass
class Asked:
    """What was asked of the server, each name once, and how many answers were missing."""

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


def names_of(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(row["dns"]["question"]["name"] for row in rows if "dns" in row)


def has_taken(collector: Collector, names: set[str]) -> bool:
    return names_of(collector.rows()).keys() >= names


def control_mib(server: Moatdns) -> float:
    control = server.control()
    assert control
    return float(psutil.Process(control.pid).memory_full_info().uss) / 2**20


def test_every_row_arrives_whatever_happens_to_the_collector_and_dns_loses_nothing(tmp_path: Path) -> None:
    collector = Collector(tmp_path / "collector", free_port())
    sink = {"to": collector.url, "what": ["queries"], "timeout_seconds": 2}
    config = {"workers": 2, "upstream": {"servers": ["127.0.0.1:1"]}, "log_sinks": [sink]}
    expected: set[str] = set()
    with collector, Moatdns(tmp_path / "moatdns", config, with_api=True) as server:
        api = server.api
        wait_until(lambda: any(server.state_dir.glob("log-sinks/*.json")), "the sink has begun")
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
                time.sleep(3.5)  # this long it lasts
                if fault != "slow":
                    told = wait_until(lambda: api.get("/ready")["why"], f"{fault} is told")
                    assert any(f"log sink http://127.0.0.1:{collector.port}: " in why for why in told)
                if fault == "stopped":
                    collector.process.send_signal(signal.SIGCONT)
                elif fault == "killed":
                    collector.start()
                collector.mode = "ok"
            assert (fault, asked.lost) == (fault, 0)
            assert len(asked.names) > 100
            expected |= set(asked.names)
            wait_until(partial(has_taken, collector, expected), f"all rows, {fault}", seconds=90)
        (state,) = api.get("log-sinks")["items"]
        assert (state["dropped"], state["last_error"]) == ({}, None)
        wait_until(lambda: not api.get("/ready")["why"], "all is well again")
        assert control_mib(server) - began < MOST_GROWTH_MIB
        # A sink that was away has rows again where it had taken them and the answer was lost; each has one id.
        ids = {row["event"]["id"] for row in collector.rows()}
        assert len(ids) == len(expected)
        metrics = api.get("/metrics")
        assert f'moatdns_log_sink_dropped_total{{to="http://127.0.0.1:{collector.port}"}} 0.0' in metrics


def test_a_node_that_is_killed_goes_on_where_the_sink_was(tmp_path: Path) -> None:
    collector = Collector(tmp_path / "collector", free_port())
    config = {"upstream": {"servers": ["127.0.0.1:1"]}, "log_sinks": [{"to": collector.url}]}
    server = Moatdns(tmp_path / "moatdns", config, with_api=True)
    server.expects_trouble = True
    with collector:
        server.start()
        try:
            wait_until(lambda: any(server.state_dir.glob("log-sinks/*.json")), "the sink has begun")
            server.api.call("POST", "lists", {"name": "house", "block": ["blocked.example"]})
            collector.mode = "full"
            names = [f"k{number}.claude.ai" for number in range(200)]
            for name in names:
                assert is_blocked(ask(server.port, name))
            wait_until(lambda: len(server.api.get("queries?limit=1000")["items"]) == 200, "all are in the log")
            family = server.family()
            server.kill()
            psutil.wait_procs(family, timeout=30)
            collector.mode = "ok"
            server.start()
            wait_until(lambda: has_taken(collector, set(names)), "all rows")
            actions = {
                (row["event"]["action"], row["moatdns"]["audit"]["object"])
                for row in collector.rows()
                if "dns" not in row
            }
            assert ("create", "lists/house") in actions
        finally:
            server.stop()


@pytest.mark.parametrize("is_trusted", [True, False], ids=["trusted", "untrusted"])
def test_rsyslog_takes_queries_and_the_audit_trail_over_tls_with_a_verified_name(
    tmp_path: Path, is_trusted: bool
) -> None:
    certificates = Certificates(tmp_path / "certificates")
    others = Certificates(tmp_path / "others")
    daemon = Rsyslog(tmp_path / "rsyslog", free_port(), certificates)
    tls = {"ca": str((certificates if is_trusted else others).authority), "server_name": SERVER_NAME}
    sink = {"to": f"syslog+tls://127.0.0.1:{daemon.port}", "tls": tls}
    config = {"upstream": {"servers": ["127.0.0.1:1"]}, "log_sinks": [sink]}
    with daemon.running(), Moatdns(tmp_path / "moatdns", config, with_api=True) as server:
        wait_until(lambda: any(server.state_dir.glob("log-sinks/*.json")), "the sink has begun")
        names = [f"r{number}.claude.ai" for number in range(100)]
        for name in names:
            assert is_blocked(ask(server.port, name))
        if not is_trusted:
            ready = wait_until(lambda: server.api.get("/ready")["why"], "it is told")
            assert any("its certificate is not valid" in why for why in ready)
            assert daemon.lines() == []
            return
        wait_until(lambda: sum(" query " in line for line in daemon.lines()) >= 100, "all queries")
        taken = [line.split(" ", 4) for line in daemon.lines()]
        queries = [json.loads(text) for *_, msgid, text in taken if msgid == "query"]
        assert sorted(row["dns"]["question"]["name"] for row in queries) == sorted(names)  # two workers
        assert {(level, program) for level, _, program, msgid, _ in taken if msgid == "query"} == {
            ("daemon.notice", "moatdns")
        }
        audit = [(level, json.loads(text)) for level, _, _, msgid, text in taken if msgid == "audit"]
        assert audit and all(row["event"]["dataset"] == "moatdns.audit" for _, row in audit)
        assert {level for level, _ in audit} <= {"authpriv.notice", "audit.notice", "security.notice", "13.notice"}
