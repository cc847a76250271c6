"""Names that are answered here."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import dns.reversename
import pytest

from resolver.answering.local_names import LocalNames
from resolver.wire.names import key_of, parse_name
from resolver.wire.question import parse_question


def ask(name: str, qtype: str = "A", *, forwarded: tuple[str, ...] = ()) -> dns.message.Message | None:
    query = dns.message.make_query(name, qtype)
    names = LocalNames(key_of(parse_name(zone)) for zone in forwarded)
    answer = names.answer(parse_question(query.to_wire()))
    if answer is None:
        return None
    response = dns.message.from_wire(answer)
    assert query.is_response(response)
    assert response.flags & dns.flags.AA  # RFC 6303 section 3: it is the zone's own server
    return response


def ptr(address: str) -> str:
    return dns.reversename.from_address(address).to_text()


@pytest.mark.parametrize(("name", "qtype", "data"), [
    ("localhost", "A", "127.0.0.1"),
    ("LOCALHOST", "AAAA", "::1"),
    ("a.b.localhost", "A", "127.0.0.1"),
    (ptr("127.0.0.1"), "PTR", "localhost."),
    (ptr("::1"), "PTR", "localhost."),
])  # fmt: skip
def test_loopback_names_have_their_addresses(name: str, qtype: str, data: str) -> None:
    response = ask(name, qtype)
    assert response is not None
    assert response.answer[0][0].to_text() == data


@pytest.mark.parametrize(("name", "zone"), [
    ("a.invalid", "invalid."),
    ("a.test", "test."),
    ("facebookcorewwwi.onion", "onion."),
    ("router.home.arpa", "home.arpa."),
    ("x.resolver.arpa", "resolver.arpa."),
    (ptr("10.1.2.3"), "10.in-addr.arpa."),
    (ptr("172.31.0.1"), "31.172.in-addr.arpa."),
    (ptr("192.168.1.1"), "168.192.in-addr.arpa."),
    (ptr("100.64.0.1"), "64.100.in-addr.arpa."),
    (ptr("169.254.1.1"), "254.169.in-addr.arpa."),
    (ptr("fd00::1"), "d.f.ip6.arpa."),
    (ptr("fe80::1"), "8.e.f.ip6.arpa."),
    (ptr("2001:db8::1"), "8.b.d.0.1.0.0.2.ip6.arpa."),
])  # fmt: skip
def test_names_that_cannot_be_elsewhere_do_not_exist(name: str, zone: str) -> None:
    response = ask(name, "PTR")
    assert response is not None
    assert response.rcode() == dns.rcode.NXDOMAIN
    assert response.authority[0].name.to_text() == zone


@pytest.mark.parametrize("name", [
    "localhost.example", "notlocalhost", "onion.example", "example", ".",
    ptr("172.32.0.1"), ptr("100.128.0.1"), ptr("8.8.8.8"), ptr("2001:4860::1"),
])  # fmt: skip
def test_other_names_are_not_answered_here(name: str) -> None:
    assert ask(name, "PTR") is None


@pytest.mark.parametrize(("name", "qtype"), [
    ("_dns.resolver.arpa", "SVCB"), ("resolver.arpa", "A"), ("localhost", "MX"), ("0.0.127.in-addr.arpa", "PTR"),
])  # fmt: skip
def test_names_that_exist_without_the_type_have_no_data(name: str, qtype: str) -> None:
    response = ask(name, qtype)
    assert response is not None
    assert response.rcode() == dns.rcode.NOERROR
    assert not response.answer
    assert response.authority


def test_the_soa_of_a_zone_is_answered_at_its_top() -> None:
    response = ask("10.in-addr.arpa", "SOA")
    assert response is not None
    assert response.answer[0].name.to_text() == "10.in-addr.arpa."


def test_a_zone_with_upstreams_of_its_own_takes_its_names_back() -> None:
    forwarded = ("20.10.in-addr.arpa", "corp.test")
    assert ask(ptr("10.20.1.1"), "PTR", forwarded=forwarded) is None
    assert ask(ptr("10.21.1.1"), "PTR", forwarded=forwarded) is not None
    assert ask("a.corp.test", forwarded=forwarded) is None
    assert ask("a.test", forwarded=forwarded) is not None


@pytest.mark.parametrize("name", [
    "10.in-addr.arpa", "31.172.in-addr.arpa", "168.192.in-addr.arpa", "64.100.in-addr.arpa", "d.f.ip6.arpa",
    "home.arpa", "resolver.arpa", "HOME.ARPA", "localhost", "test", "invalid", "onion",
    dns.reversename.from_address("::1").to_text(),
])  # fmt: skip
def test_whether_a_zone_is_signed_that_is_answered_here_the_public_zone_above_says(name: str) -> None:
    assert ask(name, "DS") is None
    assert ask(name, "SOA") is not None
    assert ask(f"below.{name}", "DS") is not None


def test_a_name_above_a_forwarded_zone_exists() -> None:
    forwarded = ("2.1.10.in-addr.arpa", "corp.test")
    for name, qtype in (("1.10.in-addr.arpa", "PTR"), ("2.1.10.in-addr.arpa", "DS"), ("corp.test", "DS")):
        response = ask(name, qtype, forwarded=forwarded)
        assert response is not None
        assert response.rcode() == dns.rcode.NOERROR, "an NXDOMAIN would hide what is below (RFC 8020)"
    for name in ("3.10.in-addr.arpa", "0.2.10.in-addr.arpa"):
        response = ask(name, "PTR", forwarded=forwarded)
        assert response is not None
        assert response.rcode() == dns.rcode.NXDOMAIN
