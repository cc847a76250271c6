"""What happens when servers fail: who is asked next, how long it takes, and what is said in the end."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack

import pytest

from resolver.config.settings import UpstreamServer
from resolver.errors import UpstreamBadAnswer, UpstreamError, UpstreamTimeout, UpstreamUnreachable
from resolver.upstream import udp
from tests.unit.resolver.upstream.stub import (
    answers,
    ask,
    eventually,
    open_descriptors,
    question,
    reply,
    says,
    stays_silent,
    truncates,
)


async def test_an_upstream_is_an_address_and_no_name_is_looked_up(forwarder_for) -> None:
    asked = ask(forwarder_for(UpstreamServer("udp", "localhost", 53)))
    assert isinstance(await asked.error(), UpstreamUnreachable)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_an_upstream_on_an_interface_that_is_not_there_is_unreachable_and_no_more(
    forwarder_for, transport
) -> None:
    asked = ask(forwarder_for(UpstreamServer(transport, "fe80::1%nosuch0", 53)))
    assert isinstance(await asked.error(), UpstreamUnreachable)


async def test_without_servers_the_error_comes_at_once(forwarder_for) -> None:
    asked = ask(forwarder_for())
    assert str(await asked.error()) == "no upstream is configured"
    assert isinstance(asked.calls[0], UpstreamUnreachable)


async def test_a_silent_server_costs_a_quarter_of_the_timeout(start_stub, forwarder_for) -> None:
    silent, good = await start_stub(stays_silent), await start_stub()
    forwarder = forwarder_for(silent, good, timeout_seconds=0.8, max_seconds=2)
    asked = ask(forwarder)
    await asked.answer()
    assert asked.seconds >= 0.2
    assert asked.fair_seconds < 0.6
    assert forwarder.counts["fail_overs"] == 1
    assert forwarder.counts["timeouts"] == 1


async def test_a_slow_answer_still_counts_after_the_next_server_was_asked(start_stub, forwarder_for) -> None:
    def answers_late(query: bytes) -> list[bytes]:
        loop = asyncio.get_running_loop()
        loop.call_later(0.2, slow.transport.sendto, reply(query), ("127.0.0.1", slow.ports[-1]))
        return []

    slow, silent = await start_stub(answers_late), await start_stub(stays_silent)
    asked = ask(forwarder_for(slow, silent))
    await asked.answer()
    assert len(silent.queries) == 1
    assert asked.seconds >= 0.19
    assert asked.fair_seconds < 0.4


@pytest.mark.parametrize("rcode", [1, 2, 4, 5])
async def test_a_server_that_says_it_cannot_is_passed_over_at_once(start_stub, forwarder_for, rcode: int) -> None:
    failing, good = await start_stub(says(rcode)), await start_stub()
    asked = ask(forwarder_for(failing, good, timeout_seconds=4, max_seconds=4))
    await asked.answer()
    assert asked.fair_seconds < 0.5


async def test_a_refused_port_is_passed_over_at_once(start_stub, forwarder_for, refused_server) -> None:
    good = await start_stub()
    asked = ask(forwarder_for(refused_server, good, timeout_seconds=4, max_seconds=4))
    await asked.answer()
    assert asked.fair_seconds < 0.5


async def test_a_server_that_cannot_be_reached_at_all_is_passed_over_at_once(start_stub, forwarder_for) -> None:
    good = await start_stub()
    no_route = UpstreamServer("udp", "255.255.255.255", 53)  # connect() is refused without SO_BROADCAST
    forwarder = forwarder_for(no_route, good)
    await ask(forwarder).answer()
    assert forwarder.counts["unreachable"] == 1


async def test_one_lost_datagram_to_the_only_server_costs_no_failure(start_stub, forwarder_for) -> None:
    stub = await start_stub(lambda query: answers(query) if len(stub.queries) > 1 else [])
    asked = ask(forwarder_for(stub))
    await asked.answer()
    assert len(set(stub.ports)) == 2
    assert asked.seconds >= 0.2
    assert asked.fair_seconds < 0.5


@pytest.mark.slow
async def test_the_only_server_is_asked_twice_at_most(start_stub, forwarder_for) -> None:
    stub = await start_stub(stays_silent)
    assert isinstance(await ask(forwarder_for(stub, max_seconds=2)).error(), UpstreamTimeout)
    assert len(stub.queries) == 2


@pytest.mark.slow
async def test_all_silent_is_a_timeout_within_the_time_for_all(start_stub, forwarder_for) -> None:
    stubs = [await start_stub(stays_silent) for _ in range(5)]
    asked = ask(forwarder_for(*stubs, timeout_seconds=2, max_seconds=0.5))
    error = await asked.error()
    assert isinstance(error, UpstreamTimeout)
    assert stubs[0].settings().name in str(error)
    assert asked.seconds >= 0.4
    assert asked.fair_seconds < 0.9
    assert [len(stub.queries) for stub in stubs] == [1] * 5


async def test_all_refused_is_unreachable_at_once(forwarder_for, refused_server) -> None:
    asked = ask(forwarder_for(refused_server, refused_server, timeout_seconds=4, max_seconds=4))
    assert isinstance(await asked.error(), UpstreamUnreachable)
    assert asked.fair_seconds < 0.5


async def test_all_failing_is_a_bad_answer_with_the_last_rcode(start_stub, forwarder_for) -> None:
    error = await ask(forwarder_for(await start_stub(says(2)), await start_stub(says(5)))).error()
    assert isinstance(error, UpstreamBadAnswer)
    assert error.rcode == 5


@pytest.mark.slow
async def test_an_rcode_says_more_than_silence_and_silence_more_than_a_refusal(
    start_stub, forwarder_for, refused_server
) -> None:
    failing, silent = await start_stub(says(2)), await start_stub(stays_silent)
    error = await ask(forwarder_for(failing, silent, refused_server)).error()
    assert isinstance(error, UpstreamBadAnswer)
    assert error.rcode == 2
    assert isinstance(await ask(forwarder_for(silent, refused_server)).error(), UpstreamTimeout)


async def test_a_refusal_does_not_cut_short_the_time_of_a_server_still_listened_to(
    start_stub, forwarder_for, refused_server
) -> None:
    def answers_late(query: bytes) -> list[bytes]:
        loop = asyncio.get_running_loop()
        loop.call_later(0.3, slow.transport.sendto, reply(query), ("127.0.0.1", slow.ports[-1]))
        return []

    slow = await start_stub(answers_late)
    await ask(forwarder_for(slow, refused_server)).answer()


async def test_truncated_and_no_tcp_leads_to_the_next_server(start_stub, forwarder_for) -> None:
    truncating, good = await start_stub(truncates), await start_stub()
    forwarder = forwarder_for(truncating, good, timeout_seconds=4, max_seconds=4)
    asked = ask(forwarder)
    await asked.answer()
    assert asked.fair_seconds < 0.5
    assert len(good.queries) == 1


async def test_truncated_and_tcp_refused_everywhere_is_unreachable(start_stub, forwarder_for) -> None:
    forwarder = forwarder_for(await start_stub(truncates), await start_stub(truncates))
    assert isinstance(await ask(forwarder).error(), UpstreamUnreachable)


async def test_truncated_and_tcp_left_alone_for_a_while_fails_at_once(start_stub, forwarder_for) -> None:
    forwarder = forwarder_for(await start_stub(truncates))
    for _ in range(6):  # the first are refused, then the connection is not tried for a while
        asked = ask(forwarder)
        error = await asked.error()
        assert isinstance(error, UpstreamUnreachable), repr(error)
        assert asked.fair_seconds < 0.15
    assert forwarder.counts["timeouts"] == 0


async def test_a_server_that_truncates_and_takes_no_tcp_is_not_counted_as_silent(start_stub, forwarder_for) -> None:
    first, second = await start_stub(truncates), await start_stub(stays_silent)
    forwarder = forwarder_for(first, second, strategy="parallel")
    await ask(forwarder).error()
    assert (forwarder.servers[0].timeouts, forwarder.servers[0].unreachable) == (0, 1)


async def test_truncated_and_tcp_silent_ends_in_time(start_stub, forwarder_for) -> None:
    stub = await start_stub(truncates, stays_silent)
    asked = ask(forwarder_for(stub))
    assert isinstance(await asked.error(), UpstreamTimeout)
    assert asked.fair_seconds < 0.9
    assert (len(stub.queries), len(stub.tcp_queries)) == (1, 2), "the second is for a connection that broke"


async def test_truncated_over_tcp_too_is_a_bad_answer(start_stub, forwarder_for) -> None:
    stub = await start_stub(truncates, truncates)
    error = await ask(forwarder_for(stub)).error()
    assert isinstance(error, UpstreamBadAnswer)
    assert error.rcode is None


async def test_a_dead_server_is_tried_last_after_two_failures(start_stub, forwarder_for) -> None:
    silent, good = await start_stub(stays_silent), await start_stub()
    forwarder = forwarder_for(silent, good)
    for _ in range(2):
        await ask(forwarder).answer()
    assert forwarder.servers[0].is_down
    asked = ask(forwarder)
    await asked.answer()
    assert asked.fair_seconds < 0.09
    assert len(silent.queries) == 2


async def test_silence_on_one_question_does_not_make_a_server_down_that_answers_others(
    start_stub, forwarder_for
) -> None:
    picky = await start_stub(lambda query: [] if b"slow" in query else [reply(query)])
    good = await start_stub()
    forwarder = forwarder_for(picky, good)
    slow = [ask(forwarder, question(f"slow{i}.example")) for i in range(5)]
    for i in range(5):
        await ask(forwarder, question(f"fast{i}.example")).answer()
    for each in slow:
        await each.answer()
    assert not forwarder.servers[0].is_down


async def test_a_server_that_is_back_is_found_by_a_probe_and_asked_first_again(
    start_stub, forwarder_for, clock
) -> None:
    first = await start_stub(stays_silent)
    second = await start_stub()
    forwarder = forwarder_for(first, second)
    for _ in range(2):
        await ask(forwarder).answer()
    assert forwarder.servers[0].is_down

    clock.ahead_seconds += 1.01
    asked = ask(forwarder)  # the probe beside it finds silence, and the client does not wait for that
    await asked.answer()
    assert asked.fair_seconds < 0.09
    await eventually(lambda: len(first.queries) == 3)
    assert forwarder.counts["probes"] == 1

    first.udp = answers
    await ask(forwarder).answer()
    assert forwarder.servers[0].is_down, "one probe a second"
    clock.ahead_seconds += 1.01
    await ask(forwarder).answer()
    await eventually(lambda: not forwarder.servers[0].is_down)
    seen = len(second.queries)
    await ask(forwarder).answer()
    assert len(second.queries) == seen


async def test_a_refused_server_is_found_again_too(start_stub, forwarder_for, clock, refused_server) -> None:
    second = await start_stub()
    forwarder = forwarder_for(refused_server, second)
    for _ in range(2):
        await ask(forwarder).answer()
    clock.ahead_seconds += 1.01
    await ask(forwarder).answer()
    await asyncio.sleep(0.02)
    assert forwarder.servers[0].is_down
    await start_stub(port=refused_server.port)
    clock.ahead_seconds += 1.01
    await ask(forwarder).answer()
    await eventually(lambda: not forwarder.servers[0].is_down)


@pytest.mark.slow
async def test_with_all_down_all_are_tried_in_order(start_stub, forwarder_for) -> None:
    stubs = [await start_stub(stays_silent), await start_stub(stays_silent)]
    forwarder = forwarder_for(*stubs, timeout_seconds=0.2, max_seconds=0.4)
    for _ in range(3):
        await ask(forwarder).error()
    assert all(server.is_down for server in forwarder.servers)
    stubs[1].udp = answers
    await ask(forwarder).answer()
    assert [len(stub.queries) for stub in stubs] == [4, 4]
    assert [server.is_down for server in forwarder.servers] == [True, False]


async def test_a_server_that_restarts_answers_the_next_question(start_stub, forwarder_for, clock) -> None:
    # Sockets that have heard a refusal must not refuse what is asked after the server is back.
    stub = await start_stub()
    forwarder = forwarder_for(stub)
    for i in range(200):
        await ask(forwarder, question(f"n{i}.example")).answer()
    await stub.stop()
    for asked in [ask(forwarder, question(f"m{i}.example")) for i in range(100)]:
        assert isinstance(await asked.error(), UpstreamUnreachable)
    await start_stub(port=stub.port)
    for i in range(100):
        await ask(forwarder, question(f"o{i}.example")).answer()


@pytest.mark.slow
async def test_sockets_stay_bounded_when_a_server_is_dead_under_load(start_stub, forwarder_for) -> None:
    silent = await start_stub(stays_silent)
    forwarder = forwarder_for(silent)
    before = open_descriptors()
    asked = [ask(forwarder, question(f"n{i}.example")) for i in range(6000)]
    assert open_descriptors() - before <= udp.SLOTS + udp.MAX_RETIRED
    for each in asked:
        assert isinstance(await each.error(), UpstreamTimeout)
    assert forwarder.in_flight == 0
    assert open_descriptors() - before <= udp.SLOTS


@pytest.mark.interpreted_only
async def test_idle_sockets_are_closed_when_they_are_old(start_stub, forwarder_for, clock, monkeypatch) -> None:
    monkeypatch.setattr(udp, "SWEEP_SECONDS", 0.05)
    before = open_descriptors()
    stub = await start_stub()
    forwarder = forwarder_for(stub)
    for asked in [ask(forwarder, question(f"n{i}.example")) for i in range(100)]:
        await asked.answer()
    await asyncio.sleep(0.1)
    assert open_descriptors() > before + 20
    clock.ahead_seconds += 5
    await asyncio.sleep(0.1)
    assert open_descriptors() <= before + 2  # the stub's own, and the forwarder's epoll


async def test_closing_ends_every_question_once_and_leaves_nothing(start_stub, forwarder_for) -> None:
    stub = await start_stub(stays_silent, stays_silent)
    before = open_descriptors()
    forwarder = forwarder_for(stub, stub.settings("tcp"), max_seconds=20.0)
    asked = [ask(forwarder, question(f"n{i}.example")) for i in range(50)]
    await eventually(lambda: len(stub.tcp_queries) == 50)
    forwarder.close()
    for each in asked:
        assert isinstance(await each.error(), UpstreamUnreachable)
    after = ask(forwarder)
    assert isinstance(await after.error(), UpstreamUnreachable)
    forwarder.close()
    await asyncio.sleep(0.05)
    assert all(len(each.calls) == 1 for each in [*asked, after])
    assert len(stub.tcp_queries) == 50
    assert open_descriptors() <= before
    assert [task for task in asyncio.all_tasks() if "connect" in task.get_name()] == []


async def test_done_that_asks_or_raises_does_not_disturb_the_others(start_stub, forwarder_for) -> None:
    stub = await start_stub()
    forwarder = forwarder_for(stub)
    loop = asyncio.get_running_loop()
    crashes = []
    loop.set_exception_handler(lambda _loop, context: crashes.append(context))
    nested = []

    def asks_again(_result: bytes | UpstreamError) -> None:
        nested.append(ask(forwarder, question("second.example")))

    def raises(_result: bytes | UpstreamError) -> None:
        raise RuntimeError("not the forwarder's fault")

    for _ in range(5):
        forwarder.ask(question(), dnssec_ok=False, checking_disabled=False, done=raises)
        forwarder.ask(question(), dnssec_ok=False, checking_disabled=False, done=asks_again)
    good = [ask(forwarder, question(f"n{i}.example")) for i in range(20)]
    for each in good:
        await each.answer()
    await eventually(lambda: len(crashes) == len(nested) == 5)
    for each in nested:
        await each.answer()


async def test_done_that_raises_on_a_timeout_does_not_keep_others_waiting(start_stub, forwarder_for) -> None:
    stub = await start_stub(stays_silent)
    forwarder = forwarder_for(stub, timeout_seconds=0.1)
    crashes = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: crashes.append(context))

    def raises(_result: bytes | UpstreamError) -> None:
        raise RuntimeError("not the forwarder's fault")

    for _ in range(3):
        forwarder.ask(question(), dnssec_ok=False, checking_disabled=False, done=raises)
    assert isinstance(await ask(forwarder).error(), UpstreamTimeout)
    await eventually(lambda: len(crashes) == 3)


@pytest.mark.interpreted_only
async def test_when_the_chosen_port_is_taken_the_kernel_chooses(start_stub, forwarder_for, monkeypatch) -> None:
    stub = await start_stub()
    with ExitStack() as holders:
        taken = [holders.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(3)]
        for each in taken:
            each.bind(("0.0.0.0", 0))
        ports = iter([each.getsockname()[1] for each in taken])
        monkeypatch.setattr("resolver.upstream.randomness.Randomness.port", lambda _self: next(ports))
        await ask(forwarder_for(stub)).answer()
    assert next(ports, None) is None
