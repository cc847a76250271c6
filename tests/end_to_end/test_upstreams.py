"""Upstreams that are dead, slow, truncating or gone, and what the cache makes of their answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import dns.flags
import dns.rcode
import pytest

from tests.conftest import OFFICE, WORLD, StartMoatdns
from tests.support.clients import TcpClient, ask, dig, ede, is_blocked, query, rdata, ttls
from tests.support.moatdns import Moatdns
from tests.support.programs import free_port, wait_until
from tests.support.stub import DEFAULT_ANSWER, StubUpstream
from tests.support.unbound import Unbound

WHOLE_ANSWER_SECONDS = 5.0  # the patience of a stub resolver


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    """The only upstream of `single`. Each test asks for names of its own."""
    with StubUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory, upstream: StubUpstream) -> Iterator[Moatdns]:
    """A server with one worker and one upstream."""
    config = {**OFFICE, "workers": 1, "upstream": {"servers": [upstream.server]}}
    with Moatdns(tmp_path_factory.mktemp("single"), config) as moatdns:
        yield moatdns


@pytest.fixture
def only_stub(single: Moatdns, upstream: StubUpstream) -> Iterator[Moatdns]:
    """The same, with the upstream as it is when all is well."""
    yield single
    upstream.ttl = 300
    upstream.silent = False


def test_the_second_server_answers_when_the_first_is_gone(moatdns: StartMoatdns, world: Unbound) -> None:
    servers = [f"udp://127.0.0.1:{free_port()}", world.server]
    server = moatdns({"workers": 1, "upstream": {"servers": servers, "strategy": "ordered"}})
    for name in ("plain.example", "notclaude.ai", "house.example"):
        dug = dig(server.port, "+timeout=6", name)
        assert dug.status == "NOERROR", name
        assert dug.rdata[0].startswith("198.51.100."), name


def test_the_second_server_answers_when_the_first_is_silent_and_soon_without_a_wait(
    moatdns: StartMoatdns, stub: StubUpstream, world: Unbound
) -> None:
    stub.silent = True
    server = moatdns({"workers": 1, "upstream": {"servers": [stub.server, world.server], "strategy": "ordered"}})
    for name in ("plain.example", "notclaude.ai", "house.example"):
        assert rdata(ask(server.port, name, seconds=WHOLE_ANSWER_SECONDS))[0].startswith("198.51.100."), name
    began = time.monotonic()
    for number in range(20):
        assert ask(server.port, f"n{number}.example", seconds=WHOLE_ANSWER_SECONDS).rcode() == dns.rcode.NXDOMAIN
    assert time.monotonic() - began < 2  # known to be down, it is not waited for
    stub.silent = False  # probed in the background, it is soon the first again
    wait_until(
        lambda: rdata(ask(server.port, f"back{time.monotonic_ns()}.example")) == [DEFAULT_ANSWER],
        "the first server is asked first again",
    )


def test_a_server_that_fails_with_servfail_is_passed_over(
    moatdns: StartMoatdns, stub: StubUpstream, world: Unbound
) -> None:
    stub.rcodes = {"plain.example": dns.rcode.SERVFAIL, "house.example": dns.rcode.REFUSED}
    server = moatdns({"workers": 1, "upstream": {"servers": [stub.server, world.server], "strategy": "ordered"}})
    assert rdata(ask(server.port, "plain.example")) == ["198.51.100.30"]
    assert rdata(ask(server.port, "house.example")) == ["198.51.100.40"]


@pytest.mark.parametrize("how", ["silent", "gone"])
def test_all_servers_dead_is_servfail_with_a_reason_in_time_and_blocking_goes_on(
    moatdns: StartMoatdns, stub: StubUpstream, how: str
) -> None:
    stub.silent = True
    servers = [stub.server] if how == "silent" else [f"udp://127.0.0.1:{free_port()}", f"tcp://127.0.0.1:{free_port()}"]
    server = moatdns({"workers": 1, "upstream": {"servers": servers, "strategy": "ordered"}})
    with TcpClient(server.port) as waiting:
        waiting.send(query("other.example"))
        dug = dig(server.port, "claude.ai")
        assert dug.rdata == ["0.0.0.0"]
        began = time.monotonic()
        dug = dig(server.port, "+timeout=6", "plain.example")
        assert dug.status == "SERVFAIL"
        assert time.monotonic() - began < WHOLE_ANSWER_SECONDS
        assert [code for code, _ in dug.ede] in ([22], [23])
        assert "127.0.0.1" not in dug.ede[0][1]  # clients are not told which upstreams there are
        response = waiting.receive()
        assert response.rcode() == dns.rcode.SERVFAIL
        assert ede(response)[0][0] in (22, 23)


def test_a_failure_is_remembered_for_a_second_so_that_a_flood_asks_once(
    only_stub: Moatdns, upstream: StubUpstream
) -> None:
    upstream.rcodes["broken.example"] = dns.rcode.SERVFAIL
    for _ in range(50):
        assert ask(only_stub.port, "broken.example").rcode() == dns.rcode.SERVFAIL
    assert upstream.times_asked("broken.example") <= 9  # RFC 9520: three tries in a second and transport; slow machines


@pytest.mark.parametrize(
    ("rcode", "why"), [(5, "the upstreams answered REFUSED"), (11, "rcode 11"), (16, "BADVERS"), (4095, "rcode 4095")]
)
def test_an_rcode_that_is_no_answer_ends_in_servfail_with_the_reason(
    only_stub: Moatdns, upstream: StubUpstream, rcode: int, why: str
) -> None:
    name = f"rcode-{rcode}.example"
    upstream.rcodes[name] = dns.rcode.Rcode(rcode)
    dug = dig(only_stub.port, name)
    assert (dug.status, dug.answer) == ("SERVFAIL", ())
    assert [code for code, text in dug.ede if why in text] == [0]


def test_a_referral_is_no_answer_and_ends_in_servfail_with_the_reason(
    only_stub: Moatdns, upstream: StubUpstream
) -> None:
    upstream.records["www.lame.example"] = ""
    upstream.authority["www.lame.example"] = "lame.example. 300 IN NS ns.lame.example."
    dug = dig(only_stub.port, "www.lame.example")
    assert (dug.status, dug.authority) == ("SERVFAIL", ())
    assert [code for code, text in dug.ede if "return referrals" in text] == [22]


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


def test_an_old_answer_is_given_when_the_upstream_has_died(only_stub: Moatdns, upstream: StubUpstream) -> None:
    upstream.ttl = 1
    upstream.records["leads.example"] = "leads.example. 1 IN CNAME claude.ai.\nclaude.ai. 1 IN A 198.51.100.1"
    assert ttls(ask(only_stub.port, "stale.example")) == [1]
    assert is_blocked(ask(only_stub.port, "leads.example"))
    upstream.silent = True
    time.sleep(1.2)
    began = time.monotonic()
    with TcpClient(only_stub.port) as other:
        other.send(query("leads.example"))
        dug = dig(only_stub.port, "+timeout=6", "stale.example")
        assert (dug.status, dug.rdata, dug.ttls) == ("NOERROR", [DEFAULT_ANSWER], [30])
        assert [code for code, _ in dug.ede] == [3]
        assert time.monotonic() - began < WHOLE_ANSWER_SECONDS
        assert is_blocked(other.receive())  # an old answer is judged like any other

    def without_a_wait() -> bool:
        began = time.monotonic()
        again = ask(only_stub.port, "stale.example")
        assert (rdata(again), ede(again)[0][0]) == ([DEFAULT_ANSWER], 3)
        return time.monotonic() - began < 0.5

    wait_until(without_a_wait, "the upstream is known to fail, and nobody waits for it")
    validating = dig(only_stub.port, "+timeout=6", "+dnssec", "stale.example")  # what was kept is without signatures
    assert (validating.status, validating.rdata, validating.ede[0][0]) == ("NOERROR", [DEFAULT_ANSWER], 3)


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


def test_dead_upstreams_are_told_everywhere_and_so_is_their_return(tmp_path: Path, stub: StubUpstream) -> None:
    gone = f"udp://127.0.0.1:{free_port()}"
    stub.silent = True
    config = {"workers": 1, "upstream": {"servers": [stub.server, gone]}}
    with Moatdns(tmp_path / "moatdns", config, with_api=True) as server:
        _tell_of_dead_upstreams(server, stub, gone)


def _tell_of_dead_upstreams(server: Moatdns, stub: StubUpstream, gone: str) -> None:
    for number in range(3):
        assert ask(server.port, f"n{number}.example", seconds=WHOLE_ANSWER_SECONDS).rcode() == dns.rcode.SERVFAIL
    wait_until(lambda: len(server.events_named("an upstream does not answer")) == 2, "both are told")
    assert {event["upstream"] for event in server.events_named("an upstream does not answer")} == {stub.server, gone}
    ready = server.api.get("/ready")
    assert ready["status"] == "degraded"
    assert any(stub.server in why for why in ready["why"]) and any(gone in why for why in ready["why"])
    assert any(why.startswith("no upstream answers") for why in ready["why"])
    metrics = server.api.get("/metrics")
    for name in (stub.server, gone):
        assert f'moatdns_upstream_up{{upstream="{name}"}} 0.0' in metrics
    stub.silent = False
    ask(server.port, "back.example", seconds=WHOLE_ANSWER_SECONDS)
    assert server.wait_for("an upstream answers again")["upstream"] == stub.server
    ready = server.api.get("/ready")
    assert [gone in why for why in ready["why"]] == [True]
    assert f'moatdns_upstream_up{{upstream="{stub.server}"}} 1.0' in server.api.get("/metrics")
    assert len(server.events_named("an upstream does not answer")) == 2
