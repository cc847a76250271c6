"""Networks of IPv6 clients, which share bounds that are wider than those of each address."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.answering.client_networks import Networks
from resolver.config.settings import ClientNetworks


@given(st.ip_addresses(v=6), st.integers(16, 128))
def test_a_network_is_what_the_prefix_says(address: ipaddress.IPv6Address, prefix: int) -> None:
    networks = Networks(ClientNetworks(prefix))
    network = ipaddress.ip_network((address, prefix), strict=False).network_address.packed
    found = networks.of(address.packed)
    assert found == network[: len(found)]
    assert not any(network[len(found) :])
    if address.ipv4_mapped is None:
        assert networks.of_text(str(address)) == found


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_has_no_network_however_it_is_written(address: ipaddress.IPv4Address) -> None:
    networks = Networks(ClientNetworks())
    assert networks.of(address.packed) == b""
    assert networks.of_text(str(address)) == networks.of_text(f"::ffff:{address}") == b""


def test_a_link_local_address_has_one_with_its_link() -> None:
    networks = Networks(ClientNetworks())
    assert networks.of_text("fe80::1%eth0") == networks.of_text("fe80::2%eth1") != b""


@pytest.mark.parametrize(
    ("factor", "per_client", "places", "bound"),
    [
        (20, 1000, None, 20_000),
        (20, 100, 1000, 500),  # at most half of all
        (20, 2, 1000, 40),
        (20, 800, 1000, 800),  # what one address may have, its network may
        (1, 100, 1000, 100),
    ],
)
def test_a_bound_is_wide_and_leaves_half_of_the_places_to_others(
    factor: int, per_client: int, places: int | None, bound: int
) -> None:
    assert Networks(ClientNetworks(64, factor)).bound(per_client, places) == bound
