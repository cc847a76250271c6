"""DNS over TCP: many queries on one connection, and bounds for those who keep connections open."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator

import dns.message
import dns.rcode
import pytest

from tests.conftest import OFFICE, StartMoatdns
from tests.support.clients import LOCALHOST, TcpClient, dig, is_blocked, query, rdata
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until
from tests.support.stub import DEFAULT_ANSWER, StubUpstream

LIMITS = {"tcp_idle_seconds": 1.0, "tcp_connections": 5, "tcp_queries_per_connection": 40}


@pytest.fixture(scope="module")
def slow() -> Iterator[StubUpstream]:
    """An upstream that thinks for a second about some names."""
    with StubUpstream() as upstream:
        upstream.delays = {"slow.example": 1.0, "half-closed.example": 1.0, "flood.example": 1.0, "slower.example": 1.5}
        yield upstream


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, slow: StubUpstream) -> Iterator[Moatdns]:
    """A server with one worker and narrow bounds for TCP."""
    config = {**OFFICE, "workers": 1, "limits": LIMITS, "upstream": {"servers": [slow.server]}}
    with Moatdns(tmp_path_factory.mktemp("strict"), config, listen_ipv6=True) as moatdns:
        yield moatdns


def closed_within(client: TcpClient, seconds: float) -> bool:
    """Whether the server closes the connection in time, with nothing more to say."""
    client.connection.settimeout(seconds)
    try:
        return client.connection.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def test_pipelined_queries_on_one_connection_are_all_answered(strict: Moatdns) -> None:
    with TcpClient(strict.port) as client:
        asked = {m.id: m for m in (query(f"n{number}.example") for number in range(30))}
        client.send(*asked.values())
        for _ in range(len(asked)):
            response = client.receive()
            assert asked.pop(response.id).is_response(response)
            assert rdata(response) == [DEFAULT_ANSWER]
    assert not asked


def test_dig_keeps_one_connection_open_for_several_queries(strict: Moatdns) -> None:
    dug = dig(strict.port, "+tcp", "+keepopen", "claude.ai", "+tcp", "+keepopen", "plain.example", "+tcp", "+keepopen")
    assert dug.text.count("status: NOERROR") == 2


def test_a_slow_answer_does_not_hold_up_a_fast_one(strict: Moatdns) -> None:
    with TcpClient(strict.port) as client:
        slow, fast, blocked = query("slow.example"), query("fast.example"), query("claude.ai")
        client.send(slow, fast, blocked)
        order = [client.receive().id for _ in range(3)]
    assert order[-1] == slow.id
    assert set(order) == {slow.id, fast.id, blocked.id}


def test_a_query_in_pieces_is_answered(strict: Moatdns) -> None:
    with TcpClient(strict.port) as client:
        client.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = query("claude.ai").to_wire()
        for octet in struct.pack("!H", len(wire)) + wire:
            client.connection.sendall(bytes((octet,)))
            time.sleep(0.002)
        assert is_blocked(client.receive())


def test_an_idle_connection_is_closed_and_a_busy_one_is_not(strict: Moatdns) -> None:
    began = time.monotonic()
    with TcpClient(strict.port) as idle, TcpClient(strict.port) as waiting:
        waiting.send(query("slower.example"))
        assert closed_within(idle, 10)
        assert time.monotonic() - began >= 0.9
        assert rdata(waiting.receive()) == [DEFAULT_ANSWER]
        assert time.monotonic() - began >= 1.4
        assert closed_within(waiting, 10)


def test_a_client_that_sends_one_octet_at_a_time_for_ever_is_cut_off(strict: Moatdns) -> None:
    with TcpClient(strict.port) as client:
        began = time.monotonic()
        client.connection.sendall(b"\x40\x00")  # 16 KiB are promised
        client.connection.settimeout(0.4)
        while time.monotonic() - began < 6:
            try:
                client.connection.sendall(b"x")
                if client.connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert time.monotonic() - began < 5


def test_a_client_that_has_sent_its_last_query_still_gets_the_answers(strict: Moatdns) -> None:
    with TcpClient(strict.port) as client:
        client.send(query("half-closed.example"), query("claude.ai"))
        client.connection.shutdown(socket.SHUT_WR)
        assert is_blocked(client.receive())
        assert rdata(client.receive()) == [DEFAULT_ANSWER]
        assert closed_within(client, 10)


def test_the_connection_that_is_silent_for_longest_makes_room_for_a_new_one(strict: Moatdns) -> None:
    with contextlib.ExitStack() as held:
        clients = [held.enter_context(TcpClient(strict.port)) for _ in range(5)]
        for client in clients:
            assert is_blocked(client.ask("claude.ai"))
        assert is_blocked(clients[0].ask("claude.ai"))
        sixth = held.enter_context(TcpClient(strict.port))
        assert is_blocked(sixth.ask("claude.ai"))
        assert closed_within(clients[1], 0.5)
        assert is_blocked(clients[0].ask("claude.ai"))
    assert strict.counts()["tcp_connections"] >= 1


def test_no_connection_whose_client_waits_makes_room_for_a_new_one(strict: Moatdns, slow: StubUpstream) -> None:
    names = [f"wait-{number}.example" for number in range(5)]
    slow.delays.update(dict.fromkeys(names, 0.7))
    with contextlib.ExitStack() as held:
        clients = [held.enter_context(TcpClient(strict.port)) for _ in names]
        for client, name in zip(clients, names, strict=True):
            client.send(query(name))
        wait_until(lambda: all(slow.times_asked(name) for name in names), "that all of them wait")
        with TcpClient(strict.port) as sixth, contextlib.suppress(ConnectionError, EOFError):
            sixth.ask("claude.ai")
            pytest.fail("a sixth connection is served")
        assert [rdata(client.receive()) for client in clients] == [[DEFAULT_ANSWER]] * len(names)
        assert is_blocked(held.enter_context(TcpClient(strict.port)).ask("claude.ai"))


def test_connections_are_bounded_over_all_addresses_of_a_worker(strict: Moatdns) -> None:
    wire = query("claude.ai").to_wire()
    with contextlib.ExitStack() as held:
        connections = []
        for host in (LOCALHOST, "::1"):
            for _ in range(5):
                connections.append(held.enter_context(socket.create_connection((host, strict.port), 10)))
                connections[-1].sendall(struct.pack("!H", len(wire)) + wire)
                assert connections[-1].recv(4096)
        is_open = []
        for connection in connections:
            connection.settimeout(0.01)
            try:
                is_open.append(connection.recv(1) != b"")
            except TimeoutError:
                is_open.append(True)
            except ConnectionError:
                is_open.append(False)
        assert is_open == [False] * 5 + [True] * 5


def test_more_queries_in_flight_than_allowed_wait_their_turn_and_are_all_answered(
    strict: Moatdns, slow: StubUpstream
) -> None:
    most = LIMITS["tcp_queries_per_connection"]
    names = [f"flood-{number}.example" for number in range(3 * int(most))]
    slow.delays.update(dict.fromkeys(names, 0.3))
    with TcpClient(strict.port) as other, TcpClient(strict.port) as greedy:
        began = time.monotonic()
        greedy.send(*[query(name) for name in names])
        assert is_blocked(other.ask("claude.ai"))
        answered = {greedy.receive().question[0].name.to_text(omit_final_dot=True) for _ in names}
    assert answered == set(names)
    assert time.monotonic() - began > 0.8  # three turns


def test_a_response_over_tcp_ends_the_connection(strict: Moatdns) -> None:
    with TcpClient(strict.port) as client:
        client.send(dns.message.make_response(query("claude.ai")))
        assert closed_within(client, 0.9)


def test_a_malformed_query_over_tcp_is_told_so_and_the_connection_goes_on(strict: Moatdns) -> None:
    with TcpClient(strict.port) as client:
        client.send(query("claude.ai").to_wire()[:-1])
        assert client.receive().rcode() == dns.rcode.FORMERR
        assert is_blocked(client.ask("claude.ai"))


def test_a_client_that_reads_nothing_does_not_grow_the_server(moatdns: StartMoatdns, slow: StubUpstream) -> None:
    large = "\n".join(f'large.example. 300 IN TXT "{number:03} {"x" * 200}"' for number in range(200))
    slow.records["large.example"] = large
    limits = {"tcp_write_buffer_bytes": 100_000}
    server = moatdns({**OFFICE, "workers": 1, "limits": limits, "upstream": {"servers": [slow.server]}})
    with TcpClient(server.port) as warm:
        assert len(warm.ask("large.example", "TXT").answer[0]) == 200
    [worker] = server.workers()
    before = worker.memory_info().rss
    with TcpClient(server.port) as greedy:
        greedy.connection.settimeout(10)
        wire = query("large.example", "TXT").to_wire()
        framed = struct.pack("!H", len(wire)) + wire
        with contextlib.suppress(ConnectionError, TimeoutError):
            for _ in range(2_000):  # 85 MB of answers, if anybody took them
                greedy.connection.sendall(framed)
        with TcpClient(server.port) as other:
            assert is_blocked(other.ask("claude.ai"))
        assert worker.memory_info().rss - before < 30 << 20
    assert server.counts().get("tcp_write_buffer_bytes", 0) >= 1
