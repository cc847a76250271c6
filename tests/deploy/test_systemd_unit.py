"""The unit that ships, as systemd itself judges it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.support.programs import program

UNIT = Path(__file__).resolve().parents[2] / "deploy" / "systemd" / "moatdns.service"
MOST_EXPOSURE = 2.0  # of 10


def test_the_unit_leaves_a_broken_in_worker_little_to_reach() -> None:
    command = [program("systemd-analyze"), "security", "--offline=true", "--no-pager", str(UNIT)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)
    assert found, told
    assert float(found[1]) <= MOST_EXPOSURE


def test_the_unit_gives_one_capability_and_no_root() -> None:
    lines = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if "=" in line and line[0] != "#")
    assert lines["User"] == "moatdns"
    assert lines["AmbientCapabilities"] == lines["CapabilityBoundingSet"] == "CAP_NET_BIND_SERVICE"
    assert lines["NoNewPrivileges"] in ("yes", "true")
    assert lines["ProtectSystem"] == "strict"
    assert lines["SystemCallFilter"]


def test_the_unit_is_never_given_up_on_and_its_ports_wait_for_their_addresses() -> None:
    section = UNIT.read_text().partition("[Service]")[0]
    assert "StartLimitIntervalSec=0" in section.splitlines()
    assert "Restart=always" in UNIT.read_text().splitlines()
    assert "FreeBind=yes" in UNIT.with_suffix(".socket").read_text().splitlines()
    verify = [program("systemd-analyze"), "verify", "--man=no", str(UNIT.with_suffix(".socket"))]
    told = subprocess.run(verify, capture_output=True, text=True, timeout=60, check=False)
    assert "Unknown" not in told.stdout + told.stderr
