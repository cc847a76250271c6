"""A worker that ends is replaced, whatever else is amiss."""

from __future__ import annotations

import shutil
import signal
from typing import Any

from tests.conftest import StartMoatdns
from tests.support.clients import LOCALHOST, dig
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until

CONFIG: dict[str, Any] = {
    "workers": 1,
    "upstream": {"servers": ["127.0.0.1:1"]},
    "policy": {"lists": [{"name": "house", "block": ["a.example"]}]},
}


def kill_worker(server: Moatdns) -> None:
    """Kill the worker, and wait until another one answers."""
    server.expects_trouble = True
    (worker,) = server.workers()
    worker.send_signal(signal.SIGKILL)
    wait_until(lambda: [one.pid for one in server.workers()] not in ([], [worker.pid]), "another worker")
    wait_until(lambda: dig(server.port, "+timeout=1", "a.example").rdata == ["0.0.0.0"], "its answer")


def test_also_when_the_compiled_policy_has_been_deleted(moatdns: StartMoatdns) -> None:
    server = moatdns(CONFIG)
    shutil.rmtree(server.snapshots)
    kill_worker(server)


def test_also_when_a_compiled_policy_is_damaged_and_then_by_the_policy_in_force(moatdns: StartMoatdns) -> None:
    server = moatdns({**CONFIG, "policy": {"lists": [{"name": "house", "block": ["old.example"]}]}})
    server.reload(CONFIG)
    newest = max(server.snapshots.glob("*.trie"), key=lambda path: path.stat().st_mtime)
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    newest.unlink()  # what is mapped stays as it is
    newest.write_bytes(content)
    kill_worker(server)
    assert dig(server.port, "+timeout=1", "a.example").rdata == ["0.0.0.0"]


def test_also_with_an_upstream_on_an_interface_that_is_not_there(moatdns: StartMoatdns) -> None:
    zones = {"corp.example": ["udp://[fe80::1%nosuch0]:53"]}
    server = moatdns({**CONFIG, "upstream": {"servers": ["127.0.0.1:1"], "zones": zones}})
    assert dig(server.port, "www.corp.example").status == "SERVFAIL"
    kill_worker(server)


def test_also_with_thousands_of_networks_to_serve(moatdns: StartMoatdns) -> None:
    networks = [f"10.{number // 256}.{number % 256}.0/24" for number in range(5_000)]
    server = moatdns(CONFIG)
    server.reload({**CONFIG, "clients": {"allow": [f"{LOCALHOST}/32", *networks]}})
    kill_worker(server)


def test_an_edited_config_is_not_in_force_before_it_is_reloaded_even_then(moatdns: StartMoatdns) -> None:
    server = moatdns({**CONFIG, "policy": {"lists": [{"name": "house", "block": ["a.example", "old.example"]}]}})
    server.reload(CONFIG)
    newest = max(server.snapshots.glob("*.trie"), key=lambda path: path.stat().st_mtime)
    newest.unlink()
    known = len(server.events_named("policy in force"))
    server.write_config({**CONFIG, "policy": {"lists": [{"name": "house", "block": ["edited.example"]}]}})
    kill_worker(server)
    wait_until(lambda: len(server.events_named("policy in force")) > known, "the policy, compiled anew")
    assert dig(server.port, "+timeout=6", "edited.example").status == "SERVFAIL"  # not blocked, and no upstream
    assert dig(server.port, "+timeout=6", "old.example").status == "SERVFAIL"  # nor is the one before
