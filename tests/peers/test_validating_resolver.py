"""unbound validates, behind moatdns, what an authoritative nsd has signed: DO, CD, signatures and proofs pass whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.clients import dig
from tests.support.moatdns import Moatdns
from tests.support.signed_zone import ZONE, SignedZone, ValidatingUnbound


@pytest.fixture(scope="module", params=["NSEC", "NSEC3"])
def zone(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[SignedZone]:
    """The authority."""
    with SignedZone(tmp_path_factory.mktemp("nsd"), request.param) as signed:
        yield signed


@pytest.fixture(scope="module")
def between(tmp_path_factory: pytest.TempPathFactory, zone: SignedZone) -> Iterator[Moatdns]:
    """The resolver under test, between validator and authority."""
    config = {"workers": 1, "upstream": {"servers": [zone.server]}}
    with Moatdns(tmp_path_factory.mktemp("between"), config) as moatdns:
        yield moatdns


@pytest.fixture(scope="module")
def validator(
    tmp_path_factory: pytest.TempPathFactory, zone: SignedZone, between: Moatdns
) -> Iterator[ValidatingUnbound]:
    """The client that trusts nobody."""
    with ValidatingUnbound(tmp_path_factory.mktemp("validator"), zone.anchor, between.port) as unbound:
        yield unbound


SIGNED = {
    "an address": ("www", "A", ["192.0.2.1"]),
    "another type": ("www", "TXT", ['"signed"']),
    "the zone's keys": ("", "SOA", [f"ns.{ZONE}. hostmaster.{ZONE}. 1 3600 600 86400 60"]),
    "an alias": ("alias", "A", [f"www.{ZONE}.", "192.0.2.1"]),
    "a wildcard, with the proof that nothing is closer": ("any.thing.wild", "A", ["192.0.2.2"]),
    "a renamed tree": ("a.old", "A", [f"new.{ZONE}.", f"a.new.{ZONE}.", "192.0.2.3"]),
}


@pytest.mark.parametrize(("name", "qtype", "data"), SIGNED.values(), ids=SIGNED)
def test_signed_answers_validate_behind_us(
    validator: ValidatingUnbound, name: str, qtype: str, data: list[str]
) -> None:
    dug = dig(validator.port, f"{name}.{ZONE}".lstrip("."), qtype, "+adflag")
    assert (dug.status, dug.rdata) == ("NOERROR", data)
    assert "ad" in dug.flags


@pytest.mark.parametrize(
    ("name", "qtype", "status"), [("nobody", "A", "NXDOMAIN"), ("www", "AAAA", "NOERROR"), ("www", "DS", "NOERROR")]
)
def test_that_there_is_nothing_is_proven_behind_us(
    validator: ValidatingUnbound, name: str, qtype: str, status: str
) -> None:
    dug = dig(validator.port, f"{name}.{ZONE}", qtype, "+adflag")
    assert (dug.status, dug.answer) == (status, ())
    assert "ad" in dug.flags


def test_signed_answers_that_need_tcp_validate_behind_us(validator: ValidatingUnbound) -> None:
    dug = dig(validator.port, f"large.{ZONE}", "TXT", "+adflag")
    assert (dug.status, len(dug.answer)) == ("NOERROR", 1)
    assert "ad" in dug.flags


def test_a_forged_answer_is_seen_to_be_one_behind_us(validator: ValidatingUnbound) -> None:
    assert dig(validator.port, f"bogus.{ZONE}").status == "SERVFAIL"
    assert dig(validator.port, f"bogus.{ZONE}", "+cd").rdata == ["192.0.2.67"]


def test_a_blocked_name_fails_to_validate_only_where_it_is_signed(validator: ValidatingUnbound) -> None:
    dug = dig(validator.port, "claude.ai", "+adflag")  # below no trust anchor
    assert (dug.status, dug.rdata) == ("NOERROR", ["0.0.0.0"])
    assert "ad" not in dug.flags


def test_signatures_come_with_do_alone(zone: SignedZone, between: Moatdns) -> None:
    for _ in range(2):  # from the upstream, and from the cache
        with_do = dig(between.port, f"www.{ZONE}", "+dnssec")
        assert [rtype for _, _, rtype, _ in with_do.answer] == ["A", "RRSIG"]
        assert [rtype for _, _, rtype, _ in dig(between.port, f"www.{ZONE}").answer] == ["A"]
        proof = dig(between.port, f"nobody.{ZONE}", "+dnssec")
        assert {zone.denial, "RRSIG", "SOA"} == {rtype for _, _, rtype, _ in proof.authority}
        plain = dig(between.port, f"nobody.{ZONE}")
        assert [rtype for _, _, rtype, _ in plain.authority] == ["SOA"]
    assert "cd" in dig(between.port, f"www.{ZONE}", "+cd").flags
