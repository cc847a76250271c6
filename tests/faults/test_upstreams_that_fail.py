"""Upstreams that are silent, wrong or gone: who is asked instead, what clients are told, what is answered still."""

from __future__ import annotations

import time
from pathlib import Path

import dns.rcode
import pytest

from tests.conftest import StartMoatdns
from tests.support.clients import TcpClient, ask, dig, ede, is_blocked, query, rdata, ttls
from tests.support.moatdns import Moatdns
from tests.support.programs import free_port, wait_until
from tests.support.stub import DEFAULT_ANSWER, StubUpstream
from tests.support.unbound import Unbound

WHOLE_ANSWER_SECONDS = 5.0  # the patience of a stub resolver


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
