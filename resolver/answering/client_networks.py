"""Networks of IPv6 clients: one host has as many addresses as it likes in its own, so bounds count those, too.

Above each bound for a client address there is a wide one for its network: a multiple of the first, but never so much
that it takes all places. It is wide because a network may be an office's whole LAN. IPv4 addresses have none.
"""

from __future__ import annotations

import ipaddress
from typing import TypeVar

from resolver.config.settings import ClientNetworks

_IPV6_OCTETS = 16
_SHARE = 2  # of all places, one network has at most this part

_Key = TypeVar("_Key")


class Networks:
    """Networks of clients: how wide each is, and how wide its bounds are."""

    def __init__(self, settings: ClientNetworks) -> None:
        self._octets, self._bits = divmod(settings.ipv6_prefix, 8)
        self._mask = 0xFF00 >> self._bits & 0xFF
        self.factor = settings.ipv6_prefix_factor  # the bound of a network, in those of one of its clients

    def of(self, packed: bytes) -> bytes:
        """The network of an address in four or sixteen octets; b"" where none is counted."""
        if len(packed) != _IPV6_OCTETS:
            return b""
        if not self._bits:
            return packed[: self._octets]
        return packed[: self._octets] + bytes((packed[self._octets] & self._mask,))

    def of_text(self, address: str) -> bytes:
        """The same of an address as sockets show it."""
        if ":" not in address:
            return b""
        parsed = ipaddress.IPv6Address(address)
        return b"" if parsed.ipv4_mapped is not None else self.of(parsed.packed)

    def bound(self, per_client: int, places: int | None = None) -> int:
        """The bound of a network, where a client's is `per_client`, out of `places` in all."""
        wide = per_client * self.factor
        return wide if places is None else max(min(wide, places // _SHARE), per_client)


def take_off(counts: dict[_Key, int], key: _Key, count: int = 1) -> None:
    """Count so many less under a key, which goes with the last: a table is as large as what is in it."""
    left = counts[key] - count
    if left:
        counts[key] = left
    else:
        del counts[key]
