"""Both ways to read datagrams, one by one and by the batch, under the same tests."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import random
import socket
import time
from collections.abc import Iterator

import dns.message
import dns.rcode
import pytest

from prove.mutations import is_response, mutated, seeds
from resolver.config.settings import Limits
from resolver.listeners import udp
from resolver.listeners.batched_calls import BATCH
from resolver.listeners.datagrams import batches_for, peer_of
from resolver.listeners.udp import udp_listener

from ..answering.test_pipeline_rates import BLOCKED, Asked

BURST = 3 * BATCH + 7
LOCAL = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


class Office:
    """A pipeline behind a UDP socket."""

    def __init__(self, open_sockets: contextlib.ExitStack, *, by_batch: bool, family: int = socket.AF_INET) -> None:
        self._open_sockets = open_sockets
        self._family = socket.AddressFamily(family)
        self.asked = Asked(clock=time.monotonic, queries_per_second=0)
        self._server = self.socket(LOCAL[self._family])
        self.listener = udp_listener(
            asyncio.get_running_loop(),
            self._server,
            self.asked.pipeline,
            self.asked.counters,
            Limits(),
            by_batch=by_batch,
        )

    def socket(self, address: str) -> socket.socket:
        """A socket at an address."""
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
        one = self._open_sockets.enter_context(socket.socket(self._family, kind))
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        one.bind((address, 0))
        return one

    def close(self) -> None:
        """Close the listener's socket."""
        self._server.close()

    def client(self, address: str = "") -> socket.socket:
        """A client's socket."""
        one = self.socket(address or LOCAL[self._family])
        one.connect(self._server.getsockname())
        return one


@pytest.fixture
def open_sockets() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


async def heard(client: socket.socket, count: int) -> list[bytes]:
    """So many answers, in the order in which they come."""
    loop = asyncio.get_running_loop()
    return [await asyncio.wait_for(loop.sock_recv(client, 4096), 5) for _ in range(count)]


def query(number: int, name: str = BLOCKED) -> bytes:
    """A query with this ID."""
    wire = dns.message.make_query(name, "A", use_edns=0).to_wire()
    return number.to_bytes(2, "big") + wire[2:]


both = pytest.mark.parametrize("by_batch", [True, False], ids=["batch", "one by one"])


@both
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
async def test_each_query_of_a_burst_is_answered_once(
    by_batch: bool, family: int, open_sockets: contextlib.ExitStack
) -> None:
    office = Office(open_sockets, by_batch=by_batch, family=family)
    client = office.client()
    for _ in range(2):  # at first the client is not known, and nothing is ready
        for number in range(BURST):
            client.send(query(number))
        answers = await heard(client, BURST)
        assert sorted(int.from_bytes(answer[:2], "big") for answer in answers) == list(range(BURST))
    office.listener.stop()
    if family == socket.AF_INET:
        assert {dns.message.from_wire(answer).rcode() for answer in answers} == {dns.rcode.NOERROR}
        assert office.asked.counters.outcomes()["blocked"] == 2 * BURST
    else:  # by clients.allow
        assert {dns.message.from_wire(answer).rcode() for answer in answers} == {dns.rcode.REFUSED}


@both
async def test_clients_of_several_groups_in_one_burst_get_each_its_own_answers(
    by_batch: bool, open_sockets: contextlib.ExitStack
) -> None:
    office = Office(open_sockets, by_batch=by_batch)
    clients = [office.client(f"127.0.0.{last}") for last in (1, 2, 3)]  # the second is exempt
    for number in range(BURST):
        for client in clients:
            client.send(query(number, f"{number % 3}.{BLOCKED}"))
        if number % BATCH == 0:
            await asyncio.sleep(0.001)
    for place in (0, 2):
        answers = await heard(clients[place], BURST)
        assert sorted(int.from_bytes(answer[:2], "big") for answer in answers) == list(range(BURST))
        assert {dns.message.from_wire(answer).answer[0][0].to_text() for answer in answers} == {"0.0.0.0"}
    office.listener.stop()
    assert set(office.asked.upstream.names) == {f"{number}.{BLOCKED}" for number in range(3)}
    with contextlib.suppress(BlockingIOError):
        while True:  # most of its queries are with the upstream; those beyond the bound for that are told so
            assert dns.message.from_wire(clients[1].recv(4096)).rcode() == dns.rcode.SERVFAIL


