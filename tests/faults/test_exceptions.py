"""Exemptions and leases while processes are stopped, killed or started again: they hold, and end in time."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.granting import IN_FORCE_SECONDS, blocked, end_of, grant, lease, until_blocked
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until
from tests.support.unbound import Unbound


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, world: Unbound) -> Iterator[Moatdns]:
    """Two workers."""
    config = {"workers": 2, "upstream": {"servers": [world.server]}}
    with Moatdns(tmp_path_factory.mktemp("exceptions"), config, with_api=True) as moatdns:
        moatdns.api.post("groups", {"name": "vpn", "exempt": True})
        yield moatdns


def test_an_exemption_ends_in_time_with_the_control_process_stopped(office: Moatdns) -> None:
    made = grant(office, "127.0.0.11", 3)
    control = office.control()
    assert control is not None
    os.kill(control.pid, signal.SIGSTOP)
    try:
        worker = office.workers()[0]
        worker.kill()  # the one in its place has to know, too
        wait_until(lambda: len(office.workers()) == 2 and worker not in office.workers(), "another worker")
        assert blocked(office, "127.0.0.11") == {False}
        assert until_blocked(office, "127.0.0.11", end_of(made)) < IN_FORCE_SECONDS
        assert blocked(office, "127.0.0.11") == {True}
    finally:
        os.kill(control.pid, signal.SIGCONT)


def test_exemptions_and_leases_outlive_a_restart_and_end_in_time_after_it(office: Moatdns) -> None:
    made = grant(office, "127.0.0.12", 8)
    lease(office, "127.0.0.13", group="vpn")
    office.stop()
    office.start()
    assert blocked(office, "127.0.0.12") == {False}
    assert blocked(office, "127.0.0.13") == {False}
    assert until_blocked(office, "127.0.0.12", end_of(made)) < IN_FORCE_SECONDS


_MANY_LEASES = """
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 9999)
INSERT INTO leases (address, identity, "group", device, set_by, created_at, updated_at, ends_at)
SELECT '10.9.' || (n / 256) || '.' || (n % 256), identity, "group", 'd' || n, set_by, created_at, updated_at, ends_at
FROM leases, numbers WHERE address = '127.0.0.9'
"""


def test_the_first_call_after_a_start_waits_until_leases_are_read(tmp_path: Path) -> None:
    with Moatdns(tmp_path / "many", {"workers": 1}, with_api=True) as server:
        lease(server, "127.0.0.9")
        server.stop()
        with closing(sqlite3.connect(server.state_dir / "moatdns.sqlite")) as store, store:
            store.execute(_MANY_LEASES)  # which take a moment to read
        server.start()
        lease(server, "127.0.0.15")
