"""Table of servers and the workloads that they take part in."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import plan
from bench.compare import main
from bench.kinds.job import Job, Log, TlsFiles
from bench.ways import Ports

OURS = plan.moatdns(plan.Wheels(compiled="/environment/bin/python"))
EVERY = [*OURS, *plan.peers(plan.PEERS)]


def test_every_peer_is_measured_as_it_comes_and_all_but_two_with_a_log_too() -> None:
    programs = {server.program for server in EVERY}
    logs = {program: {server.log for server in EVERY if server.program == program} for program in programs}
    assert all(Log.NONE in found for found in logs.values())
    assert {program for program, found in logs.items() if found == {Log.NONE}} == {"kresd", "echo"}


def test_names_of_servers_are_all_different() -> None:
    assert len({server.name for server in EVERY}) == len(EVERY) == 18


def test_ours_comes_as_python_alone_compiled_with_each_log_and_with_two_workers() -> None:
    names = ["", ", compiled", ", compiled, no log", ", compiled, log of all", ", compiled, 2 workers"]
    assert [server.name for server in OURS] == [f"moatdns{name}" for name in names]


def test_beside_another_version_ours_is_in_the_form_that_is_compared() -> None:
    found = plan.moatdns(plan.Wheels(compiled="/environment/bin/python", before="/old/bin/python"))
    assert [server.name for server in found] == ["moatdns, compiled", "moatdns, before"]
    assert [server.name for server in plan.rules_servers(found)] == ["moatdns, compiled", "moatdns, before"]


def test_many_rules_and_starts_are_measured_of_each_program_without_a_log() -> None:
    peers = {"unbound", "unbound RPZ", "dnsmasq", "dnsdist", "pdns-recursor RPZ", "knot-resolver RPZ"}
    assert {server.name for server in plan.rules_servers(EVERY)} == {*peers, "moatdns, compiled"}
    ours = {"moatdns", "moatdns, compiled", "moatdns, compiled, 2 workers"}
    assert {server.name for server in plan.footprint_servers(EVERY)} == peers | ours


@pytest.mark.parametrize(
    "server", [server for server in EVERY if server.program != "echo"], ids=lambda server: server.name
)
def test_every_configuration_names_the_port_the_upstream_and_no_other_machine(
    server: plan.Server, tmp_path: Path
) -> None:
    tls = TlsFiles(tmp_path / "certificate.pem", tmp_path / "key.pem")
    job = Job(("claude.ai",), ("ads.example",), 10_053, tls)
    command = server.command(job, Ports(10_001, 10_002, 10_003), tmp_path)
    written = "\n".join(path.read_text() for path in tmp_path.iterdir() if path.is_file())
    assert str(tmp_path) in " ".join(command)
    assert "10001" in written
    assert "10053" in written
    assert "ads.example" in written
    assert "0.0.0.0:" not in written  # all listen on loopback only


@pytest.mark.parametrize(
    "options",
    [["--rounds", "0"], ["--seconds", "0.01"], ["--workload", "nothing"], ["--peer", "bind"], ["--minutes", "0"]],
)
def test_wrong_usage_is_told_before_anything_starts(options: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2


def test_a_wheel_that_is_not_there_ends_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--compiled", "/nowhere/moatdns.whl"]) == 1
    assert "'make compiled' makes it" in capsys.readouterr().err
