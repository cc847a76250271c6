"""SIGHUP: a changed config is in force, a bad one is not, and no query is lost."""

from __future__ import annotations

import copy
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dns.rcode
import pytest

from tests.conftest import StartMoatdns
from tests.support.clients import TcpClient, ask, ede, is_blocked, rdata, ttls
from tests.support.moatdns import Moatdns
from tests.support.steady import SteadyQueries
from tests.support.unbound import Unbound

OTHER = "127.0.0.9"


def config_with(world: Unbound, *, block: list[str] | None = None, **keys: Any) -> dict[str, Any]:
    """A config with the names in `block` on the company's own list."""
    lists = [{"name": "house", "block": block or ["house.example"]}]
    return {"workers": 2, "upstream": {"servers": [world.server]}, "policy": {"lists": lists}, **copy.deepcopy(keys)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, world: Unbound) -> Iterator[Moatdns]:
    """A server that tests reload; each begins with a config of its own."""
    with Moatdns(tmp_path_factory.mktemp("reloaded"), config_with(world)) as moatdns:
        yield moatdns


def test_a_changed_policy_is_in_force_over_udp_and_on_a_connection_that_was_open(
    server: Moatdns, world: Unbound
) -> None:
    server.reload(config_with(world))
    workers = {worker.pid for worker in server.workers()}
    with TcpClient(server.port) as connection:
        for _ in range(3):
            assert is_blocked(ask(server.port, "house.example"))
            assert is_blocked(connection.ask("house.example"))
            assert not is_blocked(ask(server.port, "plain.example"))
            assert not is_blocked(connection.ask("plain.example"))
        event = server.reload(config_with(world, block=["plain.example"]))
        assert event["event"] == "reloaded"
        assert event["workers_replaced"] == 0
        for _ in range(20):
            assert is_blocked(ask(server.port, "plain.example"))
            assert not is_blocked(ask(server.port, "house.example"))
        assert is_blocked(connection.ask("plain.example"))
        assert rdata(connection.ask("house.example")) == ["198.51.100.40"]
    assert {worker.pid for worker in server.workers()} == workers


def test_a_changed_group_and_response_are_in_force(server: Moatdns, world: Unbound) -> None:
    config = config_with(world)
    server.reload(config)
    assert is_blocked(ask(server.port, "claude.ai", client=OTHER))
    config["policy"]["groups"] = [{"name": "research", "networks": [OTHER], "exempt": True}]
    config["policy"]["response"] = {"mode": "nxdomain", "ttl_seconds": 3}
    server.reload(config)
    assert rdata(ask(server.port, "claude.ai", client=OTHER)) == ["198.51.100.1"]
    assert ttls(ask(server.port, "claude.ai", client=OTHER))[0] <= 60
    assert ask(server.port, "claude.ai").rcode() == dns.rcode.NXDOMAIN


def test_a_bad_config_keeps_the_old_one_and_the_log_says_where_and_why(server: Moatdns, world: Unbound) -> None:
    server.reload(config_with(world))
    good = server.config_file.read_text()
    known = len(server.events)
    server.config_file.write_text(good + "cache: {max_ttl_secunds: 5}\nworkers: 0\n")
    event = server.hang_up()
    assert event["level"] == "error"
    problems = [event["problem"] for event in server.events[known:] if "problem" in event]
    line = good.count("\n") + 1
    assert any(p.startswith(f"{server.config_file}:{line}: cache.max_ttl_secunds: ") for p in problems), problems
    assert any("max_ttl_seconds" in p for p in problems), problems
    assert is_blocked(ask(server.port, "house.example"))
    assert rdata(ask(server.port, "plain.example")) == ["198.51.100.30"]
    server.config_file.write_text("policy: {groups: [")
    assert server.hang_up()["level"] == "error"
    server.config_file.unlink()
    assert server.hang_up()["level"] == "error"
    assert is_blocked(ask(server.port, "house.example"))
    assert server.reload(config_with(world, block=["plain.example"]))["event"] == "reloaded"
    assert is_blocked(ask(server.port, "plain.example"))


def test_a_reload_without_a_change_compiles_nothing_and_replaces_nobody(server: Moatdns, world: Unbound) -> None:
    server.reload(config_with(world))
    workers = {worker.pid for worker in server.workers()}
    compiled = len(server.events_named("policy compiled"))
    assert server.hang_up()["workers_replaced"] == 0
    assert len(server.events_named("policy compiled")) == compiled
    assert {worker.pid for worker in server.workers()} == workers


