"""Two nodes on one PostgreSQL: the second does not start beside the first, and takes over from a dead one."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import ask, is_blocked, is_blocked_everywhere
from tests.support.moatdns import Moatdns
from tests.support.postgres import Postgres
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, free_port, wait_until

CONFIG: dict[str, Any] = {"workers": 1, "upstream": {"servers": ["127.0.0.1:1"]}}


@pytest.fixture(scope="module")
def config() -> Iterator[dict[str, Any]]:
    """That of both nodes."""
    with Postgres() as postgres:
        yield {**CONFIG, "store": {"url": postgres.url("postgres")}}


def launched(folder: Path, config: dict[str, Any]) -> Moatdns:
    server = Moatdns(folder, config, with_api=True)
    server.port, server.admin_port = free_port(), free_port()
    server.write_config(config)
    server.launch()
    return server


def test_the_second_node_is_refused_and_takes_over_from_a_dead_one(tmp_path: Path, config: dict[str, Any]) -> None:
    first = Moatdns(tmp_path / "first", config, with_api=True)
    first.start()
    first.api.post("lists", {"name": "house", "block": ["blocked.example", "granted.example"]})
    grant = {"subject": {"client": "127.0.0.1"}, "scope": ["granted.example"], "owner": "ana", "reason": "a test"}
    first.api.post("exemptions", {**grant, "duration_seconds": 3600})
    assert not is_blocked(ask(first.port, "granted.example"))
    # Without a state of its own, and with a copy of the first one's.
    for name in ("fresh", "copy"):
        folder = tmp_path / name
        if name == "copy":
            shutil.copytree(first.state_dir, folder / "state")
        second = launched(folder, config)
        assert second.process is not None
        assert second.process.wait(2 * PATIENCE_SECONDS) == 1
        assert "is served by another node" in second.log_text
        assert f"process {first.pid}" in second.log_text
    # Commands work beside the node that serves.
    made = subprocess.run(
        [MOATDNS, "token", "create", "--name", "beside", "--role", "viewer", "--config", str(first.config_file)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert first.api.get("/ready") == {"status": "ready", "why": []}
    # The first hangs, as a machine that was cut off: the other has its place within ten seconds, and a little to start.
    family = first.family()
    for process in family:
        process.suspend()
    try:
        began = time.monotonic()
        second = launched(tmp_path / "copy", config)
        second.wait_for("serving", seconds=2 * PATIENCE_SECONDS)
        assert time.monotonic() - began < 2 * PATIENCE_SECONDS
        assert is_blocked(ask(second.port, "blocked.example"))
        second.api.post("lists", {"name": "second", "block": ["second.example"]})
    finally:
        for process in family:
            process.resume()
    # Back again, it changes nothing, says so, and goes on answering.
    api = first.api
    wait_until(lambda: api.call("GET", "/ready").body["status"] == "degraded", "the first has noticed")
    refused = api.call("POST", "lists", {"name": "third"})
    assert refused.status == 503
    assert "node" in refused.body["detail"]
    assert is_blocked(ask(first.port, "blocked.example"))
    # The other may have revoked it: here it is not open any more.
    wait_until(lambda: is_blocked_everywhere(first.port, "granted.example"), "the exemption is out of force")
    # What ends leaves its place at once.
    second.stop()
    wait_until(lambda: api.call("GET", "/ready").body["status"] == "ready", "the first has its place again")
    api.post("lists", {"name": "fourth"})
    assert is_blocked(ask(first.port, "second.example"))
    assert not is_blocked(ask(first.port, "granted.example"))
    first.stop()
