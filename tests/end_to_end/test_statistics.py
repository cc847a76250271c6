"""Counts that an auditor can rely on: exact, over both workers, and through every death."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clients import UdpClient, query
from tests.support.moatdns import Moatdns
from tests.support.programs import program, wait_until
from tests.support.unbound import Unbound

EXEMPT, WATCHED = "127.0.0.2", "127.0.0.3"
BLOCKED = {"claude.ai": 3000, "api.openai.com": 2000, "house.example": 1000}
OPEN = {"plain.example": 3500, "notclaude.ai": 500}


@pytest.fixture
def office(tmp_path: Path, world: Unbound) -> Iterator[Moatdns]:
    """A server with two workers, an exempt and a watched group."""
    config = {
        "workers": 2,
        "upstream": {"servers": [world.server]},
        "policy": {
            "lists": [{"name": "house", "block": ["house.example"]}],
            "groups": [
                {"name": "labs", "networks": [EXEMPT], "exempt": True},
                {"name": "watched", "networks": [WATCHED], "mode": "monitor"},
            ],
        },
    }
    with Moatdns(tmp_path / "moatdns", config, with_api=True) as moatdns:
        yield moatdns


def dnsperf(moatdns: Moatdns, folder: Path, names: dict[str, int], *, source: str = "127.0.0.1") -> None:
    """Ask each name as often as given, each query once; every one is answered."""
    queries = folder / "queries"
    queries.write_text("".join(f"{name} A\n" * count for name, count in names.items()))
    command = [program("dnsperf"), "-s", "127.0.0.1", "-p", str(moatdns.port), "-d", str(queries), "-n", "1"]
    done = subprocess.run(
        [*command, "-a", source, "-c", "8", "-q", "50", "-t", "10"], capture_output=True, text=True, check=True
    )
    sent = re.search(r"Queries completed:\s+(\d+)", done.stdout)
    assert sent
    assert int(sent[1]) == sum(names.values()), done.stdout


def metric(moatdns: Moatdns, name: str, **labels: str) -> float:
    """The sum of a metric's samples that carry the labels."""
    text = moatdns.api.call("GET", "/metrics").body
    total = 0.0
    for line in text.splitlines():
        match = re.match(rf"{name}(?:{{(.*)}})? (\S+)$", line)
        if match and all(f'{key}="{value}"' in (match[1] or "") for key, value in labels.items()):
            total += float(match[2])
    return total


def test_ten_thousand_queries_are_counted_to_the_last_one_over_two_workers(office: Moatdns, tmp_path: Path) -> None:
    dnsperf(office, tmp_path, {**BLOCKED, **OPEN})
    api = office.api
    summary = api.get("stats/summary")
    assert summary["queries"] == 10_000
    assert summary["blocked"] == 6000
    assert summary["cached"] + summary["forwarded"] == 4000
    assert (summary["failed"], summary["refused"], summary["monitored"], summary["exempted"]) == (0, 0, 0, 0)
    assert summary["clients"] == 1

    def top(by: str) -> dict[str, int]:
        return {item["key"]: item["blocked"] for item in api.get(f"stats/top?by={by}&reason=test")["items"]}

    assert top("domain") == BLOCKED
    assert top("vendor") == {"anthropic": 3000, "openai": 2000}
    assert top("service") == {"anthropic/claude": 3000, "openai/api": 2000}
    assert top("group") == {"default": 6000}
    assert top("client") == {"127.0.0.1": 6000}
    assert top("list")["house"] == 1000

    assert metric(office, "moatdns_dns_requests_total", protocol="udp", qtype="A") == 10_000
    assert metric(office, "moatdns_dns_responses_total", rcode="NOERROR", verdict="block") == 6000
    assert metric(office, "moatdns_dns_responses_total", verdict="allow") == 4000
    assert metric(office, "moatdns_policy_hits_total", vendor="anthropic", verdict="block") == 3000
    assert metric(office, "moatdns_dns_request_duration_seconds_count") == 10_000


