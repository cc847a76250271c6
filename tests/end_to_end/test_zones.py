"""Zones with upstreams of their own, and names that are answered here."""

from __future__ import annotations

from collections.abc import Iterator

import dns.rcode
import pytest

from tests.support.clients import ask, dig, rdata
from tests.support.moatdns import Moatdns
from tests.support.stub import StubUpstream

INSIDE = {
    "www.corp.test": "www.corp.test. 300 IN A 10.0.0.80",
    "deep.sub.corp.test": "deep.sub.corp.test. 300 IN A 10.0.0.81",
}


@pytest.fixture(scope="module")
def outside() -> Iterator[StubUpstream]:
    with StubUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def inside() -> Iterator[StubUpstream]:
    with StubUpstream(INSIDE) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, outside: StubUpstream, inside: StubUpstream) -> Iterator[Moatdns]:
    config = {
        "workers": 1,
        "upstream": {
            "servers": [outside.server],
            "zones": {
                "corp.test": [inside.server],
                "corp.example": [inside.server],
                "10.20.0.0/16": [inside.server],
                "dead.corp.test": ["127.0.0.1:1"],
            },
        },
        "policy": {"lists": [{"name": "house", "block": ["blocked.corp.test", "sold.example"]}]},
    }
    with Moatdns(tmp_path_factory.mktemp("zones"), config) as moatdns:
        yield moatdns


def test_names_of_a_zone_are_asked_of_its_servers_and_of_no_others(
    office: Moatdns, inside: StubUpstream, outside: StubUpstream
) -> None:
    assert dig(office.port, "www.CORP.test").rdata == ["10.0.0.80"]
    assert dig(office.port, "deep.sub.corp.test").rdata == ["10.0.0.81"]
    assert inside.times_asked("www.corp.test") == 1
    assert not outside.times_asked("www.corp.test")


def test_other_names_are_asked_of_the_default_servers(
    office: Moatdns, inside: StubUpstream, outside: StubUpstream
) -> None:
    dig(office.port, "notcorp.example")
    assert outside.times_asked("notcorp.example") == 1
    assert not inside.times_asked("notcorp.example")


def test_the_most_specific_zone_counts_and_fails_alone(office: Moatdns, inside: StubUpstream) -> None:
    assert dig(office.port, "www.dead.corp.test").status == "SERVFAIL"
    assert not inside.times_asked("www.dead.corp.test")


def test_a_reverse_zone_with_servers_is_asked_of_them_and_the_others_are_answered_here(
    office: Moatdns, inside: StubUpstream, outside: StubUpstream
) -> None:
    dig(office.port, "-x", "10.20.1.2")
    assert inside.times_asked("2.1.20.10.in-addr.arpa") == 1
    assert dig(office.port, "-x", "10.21.1.2").status == "NXDOMAIN"
    assert dig(office.port, "-x", "192.168.1.2").status == "NXDOMAIN"
    assert dig(office.port, "-x", "fd00::1").status == "NXDOMAIN"
    assert not outside.times_asked("2.1.21.10.in-addr.arpa")


def test_a_blocked_name_of_a_zone_is_blocked(office: Moatdns, inside: StubUpstream) -> None:
    assert dig(office.port, "blocked.corp.test").rdata == ["0.0.0.0"]
    assert not inside.times_asked("blocked.corp.test")


@pytest.mark.parametrize("name", ["a.onion", "a.invalid", "a.test", "router.home.arpa"])
def test_names_that_mean_nothing_elsewhere_never_leave(office: Moatdns, outside: StubUpstream, name: str) -> None:
    response = ask(office.port, name)
    assert response.rcode() == dns.rcode.NXDOMAIN
    assert response.authority
    assert not outside.times_asked(name)


def test_localhost_is_this_host(office: Moatdns) -> None:
    assert rdata(ask(office.port, "localhost")) == ["127.0.0.1"]
    assert rdata(ask(office.port, "localhost", "AAAA")) == ["::1"]


@pytest.mark.parametrize("name", ["corp.example", "10.in-addr.arpa", "home.arpa", "20.10.in-addr.arpa", ".", "example"])
def test_whether_a_zone_is_signed_is_asked_of_none_of_its_own_servers(
    office: Moatdns, inside: StubUpstream, outside: StubUpstream, name: str
) -> None:
    dig(office.port, name, "DS")
    asked = (name.rstrip(".") or ".", "DS", "udp")
    assert asked not in inside.asked
    assert (asked in outside.asked) == (name != "20.10.in-addr.arpa"), "the zone above that one is answered here"


def test_what_is_signed_below_a_zone_is_asked_of_its_servers(
    office: Moatdns, inside: StubUpstream, outside: StubUpstream
) -> None:
    dig(office.port, "sub.corp.example", "DS")
    assert ("sub.corp.example", "DS", "udp") in inside.asked
    assert ("sub.corp.example", "DS", "udp") not in outside.asked


def test_a_blocked_name_is_blocked_for_every_type(office: Moatdns, outside: StubUpstream) -> None:
    dug = dig(office.port, "sold.example", "DS")
    assert (dug.status, dug.answer) == ("NOERROR", ())
    assert 15 in {code for code, _ in dug.ede}
    assert not outside.times_asked("sold.example")
