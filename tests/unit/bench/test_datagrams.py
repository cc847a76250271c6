"""The load over UDP, against the echo and against a server that never answers. Both programs are compiled here."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.datagrams import GROUPS, address_of, at_rate, network_of, saturate, write_queries
from bench.errors import BenchError
from bench.kinds import echo
from bench.kinds.job import Job
from bench.queries import Asked
from bench.servers import Running, running

QUERIES = [Asked(f"n{number}.example", client=number % 20) for number in range(200)]


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running echo."""
    with running(echo.server(), Job((), (), 0), tmp_path_factory.mktemp("echo")) as server:
        yield server


@pytest.mark.slow
def test_each_query_is_asked_once_and_answered(floor: Running, tmp_path: Path) -> None:
    write_queries(tmp_path / "queries", QUERIES)
    load = saturate(floor.ports.do53, tmp_path / "queries", 10.0, once=True)
    assert (load.sent, load.answered, load.failed, load.lost) == (200, 200, 0, 0)


@pytest.mark.slow
def test_a_rate_is_kept_and_each_answer_is_timed(floor: Running, tmp_path: Path) -> None:
    write_queries(tmp_path / "queries", QUERIES)
    load, latency = at_rate(floor.ports.do53, tmp_path / "queries", 0.5, 2_000)
    assert 0 < load.sent < 1_300  # a thousand, if the machine lets it run
    assert load.answered == load.sent
    assert 0 < latency.p50 <= latency.p99 <= latency.p999


@pytest.mark.slow
def test_queries_come_from_their_clients_addresses_and_unanswered_ones_are_lost(tmp_path: Path) -> None:
    write_queries(tmp_path / "queries", QUERIES)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        load = saturate(silent.getsockname()[1], tmp_path / "queries", 0.1)
        silent.settimeout(5)
        sources = {silent.recvfrom(512)[1][0] for _ in range(load.sent)}
    assert (load.sent, load.answered, load.lost) == (150, 0, 150)
    assert sources == {address_of(client) for client in range(20)}


@pytest.mark.slow
def test_a_file_that_is_no_list_of_queries_is_refused(tmp_path: Path) -> None:
    (tmp_path / "queries").write_bytes(bytes(64))
    with pytest.raises(BenchError, match="the load ended with status 1"):
        saturate(53, tmp_path / "queries", 0.1)


def test_clients_are_in_the_groups_by_turns() -> None:
    for client in range(1000):
        assert ipaddress.ip_address(address_of(client)) in ipaddress.ip_network(network_of(client % GROUPS))
    assert len({address_of(client) for client in range(1000)}) == 1000
