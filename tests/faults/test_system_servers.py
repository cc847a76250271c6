"""Upstream `system`: the nameservers of /etc/resolv.conf, whatever they are by now."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import program

SOON_SECONDS = 5.0


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What was seen on a host whose nameservers change (tests.support.resolv_conf)."""
    namespace = [program("unshare"), "--net", "--mount", "--map-root-user", "--"]
    ran = subprocess.run(
        [*namespace, sys.executable, "-m", "tests.support.resolv_conf", str(tmp_path_factory.mktemp("host"))],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize("change", ["written", "replaced", "linked", "linked elsewhere", "back"])
def test_other_nameservers_of_the_system_are_asked_soon_after_a_change(seen: dict[str, Any], change: str) -> None:
    assert seen[change] < SOON_SECONDS


def test_no_query_is_lost_and_no_worker_replaced_by_a_change(seen: dict[str, Any]) -> None:
    assert seen["in flight meanwhile"] == ["192.0.2.21"]
    assert seen["workers stay"]


def test_without_a_nameserver_ready_says_why_until_there_is_one(seen: dict[str, Any]) -> None:
    (why,) = seen["empty at the start"]["why"]
    assert "/etc/resolv.conf names none" in why
    assert seen["asked with nobody"] == "SERVFAIL"
    for step in ("ready once there is one", "this resolver alone", "ready again"):
        assert seen[step]["seconds"] < SOON_SECONDS, step


def test_this_resolver_is_left_out_and_told_and_those_known_before_are_asked_on(seen: dict[str, Any]) -> None:
    (why,) = seen["this resolver alone"]["why"]
    assert "names this resolver alone (127.0.0.1)" in why
    assert seen["asked with ourselves alone"] == ["192.0.2.22"]
    assert seen["asked after a reload"] == ["192.0.2.22"]
    assert seen["why after a reload"] == [why]
    assert any("127.0.0.1, which is this resolver itself" in event for event in seen["told"])


def test_behind_a_bind_to_all_addresses_each_of_this_machine_is_ours(seen: dict[str, Any]) -> None:
    ours = {tuple(pair) for pair in seen["ours"]}
    assert ours == {
        ("127.0.0.99", "0.0.0.0"),
        ("198.51.100.7", "0.0.0.0"),
        ("198.51.100.7", "198.51.100.7"),
        ("::1", "::"),
    }
