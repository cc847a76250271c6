"""Which upstreams a question goes to: those of the most specific zone that has its own, else the default ones.

What says that a zone is signed (DS) is in the zone above it, and asked of the servers for that one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from resolver.config.settings import UpstreamServer, WorkerSettings
from resolver.errors import UpstreamError
from resolver.names import key_of, parent_of, parse_name
from resolver.upstream.bootstrap import Bootstrap
from resolver.upstream.forwarder import Forwarder
from resolver.upstream.server import Server
from resolver.wire.codes import has_data_above

_LOOK_UP_SHARE = 3 / 4  # of the time for connecting
_TYPE_AND_CLASS = 4  # octets behind the name in a question


class ZonedForwarder:
    """Forwarders by zone. A zone whose servers are away fails; its names are never asked of others."""

    def __init__(
        self, default: Forwarder, zones: Mapping[bytes, Forwarder], bootstrap: Bootstrap | None = None
    ) -> None:
        """`zones` are by key (resolver.names); `bootstrap` is closed with them."""
        self._default = default
        self._zones = zones
        self._forwarders = tuple(dict.fromkeys((default, *zones.values())))  # several zones may have one
        self._bootstrap = bootstrap

    def ask(
        self,
        question: bytes,
        *,
        dnssec_ok: bool,
        checking_disabled: bool,
        done: Callable[[bytes | UpstreamError], None],
    ) -> None:
        """As Forwarder.ask."""
        forwarder = self._forwarder_of(question) if self._zones else self._default
        forwarder.ask(question, dnssec_ok=dnssec_ok, checking_disabled=checking_disabled, done=done)

    def _forwarder_of(self, question: bytes) -> Forwarder:
        key = key_of(question[:-_TYPE_AND_CLASS])
        if has_data_above(question[-4] << 8 | question[-3]):
            key = parent_of(key)
        found = self._default
        at = 0
        while at < len(key):
            at += 1 + key[at]
            found = self._zones.get(key[:at], found)
        return found

    @property
    def counts(self) -> dict[str, int]:
        """What has happened so far, by name, over all zones."""
        total: Counter[str] = Counter()
        for forwarder in self._forwarders:
            total.update(forwarder.counts)
        return dict(total)

    @property
    def results(self) -> dict[tuple[str, ...], int]:
        """What the servers did, as it is counted for metrics."""
        total: Counter[tuple[str, ...]] = Counter()
        for server in self._servers:
            total.update(server.counts)
        return dict(total)

    @property
    def health(self) -> list[dict[str, Any]]:
        """Each server's name, whether it is taken to be up, how soon it answers, and what is wrong with it."""
        return [server.health for server in self._servers]

    @property
    def _servers(self) -> list[Server]:
        return [server for each in self._forwarders for server in each.servers]

    def close(self) -> None:
        """Close all forwarders."""
        for forwarder in self._forwarders:
            forwarder.close()
        if self._bootstrap is not None:
            self._bootstrap.close()


def forwarder_of(settings: WorkerSettings, loop: asyncio.AbstractEventLoop, dropped: Counter[str]) -> ZonedForwarder:
    """The forwarders of a worker, as its settings say; `dropped` counts what is over a bound."""
    options = settings.upstream
    timeout_seconds = settings.upstream_timeout_seconds
    bootstrap = None
    if options.bootstrap:
        # A look-up is a part of connecting, and leaves time for the rest of it.
        first = Forwarder(
            options.bootstrap,
            timeout_seconds=timeout_seconds / 2,
            max_seconds=timeout_seconds * _LOOK_UP_SHARE,
            loop=loop,
            options=options,
        )
        bootstrap = Bootstrap(first, loop)

    made: dict[tuple[UpstreamServer, ...], Forwarder] = {}  # reverse zones of one network have the same servers

    def to(servers: Sequence[UpstreamServer]) -> Forwarder:
        return Forwarder(
            servers,
            timeout_seconds=timeout_seconds,
            loop=loop,
            options=options,
            bootstrap=bootstrap,
            most_in_flight=settings.limits.queries_in_flight_per_upstream,
            dropped=dropped,
        )

    zones: dict[bytes, Forwarder] = {}
    for zone in settings.zones:
        forwarder = made.get(zone.servers)
        if forwarder is None:
            forwarder = made[zone.servers] = to(zone.servers)
        zones[key_of(parse_name(zone.name))] = forwarder
    return ZonedForwarder(to(settings.upstream_servers), zones, bootstrap)
