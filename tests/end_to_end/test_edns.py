"""EDNS, cookies and what else clients may send beside a question, as dig and kdig see it (RFC 6891, RFC 8906)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from tests.support.clients import LOCALHOST, Dug, TcpClient, UdpClient, dig, kdig
from tests.support.moatdns import Moatdns
from tests.support.unbound import Unbound

NAME = "plain.example"
SECRET = "e5e973e5a6b2a43f48e7dc849e37bfcf"
COOKIE = re.compile(r"; COOKIE: ([0-9a-f]+)(?: \((\w+)\))?")
UDP_SIZE = re.compile(r"; EDNS: version: (\d+), flags:([a-z ]*); (?:MBZ: \S+, )?udp: (\d+)")

Start = Callable[[dict[str, Any]], Moatdns]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, world: Unbound) -> Iterator[Moatdns]:
    """A server that tells its identity, with a cookie secret of the config's own."""
    config = {
        "workers": 2,
        "upstream": {"servers": [world.server]},
        "server": {"identity": "east-1", "version": "none of yours"},
        "cookies": {"secret": SECRET},
    }
    with Moatdns(tmp_path_factory.mktemp("edns"), config) as moatdns:
        yield moatdns


def edns_of(dug: Dug) -> tuple[int, str, int] | None:
    """Version, flags and payload size of the answer's OPT record."""
    found = UDP_SIZE.search(dug.text)
    return (int(found[1]), found[2].strip(), int(found[3])) if found else None


def cookie_of(dug: Dug) -> tuple[str, str]:
    """The cookie of the answer, and what dig thinks of it."""
    found = COOKIE.search(dug.text)
    assert found, dug.text
    return found[1], found[2]


# What RFC 8906 section 8 has testers ask, and what is to come back: rcode, whether there is an answer, and EDNS.
ASKED = {
    "plain DNS": (["+noedns", "+noad"], "NOERROR", None),
    "unknown type": (["+noedns", "+noad", "-t", "TYPE65280"], "NOERROR", None),
    "CD": (["+noedns", "+noad", "+cd"], "NOERROR", None),
    "AD": (["+noedns", "+ad"], "NOERROR", None),
    "last header bit": (["+noedns", "+noad", "+zflag"], "NOERROR", None),
    "EDNS": (["+edns=0", "+nocookie", "+noad"], "NOERROR", (0, "", 1232)),
    "EDNS version 1": (["+edns=1", "+noednsneg", "+nocookie", "+noad"], "BADVERS", (0, "", 1232)),
    "unknown option": (["+edns=0", "+nocookie", "+noad", "+ednsopt=100"], "NOERROR", (0, "", 1232)),
    "unknown flags": (["+edns=0", "+nocookie", "+noad", "+ednsflags=0x40"], "NOERROR", (0, "", 1232)),
    "version 1 and flags": (
        ["+edns=1", "+noednsneg", "+nocookie", "+noad", "+ednsflags=0x40"],
        "BADVERS",
        (0, "", 1232),
    ),
    "version 1 and option": (
        ["+edns=1", "+noednsneg", "+nocookie", "+noad", "+ednsopt=100"],
        "BADVERS",
        (0, "", 1232),
    ),
    "DO": (["+edns=0", "+nocookie", "+noad", "+dnssec"], "NOERROR", (0, "do", 1232)),
    "DO and version 1": (["+edns=1", "+noednsneg", "+nocookie", "+noad", "+dnssec"], "BADVERS", (0, "do", 1232)),
    "many options": (
        ["+edns=0", "+noad", "+cookie", "+nsid", "+expire", "+subnet=0.0.0.0/0", "+ednsopt=100"],
        "NOERROR",
        (0, "", 1232),
    ),
}


