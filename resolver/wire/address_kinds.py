"""IPv4 addresses inside IPv6 addresses, and the two sets of addresses that are kept apart. No I/O.

One decoder says which IPv4 host a packet to an IPv6 address ends up at. On top of it stand two sets:

* `is_private`: no name of the internet should lead to it; the guard against rebinding strips it.
* `is_public`: of the open internet; only these are fetched from. Much is neither, such as documentation and multicast.

Prefixes that translators and tunnels share everywhere are decoded: IPv4-mapped and IPv4-compatible (RFC 4291 section
2.5.5), IPv4-translated (RFC 2765 section 2.1), NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056), and Teredo's client (RFC
4380 section 4). ISATAP (RFC 5214) is none of them for the guard: there a private IPv4 address is a lawful part of a
global IPv6 address that the company has given itself, and packets reach that host's IPv6 services, not its IPv4 ones.
"""

from __future__ import annotations

import ipaddress
from typing import Final

_V4_OCTETS: Final = 4
_U_OCTET: Final = 8  # bits 64 to 71 of an address with IPv4 inside are zero (RFC 6052 section 2.2)
_MAPPED: Final = bytes(10) + b"\xff\xff"
_TRANSLATED: Final = bytes(8) + b"\xff\xff\0\0"
_COMPATIBLE: Final = bytes(12)
_NAT64: Final = b"\x00\x64\xff\x9b" + bytes(8)
_NAT64_LOCAL: Final = b"\x00\x64\xff\x9b\x00\x01"
_SIX_TO_FOUR: Final = b"\x20\x02"
_TEREDO: Final = b"\x20\x01\x00\x00"
_ISATAP: Final = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")  # octets 8 to 11 (RFC 5214 section 6.1)
_PERHAPS_EMBEDDING: Final = (0x00, 0x20)  # first octets of all prefixes that everybody decodes

# Where the four octets are behind a prefix of so many bits; what follows them is zero (RFC 6052 section 2.2).
_PLACES: Final = {
    32: (4, 5, 6, 7),
    40: (5, 6, 7, 9),
    48: (6, 7, 9, 10),
    56: (7, 9, 10, 11),
    64: (9, 10, 11, 12),
    96: (12, 13, 14, 15),
}
PREFIX_LENGTHS: Final = tuple(_PLACES)
_LOCAL_LENGTHS: Final = (48, 56, 64, 96)  # that fit into 64:ff9b:1::/48

_PRIVATE_16: Final = (b"\xc0\xa8", b"\xa9\xfe")
PERHAPS_PRIVATE: Final = frozenset({0, 10, 100, 127, 169, 172, 192})
"""First octets of IPv4 addresses that may be private: no other one begins any."""


def behind_prefix(address: bytes, length: int) -> bytes | None:
    """The IPv4 address behind a prefix of `length` bits (RFC 6052 section 2.2); None where it is not of that form."""
    if address[_U_OCTET]:
        return None
    places = _PLACES[length]
    last = places[3]
    for at in range(last + 1, 16):
        if address[at]:
            return None
    return bytes((address[places[0]], address[places[1]], address[places[2]], address[last]))


def embedded_ipv4(address: bytes) -> bytes | None:
    """The IPv4 address, in four octets, that the sixteen of an IPv6 address hold; None where they hold none."""
    first = address[0]
    if first not in _PERHAPS_EMBEDDING:
        return None
    if first:
        if address.startswith(_SIX_TO_FOUR):
            return address[2:6]
        if address.startswith(_TEREDO):
            return bytes((address[12] ^ 0xFF, address[13] ^ 0xFF, address[14] ^ 0xFF, address[15] ^ 0xFF))
        return None
    head = address[:12]
    if head in (_MAPPED, _TRANSLATED, _NAT64):
        return address[12:]
    if head == _COMPATIBLE:
        # :: and ::1 are the unspecified address and loopback (RFC 4291 sections 2.5.2 and 2.5.3).
        return address[12:] if address[12:15] != b"\0\0\0" or address[15] > 1 else None
    if address.startswith(_NAT64_LOCAL):
        return _of_local_nat64(address)
    return None


def _of_local_nat64(address: bytes) -> bytes:
    """The IPv4 address within 64:ff9b:1::/48, whose owners take prefixes of any length (RFC 8215 section 5).

    The zeros behind the four octets tell which: the shortest prefix that they fit, so that one host has one reading.
    0.0.0.0/8 is no host, and only means that the prefix is a longer one.
    """
    for length in _LOCAL_LENGTHS:
        found = behind_prefix(address, length)
        if found is not None and found[0]:
            return found
    return address[12:]


def _readings(address: bytes) -> list[bytes]:
    """All IPv4 addresses that the owners of 64:ff9b:1::/48 may mean by an address within; [] for any other."""
    if not address.startswith(_NAT64_LOCAL):
        return []
    found = (behind_prefix(address, length) for length in _LOCAL_LENGTHS)
    return [inner for inner in found if inner is not None and inner[0]]


def is_private(address: bytes) -> bool:
    """Whether an address, in four or sixteen octets, is of a network that no name of the internet should lead to.

    0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16; ::, ::1, fc00::/7,
    fe80::/10, fec0::/10, and these IPv4 networks inside IPv6 (RFC 1918, 1122, 3927, 6598, 4193, 4291, 3879).
    """
    if len(address) != _V4_OCTETS:
        first = address[0]
        if first in (0xFC, 0xFD) or (first == 0xFE and address[1] & 0x80):
            return True
        inner = embedded_ipv4(address)
        if inner is None:
            return address[:15] == bytes(15)
        address = inner
    first = address[0]
    if first in (0, 10, 127):
        return True
    second = address[1]
    return (
        address[:2] in _PRIVATE_16 or (first == 172 and second & 0xF0 == 16) or (first == 100 and second & 0xC0 == 64)
    )


def is_public(address: str) -> bool:
    """Whether an address is of the open internet: not private, local, reserved, multicast, or one of these in disguise.

    Also False for what is no address. Here ISATAP is decoded, too: nobody has a list to fetch at a tunnel's end.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        packed = ip.packed
        inner = embedded_ipv4(packed)
        if not all(is_public(str(ipaddress.IPv4Address(reading))) for reading in _readings(packed)):
            return False  # whose prefix is of which length, only that network knows
        if inner is not None:
            ip = ipaddress.IPv4Address(inner)
        elif ip.is_site_local:  # fec0::/10, which counts as global for ipaddress
            return False
        elif packed[8:12] in _ISATAP:
            return ip.is_global and is_public(str(ipaddress.IPv4Address(packed[12:])))
    return ip.is_global and not ip.is_multicast
