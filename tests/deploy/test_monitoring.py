"""Alert rules and dashboard of `deploy/monitoring/`: by promtool, by Grafana's own types, and by a real Prometheus."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from prove.alert_faults import FAULTS
from tests.support.clients import ask
from tests.support.encrypted import Certificates
from tests.support.feed import Feed
from tests.support.mail_server import MailServer
from tests.support.moatdns import Moatdns
from tests.support.programs import program, wait_until
from tests.support.prometheus import Prometheus
from tests.support.publisher import Publisher, catalogue
from tests.support.stub import StubUpstream

MONITORING = Path(__file__).resolve().parents[2] / "deploy" / "monitoring"
RULES = MONITORING / "moatdns.rules.yml"
RULE_TESTS = MONITORING / "moatdns.rules.test.yml"
MEMORY = Path("/dev/shm")
DASHBOARD = json.loads((MONITORING / "grafana.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
_METRIC = re.compile(r"\bmoatdns_[a-z_]+")


def alerts() -> list[dict[str, Any]]:
    """The rules of the file."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def test_the_rules_hold_in_promtools_tests() -> None:
    # Each rule test has a database of its own, which waits for the disk: in memory all take half the time.
    places = {"TMPDIR": str(MEMORY)} if os.access(MEMORY, os.W_OK) else {}
    for command in (["check", "rules", RULES.name], ["test", "rules", RULE_TESTS.name]):
        ran = subprocess.run(
            [program("promtool"), *command],
            cwd=MONITORING,
            env={**os.environ, **places},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_each_alert_is_tested_to_fire_and_to_be_quiet_before() -> None:
    tested: set[str] = set()
    for test in yaml.safe_load(RULE_TESTS.read_text())["tests"]:
        quiet: set[str] = set()
        for check in test.get("promql_expr_test", ()):
            fired = {name for one in check["exp_samples"] for name in re.findall(r'alertname="(\w+)"', one["labels"])}
            tested |= fired & quiet
            quiet |= {rule["alert"] for rule in alerts()} - fired
    assert tested == {rule["alert"] for rule in alerts()}


def test_each_alert_has_a_fault_that_prove_makes_for_real_and_each_fault_an_alert() -> None:
    made = [name for fault in FAULTS for name in (*fault.fires, *fault.may)]
    assert set(made) == {rule["alert"] for rule in alerts()}
    assert {name for fault in FAULTS for name in fault.fires} == set(made)


def test_each_alert_says_what_is_the_matter_and_how_urgent_it_is() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in ("warning", "critical"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]
        assert rule["alert"].startswith("Moatdns")


def lost(written: Any, read: Any, path: str = "") -> list[str]:
    """The places of a document that are not there, or others, in what was read of it."""
    if isinstance(written, dict):
        there = read if isinstance(read, dict) else {}
        return [place for key, value in written.items() for place in lost(value, there.get(key), f"{path}/{key}")]
    if isinstance(written, list):
        there_too = read if isinstance(read, list) and len(read) == len(written) else [None] * len(written)
        return [place for n, value in enumerate(written) for place in lost(value, there_too[n], f"{path}/{n}")]
    return [] if written == read else [path]


def as_grafana_reads_it(dashboard: dict[str, Any]) -> Any:
    """A dashboard through Grafana's own types, which leave out what they do not know."""
    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))


def test_the_dashboard_holds_nothing_that_grafana_does_not_know() -> None:
    assert lost(DASHBOARD, as_grafana_reads_it(DASHBOARD)) == []
    wrong = json.loads(json.dumps(DASHBOARD))
    wrong["panels"][1]["fieldConfig"]["defaults"]["units"] = "s"
    wrong["panels"][1]["options"]["colourMode"] = "value"
    places = lost(wrong, as_grafana_reads_it(wrong))
    assert places == ["/panels/1/fieldConfig/defaults/units", "/panels/1/options/colourMode"]


def test_panels_have_their_own_places_and_numbers() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    squares = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(squares)) == len(squares)
    assert max(x for x, _ in squares) == 23


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Moatdns, Prometheus]]:
    """A server with all that metrics tell of, under a little load, and Prometheus over it."""
    folder = tmp_path_factory.mktemp("watched")
    with (
        StubUpstream() as upstream,
        Feed(b"listed.example\n") as feed,
        Publisher() as publisher,
        MailServer(folder / "mail") as mails,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector,
    ):
        collector.bind(("127.0.0.1", 0))
        publisher.publish(catalogue(1, "first.example"))
        fed = {"feed": publisher.url, "keys": [publisher.key.public.line], "allow_private": True}
        config = {
            "workers": 1,
            "upstream": {"servers": [upstream.server]},
            "policy": {"catalogue": fed, "approval": "four-eyes"},
            "mail": mails.section,
            "webhooks": [{"url": "https://hooks.example/", "secret": "s", "events": ["list.refused"]}],
            "log_sinks": [{"to": f"syslog+udp://127.0.0.1:{collector.getsockname()[1]}"}],
        }
        certificates = Certificates(folder / "certificates")
        with Moatdns(folder / "moatdns", config, with_api=True, certificates=certificates) as server:
            server.api.post("lists", {"name": "feed", "url": feed.url, "allow_private": True})
            facts = {"subject": {"client": "127.0.0.9"}, "scope": ["vendors"], "owner": "Ana", "reason": "a trial"}
            server.api.call("POST", "exemptions", {**facts, "duration_seconds": 3600})
            with Prometheus(folder / "prometheus", server.admin_port, rules=RULES.read_text()) as prometheus:
                yield server, prometheus


def test_each_metric_of_rules_and_dashboard_is_one_of_the_servers(watched: tuple[Moatdns, Prometheus]) -> None:
    server, _ = watched
    families = re.findall(r"^# TYPE (\S+) (\w+)$", server.api.get("/metrics"), re.MULTILINE)
    there = {name for name, _ in families} | {f"{name}_bucket" for name, kind in families if kind == "histogram"}
    named = {name for rule in alerts() for name in _METRIC.findall(rule["expr"])}
    named |= {name for _, query in QUERIES for name in _METRIC.findall(query)}
    assert len(named) > 25
    assert named - there == set()


def test_each_panel_of_the_dashboard_shows_something(watched: tuple[Moatdns, Prometheus]) -> None:
    server, prometheus = watched
    waiting = dict.fromkeys(QUERIES)
    names = itertools.count()

    def is_shown(query: str) -> bool:
        written = query.replace("$__rate_interval", "10s").replace("$instance", ".*")
        return any(not math.isnan(sample.value) for sample in prometheus.query(written))

    def all_shown() -> bool:
        ask(server.port, f"n{next(names)}.example")  # which an upstream is asked for
        ask(server.port, "cached.example")
        ask(server.port, "claude.ai")
        for title, query in list(waiting):
            if is_shown(query):
                del waiting[title, query]
        return not waiting

    try:
        wait_until(all_shown, "every panel has a series")
    except AssertionError:
        pytest.fail(f"nothing is shown by {list(waiting)}")


def test_a_healthy_server_sets_off_no_alert(watched: tuple[Moatdns, Prometheus]) -> None:
    _, prometheus = watched
    wait_until(lambda: prometheus.query("moatdns_workers"), "a scrape")
    assert prometheus.query("ALERTS") == []
