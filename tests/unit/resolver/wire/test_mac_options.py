"""MAC addresses in EDNS options: as dnsmasq writes them, and what is no machine's."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.wire.codes import EdnsOption
from resolver.wire.mac_options import mac_of

RAW, TEXT = int(EdnsOption.MAC), int(EdnsOption.DEVICE_ID)
OCTETS = bytes.fromhex("02005e005307")


@pytest.mark.parametrize(
    ("options", "mac"),
    [
        ({}, None),
        ({8: b"\x00\x01\x20\x00\x0a\x00\x00\x07"}, None),
        ({RAW: OCTETS}, OCTETS),
        ({TEXT: b"02:00:5e:00:53:07"}, OCTETS),
        ({TEXT: b"02-00-5E-00-53-07"}, OCTETS),
        ({TEXT: b64encode(OCTETS)}, OCTETS),
        ({RAW: OCTETS, TEXT: b"02:00:5e:00:53:07"}, OCTETS),
        ({RAW: OCTETS, TEXT: b"02:00:5e:00:53:08"}, b""),
        ({RAW: OCTETS, TEXT: b"kiosk"}, b""),
        ({RAW: b""}, b""),
        ({RAW: bytes(6)}, b""),  # dnsmasq knows none
        ({RAW: b"\x01\x00\x5e\x00\x00\x01"}, b""),  # a group's
        ({RAW: b"\xff" * 6}, b""),
        ({RAW: bytes(range(2, 10))}, b""),  # EUI-64
        ({RAW: b"02:00:5e:00:53:07"}, b""),
        ({TEXT: b"02:00-5e:00:53:07"}, b""),
        ({TEXT: b"02:00:5e:00:53:07\n"}, b""),
        ({TEXT: b"AgBeAFM\xff"}, b""),
    ],
)
def test_the_mac_address_that_options_name(options: dict[int, bytes], mac: bytes | None) -> None:
    assert mac_of(options) == mac


@given(st.dictionaries(st.sampled_from([RAW, TEXT, 8, 10]), st.binary(max_size=20)))
def test_any_octets_are_a_machine_nobody_or_unreadable(options: dict[int, bytes]) -> None:
    mac = mac_of(options)
    if mac is None:
        assert options.keys().isdisjoint({RAW, TEXT})
    else:
        assert mac == b"" or (len(mac) == 6 and not mac[0] & 1 and any(mac))


@given(st.binary(min_size=6, max_size=6).filter(lambda octets: any(octets) and not octets[0] & 1))
def test_each_form_of_a_machines_address_is_read(octets: bytes) -> None:
    assert mac_of({RAW: octets}) == octets
    assert mac_of({TEXT: octets.hex(":").encode()}) == octets
    assert mac_of({TEXT: b64encode(octets)}) == octets