def test_monitored_and_exempted_queries_are_parts_of_those_that_were_answered(office: Moatdns, tmp_path: Path) -> None:
    dnsperf(office, tmp_path, {"claude.ai": 40}, source=EXEMPT)
    dnsperf(office, tmp_path, {"claude.ai": 60}, source=WATCHED)
    summary = office.api.get("stats/summary")
    assert (summary["queries"], summary["blocked"]) == (100, 0)
    assert (summary["exempted"], summary["monitored"], summary["clients"]) == (40, 60, 2)
    items = office.api.get("stats/top?by=group")["items"]
    assert {item["key"]: (item["monitored"], item["exempted"]) for item in items} == {
        "labs": (0, 40),
        "watched": (60, 0),
    }


def test_no_count_is_lost_or_doubled_when_control_process_worker_or_all_are_killed(
    office: Moatdns, tmp_path: Path
) -> None:
    api = office.api
    dnsperf(office, tmp_path, {"claude.ai": 1000})
    control = office.control()
    assert control
    control.kill()
    dnsperf(office, tmp_path, {"claude.ai": 1000})
    wait_until(lambda: (found := office.control()) is not None and found.pid != control.pid, "a new control process")
    assert api.get("stats/summary")["blocked"] == 2000

    for worker in office.workers():
        worker.kill()
    wait_until(lambda: len(office.events_named("a worker ended; starting another")) == 2, "the workers' end")
    with UdpClient(office.port) as client:
        client.exchange(query("plain.example").to_wire())
    assert api.get("stats/summary")["blocked"] == 2000

    dnsperf(office, tmp_path, {"claude.ai": 500})
    family = office.family()
    for process in family:
        process.kill()
    assert office.process
    office.process.wait()
    office.start()
    summary = office.api.get("stats/summary")
    assert (summary["blocked"], summary["queries"]) == (2500, 2501)


def test_the_query_log_tells_every_hit_with_its_reason_and_nothing_else(office: Moatdns, tmp_path: Path) -> None:
    dnsperf(office, tmp_path, {"claude.ai": 30, "house.example": 20, "plain.example": 50})

    def items() -> list[dict[str, object]]:
        found: list[dict[str, object]] = office.api.get("queries?limit=1000")["items"]
        return found

    wait_until(lambda: len(items()) == 50, "the rows of the query log")
    rows = items()
    assert {row["name"] for row in rows} == {"claude.ai", "house.example"}
    house = next(row for row in rows if row["name"] == "house.example")
    assert {key: house[key] for key in ("client", "group", "type", "rcode", "verdict", "list", "rule", "protocol")} == {
        "client": "127.0.0.1",
        "group": "default",
        "type": "A",
        "rcode": "NOERROR",
        "verdict": "block",
        "list": "house",
        "rule": "house.example",
        "protocol": "udp",
    }
    assert {row["service"] for row in rows if row["name"] == "claude.ai"} == {"anthropic/claude"}
    assert [row["at"] for row in rows] == sorted((row["at"] for row in rows), reverse=True)
    only = office.api.get("queries?name=house.example&limit=7")
    assert len(only["items"]) == 7
    assert only["next"]


@pytest.mark.parametrize(("clients", "key"), [("network", "127.0.0.0/24"), ("hidden", None)])
def test_clients_are_hidden_where_the_config_says_so(
    tmp_path: Path, world: Unbound, clients: str, key: str | None
) -> None:
    config = {"upstream": {"servers": [world.server]}, "query_log": {"clients": clients}}
    with Moatdns(tmp_path / "moatdns", config, with_api=True) as moatdns:
        with UdpClient(moatdns.port, "127.0.0.77") as client:
            client.exchange(query("claude.ai").to_wire())
        api = moatdns.api
        wait_until(lambda: api.get("queries")["items"], "a row of the query log")
        assert api.get("queries")["items"][0]["client"] == key
        top = [item["key"] for item in api.get("stats/top?by=client&reason=test")["items"]]
        assert top == ([key] if key else [])
        assert api.get("stats/summary")["clients"] == (1 if key else None)
    said = b"".join(path.read_bytes() for path in moatdns.state_dir.rglob("*") if path.is_file())
    assert b"127.0.0.77" not in said