@pytest.mark.parametrize(("arguments", "status", "edns"), ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_every_unknown_flag_option_and_version_gets_the_right_answer(
    server: Moatdns, transport: str, arguments: list[str], status: str, edns: tuple[int, str, int] | None
) -> None:
    dug = dig(server.port, NAME, transport, *arguments)
    assert dug.status == status
    assert edns_of(dug) == edns
    assert bool(dug.answer) == (status == "NOERROR")
    assert "MBZ" not in dug.text
    assert "qr" in dug.flags


@pytest.mark.parametrize("opcode", [1, 2, 4, 5, 6, 15])
def test_every_opcode_but_query_is_not_implemented(server: Moatdns, opcode: int) -> None:
    dug = dig(server.port, "+noedns", "+noad", f"+opcode={opcode}", "+norec", "+header-only")
    assert dug.status == "NOTIMP"
    shown = {1: "IQUERY", 2: "STATUS", 4: "NOTIFY", 5: "UPDATE", 6: "RESERVED6", 15: "RESERVED15"}[opcode]
    assert f"opcode: {shown}" in dug.text
    with_edns = dig(server.port, NAME, f"+opcode={opcode}")
    assert (with_edns.status, edns_of(with_edns)) == ("NOTIMP", (0, "", 1232))


def test_a_header_alone_is_a_format_error_and_with_a_cookie_it_asks_for_one(server: Moatdns) -> None:
    assert dig(server.port, "+header-only", "+noedns").status == "FORMERR"
    dug = dig(server.port, "+header-only", "+cookie=0123456789abcdef")
    assert dug.status == "NOERROR"
    cookie, verdict = cookie_of(dug)
    assert (len(cookie), cookie[:16], verdict) == (48, "0123456789abcdef", "good")
    assert "QUERY: 0, ANSWER: 0, AUTHORITY: 0, ADDITIONAL: 1" in dug.text
    assert dig(server.port, "+header-only", f"+cookie={cookie}").status == "NOERROR"
    assert dig(server.port, "+header-only", "+nobadcookie", f"+cookie={cookie[:-2]}00").status == "BADCOOKIE"


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_cookies_are_answered_and_kept_by_all_workers(server: Moatdns, transport: str) -> None:
    cookie, verdict = cookie_of(dig(server.port, NAME, transport, "+cookie=0123456789abcdef"))
    assert verdict == "good"
    for _ in range(8):  # sockets of other ports reach the other worker, too
        again = dig(server.port, NAME, transport, f"+cookie={cookie}")
        assert cookie_of(again) == (cookie, "good")
        assert again.rdata == ["198.51.100.30"]


def test_a_cookie_that_is_not_ours_gets_the_answer_and_a_good_one(server: Moatdns) -> None:
    dug = dig(server.port, NAME, "+cookie=0123456789abcdef0100000000000000ffffffffffffffff")
    assert (dug.status, dug.rdata) == ("NOERROR", ["198.51.100.30"])
    assert len(cookie_of(dug)[0]) == 48


@pytest.mark.parametrize("length", [0, 1, 7, 9, 15, 41])
def test_a_cookie_of_a_wrong_length_is_a_format_error(server: Moatdns, length: int) -> None:
    option = dns.edns.GenericOption(10, bytes(length))
    query = dns.message.make_query(NAME, "A", use_edns=0, options=[option]).to_wire()
    with UdpClient(server.port) as udp:
        answer = dns.message.from_wire(udp.exchange(query))
    assert (answer.rcode(), answer.edns) == (dns.rcode.FORMERR, 0)


def test_keepalive_is_answered_over_tcp_and_ignored_over_udp(server: Moatdns) -> None:
    assert "; TCP KEEPALIVE: 10.0 secs" in dig(server.port, NAME, "+tcp", "+keepalive").text
    for arguments in (["+keepalive"], ["+tcp"]):
        dug = dig(server.port, NAME, *arguments)
        assert dug.status == "NOERROR"
        assert "KEEPALIVE" not in dug.text


def test_a_client_that_tells_a_timeout_over_tcp_is_told_of_its_format_error(server: Moatdns) -> None:
    option = dns.edns.GenericOption(11, b"\x00\x64")
    query = dns.message.make_query(NAME, "A", use_edns=0, options=[option]).to_wire()
    with TcpClient(server.port) as tcp:
        tcp.send(query)
        assert tcp.receive().rcode() == dns.rcode.FORMERR
    with UdpClient(server.port) as udp:
        assert dns.message.from_wire(udp.exchange(query)).rcode() == dns.rcode.NOERROR


@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_nothing_is_padded_in_clear(server: Moatdns, transport: str) -> None:
    assert "PADDING" not in kdig(server.port, NAME, transport, "+padding").text.upper()


def test_what_the_server_may_tell_of_itself_is_told(server: Moatdns) -> None:
    for name in ("id.server", "hostname.bind"):
        assert dig(server.port, "CH", "TXT", name).rdata == ['"east-1"']
    for name in ("version.bind", "VERSION.server"):
        assert dig(server.port, "CH", "TXT", name).rdata == ['"none of yours"']
    nodata = dig(server.port, "CH", "A", "id.server")
    assert (nodata.status, nodata.answer) == ("NOERROR", ())
    assert [rtype for _, _, rtype, _ in nodata.authority] == ["SOA"]
    assert dig(server.port, "CH", "TXT", "authors.bind").status == "REFUSED"
    assert "east-1" in dig(server.port, NAME, "+nsid").text
    assert "east-1" not in dig(server.port, NAME).text


@pytest.mark.parametrize("name", ["id.server", "hostname.bind", "version.bind", "version.server"])
def test_it_tells_nothing_of_itself_unless_it_may(office: Moatdns, name: str) -> None:
    assert dig(office.port, "CH", "TXT", name).status == "REFUSED"
    assert "NSID" not in dig(office.port, NAME, "+nsid").text


def test_unknown_classes_are_refused_and_unknown_types_pass_unread(server: Moatdns) -> None:
    assert dig(server.port, "-c", "CLASS65280", NAME).status == "REFUSED"
    dug = dig(server.port, NAME, "TYPE65280")
    assert [(rtype, data) for _, _, rtype, data in dug.answer] == [("TYPE65280", "\\# 3 010203")]


def test_what_does_not_fit_is_truncated_without_half_an_rrset_and_keeps_its_cookie(server: Moatdns) -> None:
    dug = dig(server.port, "large.example", "TXT", "+ignore", "+cookie=0123456789abcdef")
    assert "tc" in dug.flags
    assert dug.answer == ()
    assert len(cookie_of(dug)[0]) == 48
    assert len(dig(server.port, "large.example", "TXT").answer) == 60  # by TCP then


def test_the_cookie_secret_is_in_no_log_plan_or_argument(server: Moatdns) -> None:
    assert SECRET not in server.log_text
    assert SECRET not in (server.state_dir / "boot.json").read_text()
    assert not any(SECRET in " ".join(process.cmdline()) for process in server.family())
    kept = server.state_dir / "cookie.configured"
    assert kept.read_text().strip() == SECRET
    assert kept.stat().st_mode & 0o777 == 0o600


def test_cookies_outlive_a_restart_and_a_new_secret_takes_over_by_reload(
    world: Unbound, moatdns: Start, tmp_path: Path
) -> None:
    config: dict[str, Any] = {"workers": 1, "upstream": {"servers": [world.server]}}
    server = moatdns(config)
    made = server.state_dir / "cookie.secret"
    assert made.stat().st_mode & 0o777 == 0o600
    first, _ = cookie_of(dig(server.port, NAME, "+cookie=0123456789abcdef"))
    server.stop()
    server.start()
    assert _is_known(server, first)
    before = made.read_text()
    made.write_text(f"{SECRET}\n{before}")
    assert server.hang_up()["event"] == "reloaded"
    assert _is_known(server, first)  # by the second line
    second, _ = cookie_of(dig(server.port, NAME, f"+cookie={first}"))
    assert second != first
    made.write_text(SECRET)
    assert server.hang_up()["event"] == "reloaded"
    assert (_is_known(server, first), _is_known(server, second)) == (False, True)
    shared = tmp_path / "shared.secret"
    shared.write_text(before)
    assert server.reload({**config, "cookies": {"secret": f"file:{shared}"}})["event"] == "reloaded"
    assert _is_known(server, first)
    assert server.reload({**config, "cookies": {"enabled": False}})["event"] == "reloaded"
    assert "COOKIE" not in dig(server.port, NAME, f"+cookie={first}").text
    assert before.strip() not in server.log_text + json.dumps(server.events)


def _is_known(server: Moatdns, cookie: str) -> bool:
    return dig(server.port, "+header-only", "+nobadcookie", f"+cookie={cookie}").status == "NOERROR"


def test_a_client_that_asks_too_often_is_refused_while_others_are_served(world: Unbound, moatdns: Start) -> None:
    server = moatdns({"workers": 1, "upstream": {"servers": [world.server]}, "clients": {"queries_per_second": 50}})
    query = dns.message.make_query("claude.ai", "A", use_edns=0).to_wire()
    with UdpClient(server.port) as greedy:
        for _ in range(200):
            greedy.send(query)
        rcodes = [dns.message.from_wire(greedy.receive()).rcode() for _ in range(200)]
        assert dig(server.port, NAME, "-b", "127.0.0.2").status == "NOERROR"
    refused = rcodes.count(dns.rcode.REFUSED)
    assert rcodes.count(dns.rcode.NOERROR) == 200 - refused
    assert rcodes[:50] == [dns.rcode.NOERROR] * 50
    assert 200 - refused < 150  # it may take a moment, and so much comes back in it
    counts = server.counts()
    assert counts["queries_per_second"] == counts["refused"] == refused


def test_flooded_networks_get_some_truncated_answers_and_silence(world: Unbound, moatdns: Start) -> None:
    server = moatdns(
        {
            "workers": 1,
            "upstream": {"servers": [world.server]},
            "clients": {"allow": ["loopback", "192.0.2.0/24"]},
            "rate_limits": {"responses_per_second": 5, "slip": 2},
        }
    )
    assert not any("rate_limits" in event["event"] for event in server.events)
    query = dns.message.make_query("claude.ai", "A", use_edns=0).to_wire()
    other = dns.message.make_query("claude.ai", "AAAA", use_edns=0).to_wire()
    with UdpClient(server.port) as victim:
        for _ in range(25):
            victim.send(query)
        victim.send(other)
        answers = []
        while (answer := dns.message.from_wire(victim.receive())).question[0].rdtype != 28:
            answers.append(answer)
    truncated = sum(bool(answer.flags & dns.flags.TC) for answer in answers)
    assert len(answers) - truncated >= 5
    assert truncated >= 1
    limited = server.counts()["responses_per_second"]
    assert limited == 25 - (len(answers) - truncated)
    assert truncated == limited // 2


def test_public_clients_without_a_response_limit_are_told_of_at_the_start(world: Unbound, moatdns: Start) -> None:
    server = moatdns({"upstream": {"servers": [world.server]}, "clients": {"allow": ["loopback", "0.0.0.0/0"]}})
    assert any("clients.allow has public addresses (0.0.0.0/0)" in event["event"] for event in server.events)


def test_header_bits_that_mean_nothing_are_not_echoed(server: Moatdns) -> None:
    query = bytearray(dns.message.make_query(NAME, "A").to_wire())
    query[2] |= 0x06  # AA, TC
    query[3] |= 0xEF  # RA, Z, AD and an rcode
    with UdpClient(server.port, LOCALHOST) as udp:
        answer = udp.exchange(bytes(query))
    assert answer[2] & 0x06 == 0
    assert answer[3] == 0x80


SIGNED = ("-y", "hmac-sha256:key.office.example:bm90IGtub3duIGhlcmU=")


@pytest.mark.parametrize("how", [(), ("+noedns",), ("+nocookie", "+dnssec"), ("+tcp",), ("CH", "TXT")])
def test_a_signed_query_is_told_that_its_key_is_not_known_also_where_the_answer_is_ready(
    server: Moatdns, how: tuple[str, ...]
) -> None:
    for name in (NAME, "claude.ai"):
        plain = dig(server.port, name, *how)
        for _ in range(3):
            told = dig(server.port, *SIGNED, name, *how)
            assert (told.status, told.answer) == ("NOTAUTH", ()), told.text
            assert re.search(r"key\.office\.example\.\s+0\s+ANY\s+TSIG\s+hmac-sha256\.", told.text), told.text
            assert "BADKEY" in told.text
        assert dig(server.port, name, *how).status == plain.status
