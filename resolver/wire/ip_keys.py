"""Addresses and networks as keys, so that rules for them stand in the same index as rules for names. No I/O.

A key is an octet that no name's key begins with, then an octet for each bit of the network. So a network's key is a
prefix of its addresses' and of its subnets', as a name's key is of the names' below (resolver.wire.names).
"""

from __future__ import annotations

import ipaddress

from resolver.wire.address_kinds import embedded_ipv4

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_IPV4 = b"\x44"  # above 63: no label is as long
_IPV6 = b"\x46"
_FIRST_NO_LABEL = 64
_BITS = [format(octet, "08b").encode() for octet in range(256)]

FIRST_OCTETS = (_IPV4, _IPV6)


def key_of_address(packed: bytes) -> bytes:
    """The key of an address in four or sixteen octets. One that maps an IPv4 address into IPv6 has that address's."""
    if len(packed) == 16 and packed.startswith(b"\0\0\0\0\0\0\0\0\0\0\xff\xff"):
        packed = packed[12:]
    return (_IPV4 if len(packed) == 4 else _IPV6) + b"".join([_BITS[octet] for octet in packed])


def keys_of_address(packed: bytes) -> tuple[bytes, ...]:
    """The keys of an address in four or sixteen octets, that of the IPv4 address that an IPv6 one holds first."""
    key = key_of_address(packed)
    if len(packed) == 4 or key[:1] == _IPV4:
        return (key,)
    inner = embedded_ipv4(packed)
    return (key,) if inner is None else (key_of_address(inner), key)


def key_of_network(network: Network) -> bytes:
    """The key of a network."""
    return key_of_address(network.network_address.packed)[: 1 + network.prefixlen]


def is_ip_key(key: bytes) -> bool:
    """Whether a key is of addresses rather than of a name."""
    return bool(key) and key[0] >= _FIRST_NO_LABEL


def network_of_key(key: bytes) -> Network:
    """The network that has this key."""
    bits = key[1:].decode()
    if key[:1] == _IPV4:
        return ipaddress.IPv4Network((int(bits.ljust(32, "0"), 2), len(bits)))
    return ipaddress.IPv6Network((int(bits.ljust(128, "0"), 2), len(bits)))
