"""Networks that their owners publish: each with a source and a date, of vendors that there are, and read strictly."""

from __future__ import annotations

import contextlib
import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocklists.own_networks import networks_of, own_networks
from resolver.errors import CatalogueError
from tests.unit.bundled import bundled_catalogue

_ENTRY = b"{network: 192.0.2.0/24, source: docs, seen: 2026-11-27}"


def test_the_bundled_ones_are_of_vendors_in_the_catalogue_and_of_public_addresses() -> None:
    known = own_networks()
    assert {one.owner for one in known.vendors} <= bundled_catalogue().about.keys()
    assert "160.79.104.0/23" in {one.network for one in known.vendors}
    assert {"8.8.8.8/32", "9.9.9.9/32", "1.1.1.1/32"} <= {one.network for one in known.resolvers}
    for one in (*known.vendors, *known.resolvers):
        assert ipaddress.ip_network(one.network).is_global, one
    for one in known.resolvers:  # an operator has more than resolvers in any network
        assert ipaddress.ip_network(one.network).num_addresses == 1, one


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[]", "expected a mapping"),
        (b"vendors: {}", "expected a mapping"),
        (b"vendors: []\nresolvers: {}", "mapping of owners"),
        (b"vendors: {a: 1}\nresolvers: {}", "list of networks"),
        (b"vendors: {a: [{network: 192.0.2.0/24}]}\nresolvers: {}", "expected network, source and seen"),
        (b"vendors: {a: [{network: 192.0.2.1/24, source: x, seen: 2026-01-01}]}\nresolvers: {}", "bits set"),
        (b"vendors: {a: [{network: 192.0.2.0/24, source: x, seen: soon}]}\nresolvers: {}", "expected a date"),
        (b"vendors: {a: [" + _ENTRY + b"]}\nresolvers: {b: [" + _ENTRY + b"]}", "written twice"),
        (b"vendors: {a: [", "not readable"),
    ],
)
def test_a_file_with_a_mistake_is_refused_with_what_is_wrong(content: bytes, why: str) -> None:
    with pytest.raises(CatalogueError, match=why):
        networks_of(content)


@given(st.binary(max_size=80) | st.text(alphabet="vendorslu:{}[] ,-\n0123./&*", max_size=80).map(str.encode))
def test_any_octets_are_networks_or_a_clear_mistake(content: bytes) -> None:
    with contextlib.suppress(CatalogueError):
        networks_of(content)