def test_changed_client_networks_take_effect_and_no_query_is_lost(server: Moatdns, world: Unbound) -> None:
    server.reload(config_with(world))
    workers = {worker.pid for worker in server.workers()}
    assert not ede(ask(server.port, "plain.example", client=OTHER))
    with SteadyQueries(
        server.port, ["claude.ai", "plain.example", "notclaude.ai", "house.example"], tcp=True
    ) as steady:
        event = server.reload(config_with(world, clients={"allow": ["127.0.0.1"]}))
        assert event["workers_replaced"] == 2
        assert ask(server.port, "plain.example", client=OTHER).rcode() == dns.rcode.REFUSED
        server.reload(config_with(world))
    assert not workers & {worker.pid for worker in server.workers()}
    assert rdata(ask(server.port, "plain.example", client=OTHER)) == ["198.51.100.30"]
    assert steady.answered > 100
    assert not steady.lost, f"{len(steady.lost)} of {steady.answered}: {steady.lost[:5]}"


@pytest.mark.alone
def test_ten_reloads_under_steady_queries_lose_none(server: Moatdns, world: Unbound) -> None:
    server.reload(config_with(world))
    with SteadyQueries(server.port, ["claude.ai", "plain.example", "notclaude.ai"], tcp=True) as steady:
        for number in range(10):
            event = server.reload(config_with(world, block=[f"number-{number}.example"]))
            assert event["event"] == "reloaded"
            assert is_blocked(ask(server.port, f"number-{number}.example"))
            assert not is_blocked(ask(server.port, f"number-{number - 1}.example"))
    assert steady.answered > 100
    assert not steady.lost, f"{len(steady.lost)} of {steady.answered}: {steady.lost[:5]}"


def test_many_signals_at_once_end_in_the_newest_config(server: Moatdns, world: Unbound) -> None:
    server.reload(config_with(world))
    for number in range(10):
        server.write_config(config_with(world, block=[f"burst-{number}.example"]))
        server.signal(signal.SIGHUP)
    server.hang_up()
    server.hang_up()  # the one before may have answered a signal of the burst
    assert is_blocked(ask(server.port, "burst-9.example"))
    assert not is_blocked(ask(server.port, "burst-0.example"))


def test_what_needs_a_restart_is_said_and_the_rest_is_reloaded(server: Moatdns, world: Unbound) -> None:
    server.reload(config_with(world))
    event = server.reload({**config_with(world, block=["plain.example"]), "workers": 3})
    assert event["event"] == "reloaded"
    assert any("restart" in event["event"] and event["level"] == "warning" for event in server.events)
    assert len(server.workers()) == 2
    assert is_blocked(ask(server.port, "plain.example"))


def test_changed_upstreams_are_in_force(moatdns: StartMoatdns, world: Unbound) -> None:
    server = moatdns({"workers": 1, "upstream": {"servers": ["udp://127.0.0.1:9"], "timeout_seconds": 0.2}})
    assert ask(server.port, "plain.example").rcode() == dns.rcode.SERVFAIL
    server.reload(config_with(world, workers=1))
    assert rdata(ask(server.port, "plain.example")) == ["198.51.100.30"]


def test_a_connection_made_just_before_a_worker_is_replaced_still_gets_its_answer(
    server: Moatdns, world: Unbound
) -> None:
    server.reload(config_with(world))
    over = threading.Event()

    def clients_that_are_far_away() -> list[str]:
        """Ask over TCP, each query 20 ms after its connection: what went wrong."""
        lost = []
        while not over.is_set():
            try:
                with TcpClient(server.port) as client:
                    time.sleep(0.02)
                    client.ask("claude.ai")
            except (OSError, EOFError) as error:
                lost.append(repr(error))
        return lost

    with ThreadPoolExecutor(8) as together:
        asked = [together.submit(clients_that_are_far_away) for _ in range(8)]
        try:
            for size in (8, 64):
                assert server.reload(config_with(world, cache={"max_mib": size}))["workers_replaced"] == 2
        finally:
            over.set()
        assert [error for lost in asked for error in lost.result()] == []
