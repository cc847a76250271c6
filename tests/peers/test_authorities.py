"""Zones with an authoritative server of their own, a real nsd, whose aliases lead out of what it knows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.clients import dig
from tests.support.moatdns import Moatdns
from tests.support.signed_zone import Authority
from tests.support.unbound import Unbound

CORP = """\
$ORIGIN corp.example.
@       300 IN SOA ns hostmaster 1 3600 600 86400 60
@       300 IN NS  ns
ns      300 IN A   127.0.0.1
host    300 IN A   10.0.0.80
within  300 IN CNAME host
out     300 IN CNAME www.other.example.
twice   300 IN CNAME out
nothing 300 IN CNAME gone.other.example.
inner   300 IN CNAME inner.other.example.
blocked 300 IN CNAME www.blocked.example.
local   300 IN CNAME localhost.
moved   300 IN DNAME tree.other.example.
"""
OTHER = """\
www.other.example. 200 IN A 192.0.2.1
inner.other.example. 200 IN A 10.0.0.9
a.tree.other.example. 200 IN A 192.0.2.2
www.blocked.example. 200 IN A 192.0.2.66
"""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moatdns]:
    with (
        Authority(tmp_path_factory.mktemp("nsd"), "corp.example", CORP) as corp,
        Unbound(tmp_path_factory.mktemp("unbound"), OTHER) as other,
    ):
        config = {
            "workers": 1,
            "upstream": {"servers": [other.server], "zones": {"corp.example": [corp.server]}},
            "policy": {"lists": [{"name": "house", "block": ["blocked.example"]}]},
        }
        with Moatdns(tmp_path_factory.mktemp("office"), config) as moatdns:
            yield moatdns


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("within", ["host.corp.example.", "10.0.0.80"]),
        ("out", ["www.other.example.", "192.0.2.1"]),
        ("twice", ["out.corp.example.", "www.other.example.", "192.0.2.1"]),
        ("inner", ["inner.other.example."]),  # no exception from the guard there
        ("local", ["localhost."]),
        ("blocked", ["0.0.0.0"]),
        ("a.moved", ["tree.other.example.", "a.tree.other.example.", "192.0.2.2"]),
    ],
)
def test_an_alias_is_followed_out_of_its_zone(office: Moatdns, name: str, data: list[str]) -> None:
    for _ in range(2):  # from the servers, and from the cache
        dug = dig(office.port, f"{name}.corp.example")
        assert (dug.status, dug.rdata) == ("NOERROR", data)


@pytest.mark.parametrize(("name", "qtype", "status"), [("nothing", "A", "NXDOMAIN"), ("out", "AAAA", "NOERROR")])
def test_that_there_is_nothing_behind_an_alias_is_told_with_an_soa(
    office: Moatdns, name: str, qtype: str, status: str
) -> None:
    dug = dig(office.port, f"{name}.corp.example", qtype)
    assert (dug.status, [rtype for _, _, rtype, _ in dug.answer]) == (status, ["CNAME"])
    assert [rtype for _, _, rtype, _ in dug.authority] == ["SOA"]
