"""Recording of clients: of an address, and of whose it is, no more than the config says. No I/O.

Whatever leaves a worker about a client (query events, counters, unlisted names) has gone through here.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterable
from typing import Final

from resolver.telemetry.json_text import array_of, quoted
from resolver.telemetry.pseudonyms import PseudonymPeriod, period_at, plain_address

_PREFIXES: Final = {4: 24, 6: 48}


def network_of(address: str) -> str:
    """The network that is recorded of an address: /24, of IPv6 /48. Raises ValueError for what is none."""
    parsed = plain_address(address)
    return str(ipaddress.ip_network((parsed, _PREFIXES[parsed.version]), strict=False))


class Recorded:
    """Address and identity of a client as they are recorded: "" and None where nothing is."""

    def __init__(self, address: str, identity: str | None) -> None:
        self.address = address
        self.identity = identity

    def line(self) -> bytes:
        """As the query log has it, JSON: the address, or an array of that and whose it is."""
        text = quoted(self.address) if self.identity is None else array_of((self.address, self.identity))
        return text.encode()


class Recording:
    """Recording as the config says. `clients` is full, network, pseudonym or hidden; `identities` as well.

    Where there is no secret for a moment, what would have a pseudonym is hidden.
    """

    def __init__(
        self, clients: str = "full", identities: str = "hidden", periods: Iterable[PseudonymPeriod] = ()
    ) -> None:
        self.clients = clients
        self._identities = identities
        self._periods = tuple(periods)
        self._period: PseudonymPeriod | None = None

    @property
    def has_pseudonyms(self) -> bool:
        """Whether what is recorded changes with the period."""
        return "pseudonym" in (self.clients, self._identities)

    @property
    def tells_clients_apart(self) -> bool:
        """Whether each address is recorded as one of its own."""
        return self.clients in ("full", "pseudonym")

    def use(self, periods: Iterable[PseudonymPeriod]) -> None:
        """Take other periods in the place of all."""
        self._periods = tuple(periods)
        self._period = None

    def of(self, address: str, identity: str | None, now: float) -> Recorded:
        """Address and identity of a client as they are recorded at a Unix time."""
        if self.has_pseudonyms:
            self._turn(now)
        return Recorded(self._address(address), self._identity(identity))

    def seconds_left(self, now: float) -> float:
        """For how long `of` gives the same; infinity where the time does not matter."""
        if not self.has_pseudonyms:
            return math.inf
        self._turn(now)
        if self._period is not None:
            return self._period.ends - now
        return min((one.begins - now for one in self._periods if one.begins > now), default=math.inf)

    def _turn(self, now: float) -> None:
        period = self._period
        if period is None or not period.begins <= now < period.ends:
            self._period = period_at(self._periods, now)

    def _address(self, address: str) -> str:
        if self.clients == "hidden":
            return ""
        if self.clients == "network":
            return network_of(address)
        plain = str(plain_address(address))
        if self.clients == "full":
            return plain
        return "" if self._period is None else self._period.of("client", plain)

    def _identity(self, identity: str | None) -> str | None:
        if identity is None or self._identities == "hidden":
            return None
        if self._identities == "full":
            return identity
        return None if self._period is None else self._period.of("identity", identity)
