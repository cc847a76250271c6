"""Upstreams that answer, soon, late or truncated, and what the cache makes of their answers."""

from __future__ import annotations

import time
from pathlib import Path

import dns.flags
import dns.rcode

from tests.conftest import WORLD, StartMoatdns
from tests.support.clients import TcpClient, ask, dig, query, rdata, ttls
from tests.support.moatdns import Moatdns
from tests.support.stub import DEFAULT_ANSWER, StubUpstream
from tests.support.unbound import Unbound


def test_a_truncated_answer_is_asked_for_again_over_tcp(only_stub: Moatdns, upstream: StubUpstream) -> None:
    upstream.truncated.add("cut.example")
    assert dig(only_stub.port, "cut.example").rdata == [DEFAULT_ANSWER]
    assert [way for name, _, way in upstream.asked if name == "cut.example"] == ["udp", "tcp"]
    assert rdata(ask(only_stub.port, "cut.example")) == [DEFAULT_ANSWER]
    assert upstream.times_asked("cut.example") == 2  # the truncated one was not kept, the whole one was


def test_a_large_answer_is_truncated_for_udp_and_whole_over_tcp(office: Moatdns) -> None:
    for options in (["+noedns"], ["+bufsize=512"], ["+bufsize=1232"], ["+bufsize=4096"]):
        cut = dig(office.port, "large.example", "TXT", "+ignore", *options)
        assert "tc" in cut.flags, options
        assert cut.answer == (), options
        whole = dig(office.port, "large.example", "TXT", *options)
        assert "retrying in TCP mode" in whole.text, options
        assert "tc" not in whole.flags, options
        assert len(whole.answer) == 60, options
    assert len(ask(office.port, "large.example", "TXT", tcp=True, edns=False).answer[0]) == 60


def test_ttls_count_down_and_an_expired_answer_is_asked_for_again(only_stub: Moatdns, upstream: StubUpstream) -> None:
    upstream.ttl = 2
    began = time.monotonic()
    assert ttls(ask(only_stub.port, "short.example")) == [2]
    seen = set()
    while upstream.times_asked("short.example") == 1:
        assert time.monotonic() - began < 10
        [ttl] = ttls(ask(only_stub.port, "short.example"))
        assert ttl <= 2
        if upstream.times_asked("short.example") == 1:
            assert ttl <= 2 - (time.monotonic() - began) + 1.5
            seen.add(ttl)
        time.sleep(0.1)
    assert time.monotonic() - began >= 1.9
    assert 1 in seen


def test_an_answer_with_a_ttl_of_zero_is_asked_for_each_time(only_stub: Moatdns, upstream: StubUpstream) -> None:
    upstream.ttl = 0
    for _ in range(3):
        assert ttls(ask(only_stub.port, "never.example")) == [0]
    assert upstream.times_asked("never.example") == 3


def test_negative_answers_are_kept_as_long_as_their_soa_says(moatdns: StartMoatdns, tmp_path: Path) -> None:
    with Unbound(
        tmp_path / "world", WORLD
    ) as world:  # of its own: one that others have asked counts its SOA's TTL down
        server = moatdns({"workers": 1, "upstream": {"servers": [world.server]}})
        for name, qtype, rcode in (
            ("no-such-name.example", "A", dns.rcode.NXDOMAIN),
            ("house.example", "TXT", dns.rcode.NOERROR),
        ):
            for _ in range(5):
                response = ask(server.port, name, qtype)
                assert (response.rcode(), response.answer) == (rcode, [])
                [soa] = response.authority
                assert 0 < soa.ttl <= 30
        assert server.counts() == {"forwarded": 2, "cached": 8}


def test_a_negative_answer_without_an_soa_is_not_kept(only_stub: Moatdns, upstream: StubUpstream) -> None:
    for _ in range(3):
        assert ask(only_stub.port, "bare.example", "TXT").answer == []
    assert upstream.times_asked("bare.example") == 3


def test_a_query_name_in_any_case_is_cached_once_and_echoed_as_asked(
    only_stub: Moatdns, upstream: StubUpstream
) -> None:
    for name in ("Mixed.Example.", "mixed.example.", "MIXED.EXAMPLE."):
        response = ask(only_stub.port, name)
        assert response.question[0].name.to_text() == name
        assert rdata(response) == [DEFAULT_ANSWER]
    assert upstream.times_asked("mixed.example") == 1


def test_identical_questions_in_flight_are_asked_once(only_stub: Moatdns, upstream: StubUpstream) -> None:
    upstream.delays["slow.example"] = 0.5
    with TcpClient(only_stub.port) as client:
        client.send(*[query("slow.example") for _ in range(50)])
        assert all(rdata(client.receive()) == [DEFAULT_ANSWER] for _ in range(50))
    assert upstream.times_asked("slow.example") == 1


def test_an_upstream_over_tcp_only_is_asked_over_tcp(moatdns: StartMoatdns, stub: StubUpstream) -> None:
    server = moatdns({"workers": 1, "upstream": {"servers": [f"tcp://127.0.0.1:{stub.port}"]}})
    assert rdata(ask(server.port, "plain.example")) == [DEFAULT_ANSWER]
    assert [transport for _, _, transport in stub.asked] == ["tcp"]
