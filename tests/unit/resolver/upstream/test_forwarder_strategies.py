"""Which server is asked first, how many at once, and how many questions wait for one."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from resolver.config.settings import UpstreamServer
from resolver.errors import UpstreamBusy
from tests.unit.resolver.upstream.stub import (
    Behaviour,
    Stub,
    answers,
    ask,
    eventually,
    question,
    reply,
    says,
    stays_silent,
)


def after(seconds: float, stub_of) -> Behaviour:
    """Answers so much later."""

    def answers_late(query: bytes) -> list[bytes]:
        stub: Stub = stub_of()
        port = stub.ports[-1]
        assert stub.transport
        asyncio.get_running_loop().call_later(seconds, stub.transport.sendto, reply(query), ("127.0.0.1", port))
        return []

    return answers_late


async def test_the_fastest_is_found_and_asked_first(start_stub, forwarder_for, clock) -> None:
    slow = await start_stub(after(0.25, lambda: slow))
    fast = await start_stub()
    forwarder = forwarder_for(slow, fast, strategy="fastest", timeout_seconds=2, max_seconds=4)
    await ask(forwarder).answer()  # the second is measured beside it
    await eventually(lambda: forwarder.servers[1].latency)
    clock.ahead_seconds += 1.01
    await ask(forwarder).answer()
    asked_slow = len(slow.queries)
    for i in range(20):
        asked = ask(forwarder, question(f"n{i}.example"))
        await asked.answer()
        assert asked.fair_seconds < 0.2
    assert len(slow.queries) <= asked_slow + 1
    assert forwarder.servers[0].latency > 0.24 > forwarder.servers[1].latency


@pytest.mark.slow
async def test_a_server_that_becomes_faster_is_noticed_without_a_client_waiting_for_it(
    start_stub, forwarder_for, clock
) -> None:
    first = await start_stub(after(0.02, lambda: first))
    other = await start_stub(after(0.2, lambda: other))
    forwarder = forwarder_for(first, other, strategy="fastest", timeout_seconds=2, max_seconds=4)
    for i in range(3):
        asked = ask(forwarder, question(f"n{i}.example"))
        await asked.answer()
        assert asked.fair_seconds < 0.15
    await asyncio.sleep(0.2)
    other.udp = answers
    for i in range(40):
        clock.ahead_seconds += 1.01
        await ask(forwarder, question(f"m{i}.example")).answer()
        await asyncio.sleep(0.02)
    before = len(other.queries)
    for i in range(20):
        await ask(forwarder, question(f"o{i}.example")).answer()
    assert len(other.queries) >= before + 20


async def test_equal_servers_do_not_take_turns(start_stub, forwarder_for, clock) -> None:
    clock.stop()
    die = random.Random(5)
    asked_at = 0.0

    def answers_after_about_ten_milliseconds(query: bytes) -> list[bytes]:
        clock.ahead_seconds = max(clock.ahead_seconds, asked_at + die.uniform(0.009, 0.011))
        return [reply(query)]

    stubs = [await start_stub(answers_after_about_ten_milliseconds) for _ in range(2)]
    forwarder = forwarder_for(*stubs, strategy="fastest", timeout_seconds=2, max_seconds=4)
    for i in range(100):
        asked_at = clock.ahead_seconds = 0.2 * i
        await ask(forwarder, question(f"n{i}.example")).answer()
    assert len(stubs[0].queries) == 100
    await eventually(lambda: len(stubs[1].queries) == 20)  # measured once a second


async def test_ordered_asks_the_first_however_slow(start_stub, forwarder_for) -> None:
    slow = await start_stub(after(0.05, lambda: slow))
    fast = await start_stub()
    forwarder = forwarder_for(slow, fast, strategy="ordered", timeout_seconds=2, max_seconds=4)
    for i in range(5):
        await ask(forwarder, question(f"n{i}.example")).answer()
    assert (len(slow.queries), len(fast.queries)) == (5, 0)


async def test_parallel_asks_two_and_takes_the_first_answer(start_stub, forwarder_for) -> None:
    slow = await start_stub(after(0.3, lambda: slow))
    fast = await start_stub(after(0.02, lambda: fast))
    third = await start_stub()
    forwarder = forwarder_for(slow, fast, third, strategy="parallel", timeout_seconds=2, max_seconds=4)
    asked = ask(forwarder)
    await asked.answer()
    assert asked.fair_seconds < 0.2
    assert len(slow.queries) == len(fast.queries) == 1
    assert forwarder.counts["fail_overs"] == 0
    assert forwarder.servers[0].in_flight == 0


@pytest.mark.slow
@pytest.mark.parametrize("bad", [stays_silent, says(2)])
async def test_parallel_does_not_notice_that_one_fails(start_stub, forwarder_for, bad: Behaviour) -> None:
    failing, good = await start_stub(bad), await start_stub(after(0.02, lambda: good))
    forwarder = forwarder_for(failing, good, strategy="parallel", timeout_seconds=2, max_seconds=4)
    for i in range(5):
        asked = ask(forwarder, question(f"n{i}.example"))
        await asked.answer()
        assert asked.fair_seconds < 0.3
    only_dead = forwarder_for(await start_stub(bad), await start_stub(bad), strategy="parallel")
    asked = ask(only_dead)
    await asked.error()
    assert asked.fair_seconds < 1.2


async def test_random_asks_all_that_are_up_alike(start_stub, forwarder_for) -> None:
    stubs = [await start_stub() for _ in range(3)]
    dead = await start_stub(stays_silent)
    forwarder = forwarder_for(*stubs, dead, strategy="random", timeout_seconds=0.4)
    for i in range(40):
        await ask(forwarder, question(f"n{i}.example")).answer()
    assert forwarder.servers[3].is_down
    before = Counter({number: len(stub.queries) for number, stub in enumerate(stubs)})
    for i in range(300):
        await ask(forwarder, question(f"m{i}.example")).answer()
    shares = [len(stub.queries) - before[number] for number, stub in enumerate(stubs)]
    assert sum(shares) == 300
    assert min(shares) > 60  # chance gives fewer less than once in a million runs


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_no_more_questions_wait_for_a_server_than_may_and_the_next_one_is_asked(
    start_stub, forwarder_for, transport: str
) -> None:
    silent, good = await start_stub(stays_silent, stays_silent), await start_stub()
    forwarder = forwarder_for(silent.settings(transport), good, most_in_flight=10, timeout_seconds=4, max_seconds=4)
    first = [ask(forwarder, question(f"n{i}.example")) for i in range(10)]
    assert forwarder.servers[0].in_flight == 10
    for i in range(20):
        asked = ask(forwarder, question(f"m{i}.example"))
        await asked.answer()
        assert asked.fair_seconds < 0.5
    assert forwarder.dropped["queries_in_flight_per_upstream"] == 20
    forwarder.close()
    assert [len(asked.calls) for asked in first] == [1] * 10
    assert forwarder.servers[0].in_flight == 0


async def test_with_all_servers_full_a_question_fails_at_once_and_nobody_is_down(start_stub, forwarder_for) -> None:
    stub = await start_stub(after(0.1, lambda: stub))
    forwarder = forwarder_for(stub, most_in_flight=2)
    waiting = [ask(forwarder, question(f"n{i}.example")) for i in range(2)]
    assert isinstance(await ask(forwarder).error(), UpstreamBusy)
    for asked in waiting:
        await asked.answer()
    assert not forwarder.servers[0].failures
    await ask(forwarder).answer()


async def test_what_waits_for_a_server_is_counted_right_whatever_happens(
    start_stub, forwarder_for, refused_server: UpstreamServer
) -> None:
    stub = await start_stub(lambda query: [] if b"lost" in query else [reply(query)])
    forwarder = forwarder_for(refused_server, stub, timeout_seconds=0.2, max_seconds=0.4)
    every = [ask(forwarder, question(f"{'lost' if i % 3 else 'n'}{i}.example")) for i in range(60)]
    for asked in every:
        await asked.result()
    assert [server.in_flight for server in forwarder.servers] == [0, 0]
