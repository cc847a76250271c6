"""The processes: a killed worker is replaced, nobody outlives the supervisor, and the end is an end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import OFFICE, StartMoatdns
from tests.support.clients import TcpClient, ask, is_blocked, query, rdata
from tests.support.moatdns import Moatdns
from tests.support.programs import is_free, wait_until
from tests.support.steady import answers
from tests.support.stub import DEFAULT_ANSWER, StubUpstream


@pytest.fixture
def server(moatdns: StartMoatdns, stub: StubUpstream) -> Moatdns:
    """A server with two workers, for a test that ends it."""
    return moatdns({**OFFICE, "upstream": {"servers": [stub.server]}})


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moatdns]:
    """A server with two workers that lives on."""
    config = {**OFFICE, "upstream": {"servers": ["udp://127.0.0.1:9"]}}
    with Moatdns(tmp_path_factory.mktemp("lasting"), config) as moatdns:
        yield moatdns


@pytest.fixture(scope="module", autouse=True)
def ending_with_a_hung_worker(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Moatdns, list[psutil.Process]]]:
    """A server that was told to end while one of its workers hangs, and its processes. It waits while others test."""
    config = {**OFFICE, "upstream": {"servers": ["udp://127.0.0.1:9"]}}
    with Moatdns(tmp_path_factory.mktemp("hung"), config) as moatdns:
        family = moatdns.whole_family()
        os.kill(moatdns.workers()[0].pid, signal.SIGSTOP)
        moatdns.signal(signal.SIGTERM)
        yield moatdns, family


def gone(processes: list[psutil.Process]) -> bool:
    """Whether none of them runs."""
    return not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_and_frees_the_port(server: Moatdns, number: signal.Signals) -> None:
    family = server.whole_family()
    with TcpClient(server.port) as idle:
        assert is_blocked(idle.ask("claude.ai"))
        server.signal(number)
        assert server.process
        assert server.process.wait(20) == 0
    assert gone(family)
    wait_until(lambda: is_free(server.port), "the port is free")  # another server's upstream may be on it for a moment
    assert server.events[-1]["event"] == "stopped"
    server.launch()
    server.wait_for("serving")
    assert is_blocked(ask(server.port, "claude.ai"))


def test_answers_in_flight_are_given_before_the_end(server: Moatdns, stub: StubUpstream) -> None:
    stub.delays["slow.example"] = 1.0
    with TcpClient(server.port) as client:
        client.send(query("slow.example"))
        wait_until(lambda: stub.times_asked("slow.example"), "the upstream is asked")
        server.signal(signal.SIGTERM)
        assert rdata(client.receive()) == [DEFAULT_ANSWER]
    assert server.process
    assert server.process.wait(20) == 0


def test_a_signal_during_the_start_ends_it_too(server: Moatdns) -> None:
    server.stop()
    for pause in (0.3, 0.5, 0.7):
        server.launch()
        server.wait_for("moatdns starts")
        family = server.family()
        time.sleep(pause - 0.3)
        family = list({*family, *server.family()})
        server.signal(signal.SIGTERM)
        assert server.process
        status = server.process.wait(20)
        assert status in (0, -signal.SIGTERM)  # before it listens to signals, there is nothing to put in order
        wait_until(lambda family=family: gone(family), "everything has ended")
        assert is_free(server.port)


def test_a_worker_that_is_killed_is_replaced_and_service_is_back_within_a_second_or_so(lasting: Moatdns) -> None:
    for _ in range(2):
        workers = lasting.workers()
        assert len(workers) == 2
        victim = workers[0]
        began = time.monotonic()
        victim.kill()
        new = wait_until(
            lambda workers=workers: {p.pid for p in lasting.workers()} - {p.pid for p in workers}, "a new worker"
        )
        for _ in range(40):  # each from a socket of its own, so that both workers have their share
            assert is_blocked(wait_until(lambda: answers(lasting.port, seconds=0.5), "an answer"))
        assert time.monotonic() - began < 10
        assert len(new) == 1
    ended = [event for event in lasting.events if "worker ended" in event["event"]]
    assert len(ended) >= 2
    assert all(event["level"] == "error" and event["status"] == -signal.SIGKILL for event in ended)


def test_a_query_sent_while_a_worker_is_being_replaced_waits_for_its_successor(lasting: Moatdns) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(20)
        client.connect(("127.0.0.1", lasting.port))
        for worker in lasting.workers():
            worker.kill()
        client.send(query("claude.ai").to_wire())
        assert client.recv(512)[2] & 0x80


def test_python_files_in_the_folder_where_it_is_started_are_not_run(server: Moatdns, tmp_path: Path) -> None:
    server.stop()
    trap = tmp_path / "trap"
    for package in ("resolver", "blocklists"):
        (trap / package).mkdir(parents=True)
        (trap / package / "__init__.py").write_text("raise SystemExit('run from the current folder')\n")
    (trap / "uvloop.py").write_text("raise SystemExit('run from the current folder')\n")
    server.launch(cwd=trap)
    server.wait_for("serving")
    assert is_blocked(ask(server.port, "claude.ai"))
    server.reload(
        {**OFFICE, "upstream": {"servers": ["udp://127.0.0.1:9"]}, "policy": {}}
    )  # compiles, replaces workers


def test_workers_end_when_the_supervisor_is_killed(server: Moatdns) -> None:
    family = server.whole_family()
    server.kill()
    wait_until(lambda: gone(family), "the workers end")
    assert is_free(server.port)
    last = max(server.snapshots.glob("manifest-*.json")).stem  # the control process may have made another meanwhile
    server.launch()
    assert server.wait_for("serving")["policy"] == int(last.removeprefix("manifest-"))
    assert not server.events_named("policy compiled")
    assert is_blocked(ask(server.port, "claude.ai"))


def test_a_running_server_has_no_more_processes_than_it_says(lasting: Moatdns) -> None:
    assert len(lasting.workers()) == lasting.wait_for("serving")["workers"] == 2
    lasting.whole_family()  # with the control process, the nursery and the supervisor; no compiler is left over
    for worker in lasting.workers():
        modules = {path for path in (entry.path for entry in worker.memory_maps()) if "pydantic" in path}
        assert not modules, "a worker is lean"


def test_a_worker_that_hangs_does_not_keep_the_server_from_ending(
    ending_with_a_hung_worker: tuple[Moatdns, list[psutil.Process]],
) -> None:
    moatdns, family = ending_with_a_hung_worker
    assert moatdns.process
    assert moatdns.process.wait(25) == 0
    assert gone(family)
    assert is_free(moatdns.port)
    assert [event for event in moatdns.events if event["level"] == "error" and "killed" in event["event"]]


@pytest.mark.parametrize("whom", ["supervisor", "everybody"])
def test_an_end_in_the_middle_of_a_reload_is_no_fault(server: Moatdns, whom: str) -> None:
    """A service manager may tell all processes at once."""
    server.whole_family()
    server.write_config({**OFFICE, "upstream": {"servers": ["udp://127.0.0.1:9"]}, "cache": {"max_mib": 32}})
    server.signal(signal.SIGHUP)
    wait_until(lambda: len(server.family()) > 5, "a process that reads the config")
    for process in server.family() if whom == "everybody" else server.family()[:1]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    assert server.process
    assert server.process.wait(25) == 0
    assert not [event for event in server.events if event["level"] in ("error", "text")]
