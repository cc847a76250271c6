"""Who asks: by server name, and by what proxies say."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.listeners.who import forwarded_address, name_below

_PROXIES = {"192.0.2.1", "192.0.2.2", "2001:db8::1"}


@pytest.mark.parametrize(
    ("asked_for", "name"),
    [
        ("laptop.dns.example.com", "laptop"),
        ("LapTop-7.DNS.example.com.", "laptop-7"),
        ("dns.example.com", ""),
        ("a.b.dns.example.com", ""),
        ("laptop.dns.example.org", ""),
        ("-x.dns.example.com", ""),
        (f"{'x' * 64}.dns.example.com", ""),
        (".dns.example.com", ""),
        ("", ""),
    ],
)
def test_a_client_name_is_one_label_before_our_own(asked_for: str, name: str) -> None:
    assert name_below(asked_for, "dns.example.com") == name


def test_without_a_name_of_our_own_nobody_has_one() -> None:
    assert name_below("laptop.", "") == ""


@pytest.mark.parametrize(
    ("values", "client"),
    [
        ((b"198.51.100.7",), "198.51.100.7"),
        ((b"203.0.113.9, 198.51.100.7",), "198.51.100.7"),  # what the client wrote itself does not count
        ((b"203.0.113.9, 198.51.100.7, 192.0.2.2",), "198.51.100.7"),
        ((b"198.51.100.7", b"192.0.2.1,192.0.2.2"), "198.51.100.7"),
        ((b"unknown, 198.51.100.7",), "198.51.100.7"),
        ((b"198.51.100.7:4433",), "198.51.100.7"),
        ((b"[2001:db8::7]:443",), "2001:db8::7"),
        ((b"2001:db8::7",), "2001:db8::7"),
        ((b"::ffff:198.51.100.7",), "198.51.100.7"),
        ((b"192.0.2.1, 2001:db8::1",), None),
    ],
)
def test_the_last_foreign_address_is_the_client(values: tuple[bytes, ...], client: str | None) -> None:
    assert forwarded_address(values, _PROXIES.__contains__) == client


@pytest.mark.parametrize("value", [b"", b"unknown", b"198.51.100.7, x", b"198.51.100.7,", b"1.2.3", b"[", b"\xff"])
def test_what_is_no_address_is_told(value: bytes) -> None:
    with pytest.raises(ValueError, match="address"):
        forwarded_address((value,), _PROXIES.__contains__)


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=4))
def test_no_value_raises_another_error(values: list[bytes]) -> None:
    with contextlib.suppress(ValueError):
        forwarded_address(tuple(values), _PROXIES.__contains__)
