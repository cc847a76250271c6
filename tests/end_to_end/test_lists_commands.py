"""`moatdns lists`, as a person at a terminal and a script use it."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from pathlib import Path

from admin_api.query_log.files import COLUMNS, FOLDER
from blocklists.catalogue import CatalogueDomain
from blocklists.loading import load_catalogue
from blocklists.neighbours import Neighbourhood
from resolver.policy.rule_syntax import RuleForm, RuleKind
from resolver.wire.names import to_text, wire_of_key
from tests.support.clients import ask
from tests.support.log_blocks import add_rows
from tests.support.moatdns import Moatdns
from tests.support.old_query_log import add_old_rows
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, wait_until


def run(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [MOATDNS, "lists", *words]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=PATIENCE_SECONDS, check=False)


def test_a_good_list_is_told_and_the_status_is_0(tmp_path: Path) -> None:
    path = tmp_path / "feed"
    path.write_bytes(gzip.compress(b"! title\n||a.example.com^\n||b.example.com^\nexample.org##.ad\n"))
    told = run("check", str(path))
    assert told.returncode == 0, told.stderr
    assert b"adblock, 2 rules" in told.stdout
    assert b"skipped: 1 (line 4, \xe2\x80\xa6): parts of pages" in told.stdout


def test_lines_that_cannot_be_read_are_told_and_the_status_is_1() -> None:
    told = run("check", "-", "--json", stdin=b"a.example.com\nhttp://b.example\nco.uk\nc.example.com\nd.example.com\n")
    assert told.returncode == 1
    (report,) = json.loads(told.stdout)
    assert (report["format"], report["rules"], report["ok"]) == ("domains", 3, False)
    assert [problem["line"] for problem in report["problems"]] == [2, 3]


def test_files_that_are_no_lists_are_told_without_a_traceback(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!DOCTYPE html><html></html>")
    told = run("check", str(page), str(tmp_path / "missing"), str(tmp_path))
    assert told.returncode == 1
    assert b"a web page" in told.stdout
    assert b"No such file" in told.stdout
    assert b"Traceback" not in told.stderr + told.stdout


def test_wrong_usage_is_status_2() -> None:
    assert run("check").returncode == 2
    assert run("check", "-", "--format", "csv").returncode == 2


def test_coverage_tells_which_names_are_blocked_and_by_what(tmp_path: Path) -> None:
    config = tmp_path / "moatdns.yaml"
    config.write_text("state_dir: s\npolicy: {lists: [{name: house, block: [house.example]}]}\n")
    names = tmp_path / "names"
    names.write_text("# hosts of a vendor\nclaude.ai\na.house.example\nwww.example.org\n")
    told = run("coverage", "--names", str(names), "--config", str(config), "--json")
    assert told.returncode == 1, told.stderr
    report = json.loads(told.stdout)
    assert [(row["name"], row["verdict"], row["list"], row["rule"]) for row in report["names"]] == [
        ("claude.ai", "block", "anthropic/claude", "claude.ai"),
        ("a.house.example", "block", "house", "house.example"),
        ("www.example.org", "allow", None, None),
    ]
    assert report["not_blocked"] == 1
    names.write_text("claude.ai\n")
    told = run("coverage", "--names", str(names), "--config", str(config))
    assert (told.returncode, b"1 of 1 names are blocked" in told.stdout) == (0, True)
    assert run("coverage", "--config", str(config)).returncode == 2
    assert run("coverage", "--names", str(tmp_path / "none"), "--config", str(config)).returncode == 1


def _listed_alone() -> tuple[str, str, list[str]]:
    """A name that a vendor's one exact rule names, its registrable domain, and the services that are listed there."""
    catalogue = load_catalogue()
    neighbourhood = Neighbourhood(catalogue)
    found: dict[str, list[CatalogueDomain]] = {}
    for domain in catalogue.domains:
        if near := neighbourhood.of(to_text(wire_of_key(domain.rule.key))):
            found.setdefault(near[0], []).append(domain)
    for registrable, (first, *others) in sorted(found.items()):
        name = to_text(wire_of_key(first.rule.key))
        is_exact = first.rule.kind is RuleKind.NAME and first.rule.form is RuleForm.EXACT
        if is_exact and not others and name != registrable:
            return name, registrable, [first.service]
    raise AssertionError("no exact rule stands alone in its domain")


def test_names_next_to_listed_ones_are_found_in_the_query_log(tmp_path: Path) -> None:
    config = {"workers": 1, "upstream": {"servers": ["127.0.0.1:1"]}, "query_log": {"what": "all"}}
    with Moatdns(tmp_path, config, with_api=True) as server:
        listed, domain, services = _listed_alone()
        beside = f"not-listed.{domain}"
        asked = [beside, beside, "claude.ai", "www.example.org", "www.google.com", listed]
        for name in asked:
            ask(server.port, name)
        wait_until(lambda: len(server.api.get("queries")["items"]) == len(asked), "all are in the log")
        told = run("coverage", "--query-log", "--config", str(server.config_file), "--json")
        assert told.returncode == 1, told.stderr
        assert json.loads(told.stdout) == [
            {
                "name": beside,
                "queries": 2,
                "domain": domain,
                "services": services,
                "by": "domain",
            },
        ]


def test_names_that_led_to_listed_ones_are_found_in_the_query_log(tmp_path: Path) -> None:
    config = tmp_path / "moatdns.yaml"
    config.write_text("state_dir: s\n")
    rows = []
    for name, service in (("portal.example", "openai/chatgpt"), ("chatgpt.com", "openai/chatgpt"), ("a.example", None)):
        row = dict.fromkeys(COLUMNS) | {"at": 1.0, "name": name, "verdict": "block", "service": service}
        rows.append([*(row | {"protocol": "udp", "duration_ms": 1.0}).values()])
    add_rows(tmp_path / "s" / FOLDER, "2026-11-24", rows)
    add_old_rows(tmp_path / "s" / FOLDER, "2026-11-23", rows)
    told = run("coverage", "--query-log", "--config", str(config))
    assert told.returncode == 1, told.stderr
    first = " ".join(told.stdout.decode().splitlines()[0].split())
    assert first == "2 portal.example leads to a name of openai/chatgpt"
    assert b"1 unlisted neighbours" in told.stdout


def test_what_a_terminal_cannot_show_is_escaped_and_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "feed"
    path.write_text("||a.example.com^\nexample.org##.ad\n||bü cher^\n")
    command = [MOATDNS, "lists", "check", str(path)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    told = subprocess.run(command, capture_output=True, timeout=PATIENCE_SECONDS, check=False, env=environment)
    assert (told.returncode, told.stderr) == (0, b"")
    assert rb"(line 2, \u2026)" in told.stdout
