"""The rules for nftables and for iptables, loaded on a gateway between a client, this resolver and a foreign one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.programs import program

CLOSED = ("53", "853", "doh", "vendor")


def test_a_client_that_reached_foreign_resolvers_reaches_this_one_alone_which_still_asks_others(tmp_path: Path) -> None:
    namespace = [program("unshare"), "--net", "--map-root-user", "--"]
    ran = subprocess.run(
        [*namespace, sys.executable, "-m", "tests.support.firewalled", str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    before = found["reached"]["before"]
    assert len(before) == 20
    assert before == dict.fromkeys(before, True)
    closed = {place: not place.startswith(CLOSED) for place in before}
    four_closed = {place: is_open or place.endswith(" 6") for place, is_open in closed.items()}
    assert found["reached"] == {
        "before": before,
        "nftables": closed,
        "nftables of IPv4 alone": four_closed,
        "after nftables": before,
        "iptables": closed,
        "iptables of IPv4 alone": four_closed,
        "after iptables": before,
    }
    assert found["own"] == {name: ["203.0.113.99"] for name in ("nftables", "iptables")}
