"""Parts that a pipeline is put together from: bounds of its clients, and answers of the server's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from resolver.answering.local_names import LocalNames
from resolver.answering.replies import Replies
from resolver.answering.server_names import ServerNames
from resolver.config.settings import ClientNetworks, Limits, RateLimits, TrustedProxy


@dataclass(frozen=True, slots=True)
class ClientBounds:
    """Clients that may ask, proxies that may ask for others, and how much each and all may have."""

    allowed: Iterable[str]  # networks, CIDR
    limits: Limits = field(default_factory=Limits)
    rates: RateLimits = field(default_factory=lambda: RateLimits(queries_per_second=0))
    trusted_proxies: Iterable[TrustedProxy] = ()
    networks: ClientNetworks = field(default_factory=ClientNetworks)


@dataclass(frozen=True, slots=True)
class OwnAnswers:
    """Answers that come of no upstream: local names and the server's own; `replies` adds cookies to all."""

    local_names: LocalNames = field(default_factory=LocalNames)
    server_names: ServerNames = field(default_factory=ServerNames)
    replies: Replies = field(default_factory=Replies)
