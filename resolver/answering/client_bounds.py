"""Bounds of clients as the config has them: who may ask, and how much each and all may have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from resolver.config.settings import ClientNetworks, Limits, RateLimits, TrustedProxy


@dataclass(frozen=True, slots=True)
class ClientBounds:
    """Clients that may ask, proxies that may ask for others, and how much each and all may have."""

    allowed: Iterable[str]  # networks, CIDR
    limits: Limits = field(default_factory=Limits)
    rates: RateLimits = field(default_factory=lambda: RateLimits(queries_per_second=0))
    trusted_proxies: Iterable[TrustedProxy] = ()
    networks: ClientNetworks = field(default_factory=ClientNetworks)
