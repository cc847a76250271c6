"""Which upstreams a question goes to: those of the most specific zone that has its own, else the default ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from resolver.errors import UpstreamError
from resolver.names import key_of
from resolver.upstream.forwarder import Forwarder
from resolver.upstream.server import Server

_TYPE_AND_CLASS = 4  # octets behind the name in a question


class ZonedForwarder:
    """Forwarders by zone. A zone whose servers are away fails; its names are never asked of others."""

    def __init__(self, default: Forwarder, zones: Mapping[bytes, Forwarder]) -> None:
        """`zones` are by key (resolver.names)."""
        self._default = default
        self._zones = zones

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
        for forwarder in (self._default, *self._zones.values()):
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
        """Each server's name, and whether it is taken to be up."""
        return [{"name": server.name, "healthy": not server.is_down} for server in self._servers]

    @property
    def _servers(self) -> list[Server]:
        return [server for each in (self._default, *self._zones.values()) for server in each.servers]

    def close(self) -> None:
        """Close all forwarders."""
        self._default.close()
        for forwarder in self._zones.values():
            forwarder.close()
