"""`moatdns lists`, as a person at a terminal and a script use it."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path

from tests.support.programs import MOATDNS, PATIENCE_SECONDS


def run(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [MOATDNS, "lists", *words]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=PATIENCE_SECONDS, check=False)


def test_a_good_list_is_told_and_the_status_is_0(tmp_path: Path) -> None:
    path = tmp_path / "feed"
    path.write_bytes(gzip.compress(b"! title\n||a.example.com^\n||b.example.com^\nexample.org##.ad\n"))
    told = run("check", str(path))
    assert told.returncode == 0, told.stderr
    assert b"adblock, 2 rules" in told.stdout
    assert b"left out: 1 (line 4, \xe2\x80\xa6): parts of pages" in told.stdout


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
