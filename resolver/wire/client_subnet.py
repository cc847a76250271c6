"""EDNS client subnet (RFC 7871), as far as a trusted proxy says by it for whom it asks: one client, at full length."""

from __future__ import annotations

import ipaddress

from resolver.wire.codes import EdnsOption

_FAMILIES = {1: 4, 2: 16}  # family (RFC 7871 section 6) → octets of an address


def client_of_subnet(data: bytes) -> str | None:
    """The client that an option's data names; None where it names a network, nobody, or cannot be read."""
    if len(data) < 4:
        return None
    octets = _FAMILIES.get(int.from_bytes(data[:2], "big"))
    if octets is None or data[2] != octets * 8 or len(data) != 4 + octets:
        return None
    return str(ipaddress.ip_address(data[4:]))


def option_for(data: bytes) -> bytes:
    """The option of the answer: it is for this one address, so that no cache on the way gives it to another.

    The scope is the whole prefix (RFC 7871 section 7.2.1).
    """
    echoed = data[:3] + data[2:3] + data[4:]
    return EdnsOption.CLIENT_SUBNET.to_bytes(2, "big") + len(echoed).to_bytes(2, "big") + echoed
