"""Forwarding by zone: a question goes to the servers of the most specific zone that has its own, else the default ones.

What says that a zone is signed (DS) is in the zone above it, and asked of the servers for that one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from resolver.config.settings import UpstreamOptions, UpstreamServer, WorkerSettings
from resolver.errors import UpstreamError
from resolver.upstream.bootstrap import Bootstrap
from resolver.upstream.forwarder import MAX_SECONDS, Forwarder
from resolver.upstream.server import Server
from resolver.wire.codes import TYPE_AND_CLASS, has_data_above
from resolver.wire.names import key_of, parent_of, parse_name

_LOOK_UP_SHARE = 3 / 4  # of the time for connecting
_SPARE_SECONDS = 0.5  # behind the end of all that may be in flight


class ZonedForwarder:
    """Forwarders by zone. A zone whose servers are away fails; its names are never asked of others."""

    def __init__(
        self,
        default: Forwarder,
        zones: Mapping[bytes, Forwarder],
        options: UpstreamOptions,
        bootstrap: Bootstrap | None = None,
    ) -> None:
        """`zones` are by key (resolver.wire.names); `options` are those of all; `bootstrap` is closed with them."""
        self.default = default
        self._zones = zones
        self._forwarders = tuple(dict.fromkeys((default, *zones.values())))  # several zones may have one
        self.options = options
        self.bootstrap = bootstrap
        self._leaving: dict[Forwarder, Bootstrap | None] = {}  # of earlier settings; they finish what is in flight
        self._left: Counter[tuple[str, ...]] = Counter()  # what the servers of those did that have closed

    def of_zones(self) -> dict[tuple[UpstreamServer, ...], Forwarder]:
        """The forwarders of zones, by their servers."""
        return {_settings_of(forwarder): forwarder for forwarder in self._zones.values()}

    def take_over(self, old: ZonedForwarder, loop: asyncio.AbstractEventLoop) -> None:
        """Take the place of `old`: those of it that are not ours finish what is in flight, its counts go on."""
        self._left = old._left
        self._leaving = old._leaving
        bootstrap = None if old.bootstrap is self.bootstrap else old.bootstrap
        for forwarder in old._forwarders:
            if forwarder not in self._forwarders:
                self._leaving[forwarder] = bootstrap
                loop.call_later(MAX_SECONDS + _SPARE_SECONDS, self._close_left, forwarder)

    def _close_left(self, forwarder: Forwarder) -> None:
        bootstrap = self._leaving.pop(forwarder, None)
        for server in forwarder.servers:
            self._left.update(server.counts)
        forwarder.close()
        if bootstrap is not None:
            bootstrap.close()

    def has_other_servers_than(self, old: ZonedForwarder) -> bool:
        """Whether some server is asked that `old` did not ask."""
        known = {server.settings for server in old.servers}
        return any(server.settings not in known for server in self.servers)

    def ask(
        self,
        question: bytes,
        *,
        dnssec_ok: bool,
        checking_disabled: bool,
        done: Callable[[bytes | UpstreamError], None],
    ) -> None:
        """As Forwarder.ask."""
        forwarder = self._forwarder_of(question) if self._zones else self.default
        forwarder.ask(question, dnssec_ok=dnssec_ok, checking_disabled=checking_disabled, done=done)

    def _forwarder_of(self, question: bytes) -> Forwarder:
        key = key_of(question[:-TYPE_AND_CLASS])
        if has_data_above(question[-4] << 8 | question[-3]):
            key = parent_of(key)
        found = self.default
        at = 0
        while at < len(key):
            at += 1 + key[at]
            found = self._zones.get(key[:at], found)
        return found

    @property
    def counts(self) -> dict[str, int]:
        """Counts of events so far, by name, over all zones."""
        total: Counter[str] = Counter()
        for forwarder in self._forwarders:
            total.update(forwarder.counts)
        return dict(total)

    @property
    def results(self) -> dict[tuple[str, ...], int]:
        """The servers' results, as metrics count them."""
        total: Counter[tuple[str, ...]] = Counter(self._left)
        for forwarder in (*self._forwarders, *self._leaving):
            for server in forwarder.servers:
                total.update(server.counts)
        return dict(total)

    @property
    def servers(self) -> list[Server]:
        """All servers that are asked, those of the default zone first."""
        return [server for each in self._forwarders for server in each.servers]

    def close(self) -> None:
        """Close all forwarders."""
        for forwarder in (*self._forwarders, *self._leaving):
            forwarder.close()
        self._leaving.clear()
        if self.bootstrap is not None:
            self.bootstrap.close()


def _settings_of(forwarder: Forwarder) -> tuple[UpstreamServer, ...]:
    return tuple(server.settings for server in forwarder.servers)


def forwarder_of(
    settings: WorkerSettings,
    loop: asyncio.AbstractEventLoop,
    dropped: Counter[str],
    like: ZonedForwarder | None = None,
) -> ZonedForwarder:
    """The forwarders of a worker, as its settings say; `dropped` counts what is over a bound.

    They take the place of `like`, whose settings differ in upstreams alone. Those for the same servers are kept, with
    their sockets, connections and what is known of their servers.
    """
    options = settings.upstream
    timeout_seconds = settings.upstream_timeout_seconds
    bootstrap = None
    kept = like if like is not None and like.options == options else None
    if kept is not None:
        bootstrap = kept.bootstrap
    elif options.bootstrap:
        # A look-up is a part of connecting, and leaves time for the rest of it.
        first = Forwarder(
            options.bootstrap,
            timeout_seconds=timeout_seconds / 2,
            max_seconds=timeout_seconds * _LOOK_UP_SHARE,
            loop=loop,
            options=options,
        )
        bootstrap = Bootstrap(first, loop)

    # Reverse zones of one network have the same servers.
    made: dict[tuple[UpstreamServer, ...], Forwarder] = {} if kept is None else kept.of_zones()

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
    if kept is not None and _settings_of(kept.default) == settings.upstream_servers:
        default = kept.default
    else:
        default = to(settings.upstream_servers)
    zoned = ZonedForwarder(default, zones, options, bootstrap)
    if like is not None:
        zoned.take_over(like, loop)
    return zoned
