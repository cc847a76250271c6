"""unbound validates, behind moatdns, names of zones that other servers have than the zones above them.

Whether a zone is signed, the zone above it says (DS): whatever is asked of others, or answered here, that is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.clients import dig
from tests.support.moatdns import Moatdns
from tests.support.signed_zone import SignedZone, ValidatingUnbound

_SOA = "@ 300 IN SOA ns hostmaster 1 3600 600 86400 60\n@ 300 IN NS ns\nns 300 IN A 127.0.0.1\n"
_SAFE = f"$ORIGIN safe.above.example.\n{_SOA}www 300 IN A 192.0.2.11\n"
_PLAIN = f"$ORIGIN plain.above.example.\n{_SOA}www 300 IN A 192.0.2.12\n"
_ABOVE = f"""\
$ORIGIN above.example.
{_SOA}www   300 IN A  192.0.2.10
safe  300 IN NS ns.safe
ns.safe 300 IN A 127.0.0.1
plain 300 IN NS ns.plain
ns.plain 300 IN A 127.0.0.1
{{ds}}
"""
# What IANA's zone says of the zones that everybody answers by himself (RFC 6303 section 7, RFC 8375 section 7).
_ARPA = f"""\
$ORIGIN arpa.
{_SOA}home 300 IN NS blackhole.as112.example.
10.in-addr 300 IN NS blackhole.as112.example.
"""


@dataclass(frozen=True, slots=True)
class Cut:
    """A validator, the resolver under test between it and the world, and who has which zone."""

    validator: ValidatingUnbound
    between: Moatdns


@pytest.fixture(scope="module", params=["NSEC", "NSEC3"])
def cut(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Cut]:
    """A signed zone of the default upstream, with a signed and an unsigned one below it that another server has."""
    folder = tmp_path_factory.mktemp("cut")
    below = SignedZone(folder / "below", request.param, zone="safe.above.example", records=_SAFE)
    below.beside["plain.above.example"] = _PLAIN
    with below:
        above = SignedZone(
            folder / "above", request.param, zone="above.example", records=_ABOVE.format(ds=below.anchor)
        )
        with above:
            zones = {"safe.above.example": [below.server], "plain.above.example": [below.server]}
            config: dict[str, Any] = {"workers": 1, "upstream": {"servers": [above.server], "zones": zones}}
            with (
                Moatdns(folder / "between", config) as between,
                ValidatingUnbound(folder / "validator", above.anchor, between.port) as validator,
            ):
                yield Cut(validator, between)


@pytest.fixture(scope="module")
def arpa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cut]:
    """A signed `arpa`, as the Internet has one, below which there are zones that are answered here."""
    folder = tmp_path_factory.mktemp("arpa")
    with SignedZone(folder / "arpa", zone="arpa", records=_ARPA) as zone:
        config: dict[str, Any] = {"workers": 1, "upstream": {"servers": [zone.server]}}
        with (
            Moatdns(folder / "between", config) as between,
            ValidatingUnbound(folder / "validator", zone.anchor, between.port) as validator,
        ):
            yield Cut(validator, between)


def test_a_signed_zone_of_other_servers_validates_by_the_zone_above_it(cut: Cut) -> None:
    dug = dig(cut.validator.port, "www.safe.above.example", "A", "+adflag")
    assert (dug.status, dug.rdata) == ("NOERROR", ["192.0.2.11"])
    assert "ad" in dug.flags


def test_an_unsigned_zone_of_other_servers_is_proven_to_be_unsigned_by_the_zone_above_it(cut: Cut) -> None:
    dug = dig(cut.validator.port, "www.plain.above.example", "A", "+adflag")
    assert (dug.status, dug.rdata) == ("NOERROR", ["192.0.2.12"])
    assert "ad" not in dug.flags
    assert dig(cut.validator.port, "nobody.plain.above.example").status == "NXDOMAIN"


@pytest.mark.parametrize("flags", [(), ("+dnssec",), ("+cd",), ("+dnssec", "+cd")], ids=" ".join)
def test_ds_is_asked_of_the_zone_above_whatever_the_client_wants_of_it(cut: Cut, flags: tuple[str, ...]) -> None:
    for _ in range(2):  # from the server, and from the cache
        signed = dig(cut.between.port, "safe.above.example", "DS", *flags)
        assert [owner for owner, _, rtype, _ in signed.answer if rtype == "DS"] == ["safe.above.example."]
        dug = dig(cut.between.port, "plain.above.example", "DS", *flags)
        assert (dug.status, dug.answer) == ("NOERROR", ())
        assert {owner for owner, _, rtype, _ in dug.authority if rtype == "SOA"} == {"above.example."}
        assert dig(cut.between.port, "plain.above.example", "SOA", *flags).answer  # which it has of its own


@pytest.mark.parametrize(
    ("name", "qtype", "status"),
    [
        ("router.home.arpa", "A", "NXDOMAIN"),
        ("home.arpa", "SOA", "NOERROR"),
        ("1.2.3.10.in-addr.arpa", "PTR", "NXDOMAIN"),
    ],
)
def test_names_that_are_answered_here_are_proven_to_be_in_no_signed_zone(
    arpa: Cut, name: str, qtype: str, status: str
) -> None:
    assert dig(arpa.validator.port, name, qtype, "+adflag").status == status
