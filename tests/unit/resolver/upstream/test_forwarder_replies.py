"""Which replies count, and which are ignored while waiting goes on."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest

from resolver.errors import UpstreamBadAnswer, UpstreamTimeout
from tests.unit.resolver.upstream.stub import QR, answers, ask, question, reply, says, stays_silent, truncates


async def test_the_answer_is_handed_out_as_it_came(start_stub, forwarder_for) -> None:
    stub = await start_stub()
    asked = ask(forwarder_for(stub))
    answer = await asked.answer()
    assert answer == reply(stub.queries[0])
    assert answer[12:].startswith(question())


async def test_an_upstream_over_ipv6_is_asked_too(start_stub, forwarder_for) -> None:
    stub = await start_stub(host="::1")
    await ask(forwarder_for(stub)).answer()


async def test_flags_and_dnssec_reach_the_upstream(start_stub, forwarder_for) -> None:
    stub = await start_stub()
    forwarder = forwarder_for(stub, cookies=False)
    came: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    forwarder.ask(question(), dnssec_ok=True, checking_disabled=True, done=came.set_result)
    await came
    assert stub.queries[0][2:4] == b"\x01\x30"  # RD; AD and CD
    assert stub.queries[0].endswith(b"\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00")


async def test_an_nxdomain_is_an_answer(start_stub, forwarder_for) -> None:
    stub = await start_stub(says(3))
    assert (await ask(forwarder_for(stub)).answer())[3] & 0x0F == 3


async def test_the_name_may_come_back_in_another_case(start_stub, forwarder_for) -> None:
    stub = await start_stub(lambda query: [reply(query).replace(b"example", b"eXaMpLe")])
    await ask(forwarder_for(stub)).answer()


async def test_a_thousand_replies_with_wrong_ids_do_not_keep_the_right_one_out(start_stub, forwarder_for) -> None:
    def lies(query: bytes) -> Sequence[bytes]:
        right = int.from_bytes(query[:2], "big")
        wrong = [((right + 1 + i) & 0xFFFF).to_bytes(2, "big") for i in range(1000)]
        lying.append(asyncio.create_task(send([reply(query, message_id=each) for each in wrong], reply(query))))
        return []

    async def send(wrong: list[bytes], truth: bytes) -> None:
        for begin in range(0, len(wrong), 100):  # in bursts that the socket's receive buffer holds
            for each in wrong[begin : begin + 100]:
                stub.transport.sendto(each, ("127.0.0.1", stub.ports[0]))
            while forwarder.counts["wrong_replies"] < begin + 100:  # noqa: ASYNC110 (counts set no events)
                await asyncio.sleep(0.001)
        stub.transport.sendto(truth, ("127.0.0.1", stub.ports[0]))

    lying: list[asyncio.Task[None]] = []

    stub = await start_stub(lies)
    forwarder = forwarder_for(stub, timeout_seconds=4, max_seconds=8)
    answer = await ask(forwarder).answer()
    assert answer[:2] == stub.queries[0][:2]
    assert forwarder.counts["wrong_replies"] == 1000
    assert len(stub.queries) == 1


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(lambda query: reply(query.replace(b"example", b"exbmple")), id="another name"),
        pytest.param(lambda query: reply(query.replace(b"\x00\x01\x00\x01", b"\x00\x1c\x00\x01")), id="another type"),
        pytest.param(lambda query: query, id="QR=0"),
        pytest.param(lambda query: reply(query)[:4] + b"\x00\x02" + reply(query)[6:], id="two questions"),
        pytest.param(lambda query: reply(query)[:4] + bytes(8), id="a header alone that claims an answer"),
        pytest.param(lambda query: query[:2] + bytes([0x28 | QR]) + query[3:], id="another opcode"),
        pytest.param(lambda query: query[:2], id="an ID alone"),
        pytest.param(lambda _query: b"\x00", id="one octet"),
        pytest.param(lambda _query: os.urandom(400), id="garbage"),
        pytest.param(lambda query: query[:2] + b"\xff" * 400, id="garbage with the right ID"),
    ],
)
async def test_a_bad_reply_does_not_end_the_query(start_stub, forwarder_for, bad) -> None:
    stub = await start_stub(lambda query: [bad(query), bad(query), reply(query)])
    forwarder = forwarder_for(stub)
    await ask(forwarder).answer()
    assert len(stub.queries) == 1
    assert forwarder.counts["wrong_replies"] == 2


async def test_a_second_answer_is_not_handed_out(start_stub, forwarder_for) -> None:
    stub = await start_stub(lambda query: [reply(query)] * 3)
    asked = ask(forwarder_for(stub))
    await asked.answer()
    await asyncio.sleep(0.05)
    assert len(asked.calls) == 1


async def test_a_reply_from_another_address_is_never_seen(start_stub, forwarder_for) -> None:
    stub = await start_stub(stays_silent)
    stranger = await start_stub()
    forwarder = forwarder_for(stub, timeout_seconds=0.2)
    asked = ask(forwarder)
    await asyncio.sleep(0.02)
    stranger.transport.sendto(reply(stub.queries[0]), ("127.0.0.1", stub.ports[0]))
    assert isinstance(await asked.error(), UpstreamTimeout)


async def test_after_wrong_replies_and_silence_the_question_goes_over_tcp(start_stub, forwarder_for) -> None:
    stub = await start_stub(lambda query: [reply(query, message_id=bytes(2)), os.urandom(30)], answers)
    await ask(forwarder_for(stub)).answer()
    assert (len(stub.queries), len(stub.tcp_queries)) == (1, 1)


@pytest.mark.parametrize("rcode", [1, 2, 4, 5])
async def test_an_error_without_a_question_is_a_failed_answer(start_stub, forwarder_for, rcode: int) -> None:
    bare = await start_stub(lambda query: [reply(query, rcode)[:4] + bytes(8)])
    error = await ask(forwarder_for(bare)).error()
    assert isinstance(error, UpstreamBadAnswer)
    assert error.rcode == rcode
    good = await start_stub()
    forwarder = forwarder_for(bare, good)
    await ask(forwarder).answer()
    assert forwarder.counts["fail_overs"] == 1


async def test_a_truncated_answer_is_asked_for_again_over_tcp(start_stub, forwarder_for) -> None:
    stub = await start_stub(truncates, answers)
    forwarder = forwarder_for(stub, cookies=False)
    answer = await ask(forwarder).answer()
    assert answer == reply(stub.tcp_queries[0])
    assert forwarder.counts["tcp_retries"] == 1
    assert stub.tcp_queries[0][2:] == stub.queries[0][2:]


async def test_a_datagram_larger_than_we_receive_counts_as_truncated(start_stub, forwarder_for) -> None:
    stub = await start_stub(lambda query: [reply(query) + bytes(9000)], answers)
    assert await ask(forwarder_for(stub)).answer() == reply(stub.tcp_queries[0])


async def test_no_port_serves_more_than_eight_of_two_thousand_queries(start_stub, forwarder_for) -> None:
    stub = await start_stub()
    forwarder = forwarder_for(stub, timeout_seconds=2)
    for i in range(200):
        batch = [ask(forwarder, question(f"n{i}-{j}.example")) for j in range(10)]
        for each in batch:
            await each.answer()
    assert len(stub.ports) == 2000
    assert max(Counter(stub.ports).values()) <= 8


def chi_square(counts: list[int]) -> float:
    expected = sum(counts) / len(counts)
    return sum((each - expected) ** 2 / expected for each in counts)


@pytest.mark.slow
async def test_ids_and_ports_look_uniform(start_stub, forwarder_for) -> None:
    stub = await start_stub()
    forwarder = forwarder_for(stub, timeout_seconds=2)
    for i in range(100):
        for each in [ask(forwarder, question(f"n{i}-{j}.example")) for j in range(60)]:
            await each.answer()
    ids = [int.from_bytes(query[:2], "big") for query in stub.queries]
    ports = sorted(set(stub.ports))
    assert len(ids) == 6000
    assert len(ports) >= 6000 // 8
    bins = 64
    by_high_bits = Counter(each >> 10 for each in ids)
    by_low_bits = Counter(each & 63 for each in ids)
    by_port = Counter((port - 1024) * bins // (65536 - 1024) for port in ports)
    # 63 degrees of freedom: chance exceeds 140 less than once in ten million runs
    assert chi_square([by_high_bits[i] for i in range(bins)]) < 140
    assert chi_square([by_low_bits[i] for i in range(bins)]) < 140
    assert chi_square([by_port[i] for i in range(bins)]) < 140
    assert min(ports) >= 1024
    # nor does an ID tell the next one
    assert len({(later - earlier) & 0xFFFF for earlier, later in pairwise(ids)}) > 5000
