"""Response modes, monitor mode, own lists, allowed services, own vendors, and who is served at all."""

from __future__ import annotations

import dns.rcode
import pytest

from tests.conftest import BY_MODE, CODERS, EXEMPT, WATCHED, StartMoatdns
from tests.support.clients import ask, dig, ede, is_blocked, rdata, ttls
from tests.support.moatdns import Moatdns
from tests.support.unbound import Unbound


@pytest.mark.parametrize(
    ("mode", "qtype", "rcode", "expected"),
    [
        ("nxdomain", "A", "NXDOMAIN", []),
        ("nxdomain", "HTTPS", "NXDOMAIN", []),
        ("nodata", "A", "NOERROR", []),
        ("nodata", "AAAA", "NOERROR", []),
        ("refused", "A", "REFUSED", []),
        ("refused", "TXT", "REFUSED", []),
        ("address", "A", "NOERROR", ["192.0.2.7"]),
        ("address", "AAAA", "NOERROR", ["2001:db8::7"]),
        ("address", "HTTPS", "NOERROR", []),
    ],
)
def test_a_group_has_blocked_names_answered_in_its_mode(
    office: Moatdns, mode: str, qtype: str, rcode: str, expected: list[str]
) -> None:
    ttl = 20 if mode == "address" else 7
    for tcp in (False, True):
        response = ask(office.port, "claude.ai", qtype, client=BY_MODE[mode], tcp=tcp)
        assert dns.rcode.to_text(response.rcode()) == rcode
        assert rdata(response) == expected
        assert ede(response) == [(15, f"anthropic/claude is blocked for group {mode}")]
        if expected:
            assert ttls(response) == [ttl]
        elif mode != "refused":
            [soa] = response.authority
            assert (soa.ttl, soa[0].minimum) == (ttl, ttl)
        else:
            assert not response.authority


def test_monitor_mode_answers_normally_and_counts(moatdns: StartMoatdns, world: Unbound) -> None:
    groups = [{"name": "watched", "networks": [WATCHED], "mode": "monitor"}]
    server = moatdns({"workers": 1, "upstream": {"servers": [world.server]}, "policy": {"groups": groups}})
    dug = dig(server.port, "-b", WATCHED, "claude.ai")
    assert (dug.status, dug.rdata, dug.ede) == ("NOERROR", ["198.51.100.1"], ())
    assert dug.ttls[0] <= 60
    assert rdata(ask(server.port, "alias.example", client=WATCHED)) == ["claude.ai.", "198.51.100.1"]
    assert ttls(ask(server.port, "plain.example", client=WATCHED))[0] > 60
    ask(server.port, "claude.ai", client=WATCHED)
    assert is_blocked(ask(server.port, "claude.ai"))
    assert server.counts() == {"forwarded_monitored": 2, "forwarded": 1, "cached_monitored": 1, "blocked": 1}


@pytest.mark.parametrize(
    ("name", "blocked"),
    [
        ("house.example", True),
        ("below.house.example", True),
        ("fine.house.example", False),
        ("deep.fine.house.example", False),
        ("only.example", True),
        ("below.only.example", False),
        ("star.example", False),
        ("below.star.example", True),
    ],
)
def test_the_rules_of_an_own_list_cover_what_they_say(office: Moatdns, name: str, blocked: bool) -> None:
    response = ask(office.port, name)
    assert is_blocked(response) is blocked
    assert rdata(response) == ["0.0.0.0"] if blocked else rdata(response)[0].startswith("198.51.100.")
    if blocked:
        assert ede(response) == [(15, "house is blocked for group default")]


def test_an_own_list_is_opened_for_an_exempt_group_too(office: Moatdns) -> None:
    assert rdata(ask(office.port, "house.example", client=EXEMPT)) == ["198.51.100.40"]


def test_allowing_claude_code_opens_what_it_needs_and_no_more(office: Moatdns) -> None:
    for needed in ("claude.ai", "api.anthropic.com", "downloads.claude.ai", "code.claude.com"):
        response = ask(office.port, needed, client=CODERS)
        assert not is_blocked(response), needed
        assert rdata(response)[0].startswith("198.51.100."), needed
        assert ttls(response)[0] <= 60, needed
    for other in ("chatgpt.com", "api.openai.com"):
        assert is_blocked(ask(office.port, other, client=CODERS)), other
    assert is_blocked(ask(office.port, "claude.ai"))


def test_own_vendors_are_open_and_the_companys_own_list_still_blocks_them(
    moatdns: StartMoatdns, world: Unbound
) -> None:
    policy = {"own_vendors": ["openai"], "lists": [{"name": "house", "block": ["api.openai.com"]}]}
    server = moatdns({"workers": 1, "upstream": {"servers": [world.server]}, "policy": policy})
    assert rdata(ask(server.port, "chatgpt.com")) == ["198.51.100.4"]
    assert is_blocked(ask(server.port, "claude.ai"))
    assert ede(ask(server.port, "api.openai.com"))[0][0] == 15


def test_a_client_that_is_not_served_gets_refused_and_is_told_so(moatdns: StartMoatdns, world: Unbound) -> None:
    server = moatdns({"workers": 2, "clients": {"allow": ["127.0.0.1/32"]}, "upstream": {"servers": [world.server]}})
    for name in ("plain.example", "claude.ai", "use-application-dns.net", "_dns.resolver.arpa"):
        for option in ("+notcp", "+tcp"):
            dug = dig(server.port, "-b", "127.0.0.9", option, name)
            assert (dug.status, dug.answer, dug.authority) == ("REFUSED", (), ()), name
            assert [code for code, _ in dug.ede] == [18], name
    assert rdata(ask(server.port, "plain.example")) == ["198.51.100.30"]
    assert is_blocked(ask(server.port, "claude.ai"))
