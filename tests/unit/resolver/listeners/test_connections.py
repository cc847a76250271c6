"""How many connections and handshakes a network of IPv6 clients has, and who makes room for whom."""

from __future__ import annotations

from collections import Counter

from resolver.config.settings import Limits
from resolver.listeners.connections import Connections, Handshakes

LIMITS = Limits(tcp_connections=12, tcp_connections_per_client=2)  # so that a network has six


class One:
    """A connection."""

    def __init__(self, *, is_busy: bool = False) -> None:
        self.is_busy = is_busy
        self.is_ended = False

    def abort(self) -> None:
        self.is_ended = True

    drain = make_room = abort


class Office:
    """The connections of a worker."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self.connections = Connections(LIMITS, self.dropped)

    def comes(self, client: str, *, is_busy: bool = False) -> One | None:
        """A new one, if it is taken."""
        one = One(is_busy=is_busy)
        return one if self.connections.admit(one, client) else None


def test_many_addresses_of_one_network_take_no_places_of_others() -> None:
    office = Office()
    others = [office.comes(f"192.0.2.{number}") for number in range(6)]
    for number in range(40):
        assert office.comes(f"2001:db8::{number:x}") is not None
    assert all(one is not None and not one.is_ended for one in others)
    assert len(office.connections.open) == 12
    assert office.dropped == {"tcp_connections_per_network": 34}


def test_in_a_full_network_its_own_silent_one_makes_room_and_busy_ones_do_not() -> None:
    office = Office()
    first, *busy = [office.comes(f"2001:db8::{number:x}", is_busy=number > 1) for number in range(6)]
    assert first is not None
    second = busy[0]
    assert second is not None
    office.connections.asked(first)
    assert office.comes("2001:db8::a") is not None
    assert (first.is_ended, second.is_ended) == (False, True)
    assert office.comes("2001:db8::b", is_busy=True) is not None
    assert first.is_ended
    assert office.comes("2001:db8::c", is_busy=True) is not None  # in the place of ::a
    assert office.comes("2001:db8::d") is None
    assert office.comes("2001:db8:0:1::d") is not None
    assert office.comes("192.0.2.1") is not None


def test_an_address_has_its_own_bound_still_and_what_has_ended_is_forgotten() -> None:
    office = Office()
    held = [office.comes("2001:db8::1") for _ in range(3)]
    assert held[2] is None
    assert office.dropped == {"tcp_connections_per_client": 1}
    for _ in range(50):
        one = office.comes("2001:db8::2")
        assert one is not None
        office.connections.release(one)
    for one in held[:2]:
        assert one is not None
        office.connections.release(one)
    assert not office.connections.open
    assert all(office.comes(f"2001:db8::{number:x}") for number in range(6))
    assert office.dropped == {"tcp_connections_per_client": 1}


def test_a_proxy_s_connection_counts_for_the_network_of_the_client_that_it_names() -> None:
    office = Office()
    proxied = [One() for _ in range(7)]
    for number, one in enumerate(proxied):
        assert office.connections.admit(one, None)
        assert office.connections.admit(one, f"2001:db8::{number:x}")
    assert [one.is_ended for one in proxied] == [True] + [False] * 6


def test_a_network_in_the_middle_of_handshakes_makes_room_for_its_own() -> None:
    dropped: Counter[str] = Counter()
    handshakes = Handshakes(4, dropped)
    others, own = [One(), One()], [One() for _ in range(5)]
    for one in others:
        handshakes.begin(one)
    for one in own:
        handshakes.begin(one, b"net")
    assert not any(one.is_ended for one in others)
    assert [one.is_ended for one in own] == [True] * 3 + [False] * 2
    assert dropped == {"tls_handshakes_per_network": 3}
    for one in (*others, *own):
        handshakes.end(one)
    assert not handshakes.open
    handshakes.begin(One(), b"net")
    assert dropped == {"tls_handshakes_per_network": 3}
