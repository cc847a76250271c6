"""How often clients may come, and what was refused of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from resolver.answering.client_networks import Networks
from resolver.answering.rates import Buckets
from resolver.config.settings import BlockPageSettings, ClientNetworks
from resolver.telemetry.log import Log

_MOST_CLIENTS = 20_000  # whose rate is known
_TELL_SECONDS = 60.0  # how often the log is told of the same bound
_ALL = "all"


class Bounds:
    """The rates. `dropped` counts what was refused by which bound; `events` what the page did."""

    def __init__(
        self,
        settings: BlockPageSettings,
        log: Log,
        clock: Callable[[], float] = time.monotonic,
        networks: Networks | None = None,
    ) -> None:
        """`clock` is monotonic, in seconds."""
        self.networks = networks = networks or Networks(ClientNetworks())
        self.dropped: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self._log = log
        self._clock = clock
        self._told: dict[str, float] = {}
        lost = "block_page_rates"
        self._pages = Buckets(settings.pages_per_second, 1, lost, self.dropped)
        self._pages_of = Buckets(settings.pages_per_second_per_client, _MOST_CLIENTS, lost, self.dropped)
        per_network = networks.bound(settings.pages_per_second_per_client, settings.pages_per_second)
        self._pages_in = Buckets(per_network, _MOST_CLIENTS, lost, self.dropped)
        self._requests = Buckets(settings.requests_per_minute, 1, lost, self.dropped)

    def may_come(self, client: str) -> bool:
        """Whether an HTTP request of a client is answered."""
        now = self._clock()
        network = self.networks.of_text(client)
        if network and self._pages_in.available(network, now) < 1:
            self.bite("pages_per_second_per_network", client)
            return False
        if not self._pages_of.take(client, 1, now):
            self.bite("pages_per_second_per_client", client)
            return False
        if network:
            self._pages_in.take(network, 1, now)
        if not self._pages.take(_ALL, 1, now):
            self.bite("pages_per_second", client)
            return False
        return True

    def may_ask(self, client: str) -> bool:
        """Whether a request for an exemption is taken."""
        if self._requests.take(_ALL, 1, self._clock() / 60):  # a bucket of minutes
            return True
        self.bite("requests_per_minute", client)
        return False

    def bite(self, what: str, client: str) -> None:
        """Count that something was refused, and tell the log now and then."""
        self.dropped[f"block_page_{what}"] += 1
        now = self._clock()
        if now - self._told.get(what, -_TELL_SECONDS) >= _TELL_SECONDS:
            self._told[what] = now
            self._log.warning("the block page turns somebody away", why=what, client=client)