@both
async def test_a_client_whose_policy_changes_is_another_in_the_next_batch(
    by_batch: bool, open_sockets: contextlib.ExitStack
) -> None:
    office = Office(open_sockets, by_batch=by_batch)
    client = office.client()
    clients = office.asked.pipeline.clients
    for _ in range(3):
        for number in range(BURST):
            client.send(query(number))
        await heard(client, BURST)
        before = clients.at("127.0.0.1")
        clients.forget()
        assert clients.at("127.0.0.1") is not before
        assert not clients.by_octets
    office.listener.stop()


@both
async def test_what_is_mutated_or_empty_stops_no_reader(by_batch: bool, open_sockets: contextlib.ExitStack) -> None:
    office = Office(open_sockets, by_batch=by_batch)
    chance = random.Random(7)
    valid = seeds()
    client, other = office.client("127.0.0.1"), office.client("127.0.0.3")
    troubles: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: troubles.append(context))
    for turn in range(12):
        for _ in range(BATCH):
            client.send(packet if not is_response(packet := mutated(chance.choice(valid), chance)) else b"")
        other.send(query(turn))
        assert (await heard(other, 1))[0][:2] == turn.to_bytes(2, "big")
    office.listener.stop()
    assert not troubles


async def test_a_batch_knows_each_peer_as_the_socket_module_does(open_sockets: contextlib.ExitStack) -> None:
    for family, address in LOCAL.items():
        server, client = (
            open_sockets.enter_context(socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
            for _ in range(2)
        )
        server.bind((address, 0))
        client.bind((address, 0))
        client.connect(server.getsockname())
        for size in (0, 1, 4096):
            client.send(b"x" * size)
        client.send(b"y" * 5000)
        batches = batches_for(family)
        assert batches is not None
        came = batches.receive(server.fileno())
        assert [octets for _, octets in came] == [b"", b"x", b"x" * 4096, b"y" * 4096]
        assert {peer_of(name) for name, _ in came} == {client.getsockname()}
        with pytest.raises(BlockingIOError):
            batches.receive(server.fileno())


async def test_an_answer_that_cannot_be_sent_keeps_no_other_from_being_sent(
    open_sockets: contextlib.ExitStack,
) -> None:
    office = Office(open_sockets, by_batch=True)
    client = office.client()
    batches = batches_for(socket.AF_INET)
    assert batches is not None
    good = client.getsockname()
    name = socket.AF_INET.to_bytes(2, "little") + good[1].to_bytes(2, "big") + socket.inet_aton(good[0]) + bytes(8)
    nobody = name[:2] + bytes(2) + name[4:]  # port 0 is none
    sender = office.socket("127.0.0.1")
    assert batches.send(sender.fileno(), [(nobody, b"1"), (name, b"2"), (nobody, b"3"), (name, b"4")]) == 2
    receiver = office.socket("127.0.0.1")
    name = name[:2] + receiver.getsockname()[1].to_bytes(2, "big") + name[4:]
    assert batches.send(sender.fileno(), [(nobody, b"1"), (name, b"2"), (nobody, b"3"), (name, b"4")]) == 2
    assert await heard(receiver, 2) == [b"2", b"4"]


@both
@pytest.mark.interpreted_only
async def test_of_equal_queries_that_wait_the_first_brings_the_answer_of_all(
    by_batch: bool, open_sockets: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolver.listeners.backlog.CALLBACK_SECONDS", 0.0)  # a turn has room for the least
    office = Office(open_sockets, by_batch=by_batch)
    pipeline, worked_out = office.asked.pipeline, []
    answer_now = pipeline.answer_now
    monkeypatch.setattr(pipeline, "answer_now", lambda *query: worked_out.append(query) or answer_now(*query))
    client = office.client()
    for number in range(BURST):
        client.send(query(number))
    answers = await heard(client, BURST)
    office.listener.stop()
    assert sorted(int.from_bytes(answer[:2], "big") for answer in answers) == list(range(BURST))
    assert office.asked.counters.outcomes()["blocked"] == BURST
    assert len(worked_out) < BURST // 2


class Denied:
    """Batches in a sandbox that lets nobody receive any."""

    def receive(self, descriptor: int) -> list[tuple[bytes, bytes]]:
        raise PermissionError(errno.EPERM, f"recvmmsg on {descriptor}")


@pytest.mark.interpreted_only
async def test_where_batches_are_denied_datagrams_are_read_one_by_one(
    open_sockets: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp, "batches_for", lambda _family: Denied())
    office = Office(open_sockets, by_batch=True)
    client = office.client()
    for _ in range(2):
        for number in range(BURST):
            client.send(query(number))
        assert len(await heard(client, BURST)) == BURST
    office.listener.stop()
