"""The parts of a worker that answer queries, put together from its settings: pipeline, cache, upstreams, counters."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from resolver.answering.answerer import OwnAnswers
from resolver.answering.client_bounds import ClientBounds
from resolver.answering.local_names import local_names_of
from resolver.answering.pipeline import Pipeline
from resolver.answering.rebinding import RebindingGuard, private_names_of
from resolver.answering.replies import Replies
from resolver.answering.resolution import Resolver
from resolver.answering.server_names import ServerNames
from resolver.answering.unlisted import UnlistedNames
from resolver.cache.responses import ResponseCache
from resolver.config.settings import WorkerSettings
from resolver.policy.snapshot import PolicySnapshot
from resolver.telemetry.counters import Counters
from resolver.telemetry.pseudonyms import PseudonymPeriod
from resolver.telemetry.query_events import QueryEvents
from resolver.upstream.server import Server
from resolver.upstream.zones import forwarder_of
from resolver.wire.cookies import ServerCookies
from resolver.wire.names import key_of, parse_any_name, parse_name, to_text
from resolver.worker.messages import UpstreamHealth, WorkerAlive


class AnsweringParts:
    """One worker's pipeline and what it stands on. `counters` and `events` are the worker's."""

    def __init__(
        self,
        settings: WorkerSettings,
        cookie_secret: tuple[str, ...],
        snapshot: PolicySnapshot,
        counters: Counters,
        events: QueryEvents,
        unlisted: UnlistedNames | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.counters = counters
        self.events = events
        self.unlisted = unlisted
        self.forwarder = forwarder_of(settings, loop, counters.dropped)
        self.cache = ResponseCache(settings.cache, (key_of(parse_name(zone.name)) for zone in settings.zones))
        self.local_names, private_names = local_names_of(settings), private_names_of(settings)
        self.resolver = Resolver(
            self.forwarder,
            self.cache,
            settings.cache,
            max_in_flight=settings.limits.queries_in_flight,
            max_in_flight_per_domain=settings.limits.queries_in_flight_per_domain,
            dropped=counters.dropped,
            loop=loop,
            guard=None if private_names is None else RebindingGuard(private_names),
            local_names=self.local_names,
        )
        self.pipeline = Pipeline(
            self.resolver,
            snapshot,
            ClientBounds(
                settings.clients_allow, settings.limits, settings.rates, settings.trusted_proxies, settings.networks
            ),
            OwnAnswers(
                self.local_names,
                ServerNames(settings.server.identity, settings.server.version),
                _replies_of(settings, cookie_secret),
            ),
            counters,
            events,
            unlisted=unlisted,
        )

    def flush(self, name: str | None, *, below: bool) -> int:
        """Forget cached answers, and those that are ready; return how many cached ones there were."""
        forgotten = self.cache.flush(None if name is None else key_of(parse_any_name(name)), below=below)
        self.pipeline.use(self.pipeline.snapshot)
        return forgotten

    def use_upstreams(self, settings: WorkerSettings) -> None:
        """Ask other servers from now on; what is in flight ends with the old ones.

        Where there are new ones, cached answers are forgotten: elsewhere, names may mean something else.
        """
        old = self.forwarder
        loop = asyncio.get_running_loop()
        self.forwarder = forwarder_of(settings, loop, self.counters.dropped, like=old)
        self.resolver.ask_of(self.forwarder)
        if self.forwarder.has_other_servers_than(old):
            self.flush(None, below=False)

    def use_pseudonyms(self, periods: tuple[PseudonymPeriod, ...]) -> None:
        """Record clients by the secrets of these periods."""
        self.counters.recording.use(periods)
        self.pipeline.clients.forget()

    def sync_counts(self) -> None:
        """Bring counts that are kept elsewhere into the counters' cells."""
        self.counters.sync({**self.forwarder.results, **self.cache.results, **self.resolver.filtered.results})

    @property
    def counts(self) -> Mapping[str, object]:
        """All counters, for the log."""
        cache = {"entries": len(self.cache), "bytes": self.cache.bytes, **self.cache.counts}
        return {**self.counters.to_plain(), "cache": cache, "upstream": self.forwarder.counts}

    @property
    def sign_of_life(self) -> WorkerAlive:
        """The answer to a ping."""
        return WorkerAlive(
            self.cache.bytes,
            tuple(_health_of(server) for server in self.forwarder.servers),
            tuple(to_text(name) for name in self.resolver.filtered.stripped(time.monotonic())),
        )


def _health_of(server: Server) -> UpstreamHealth:
    return UpstreamHealth(
        name=server.name,
        healthy=not server.is_down,
        latency_seconds=round(server.latency, 6) if server.latency else None,
        trouble=server.trouble if server.failures else None,
        answers=server.heard - server.bad_answers,
        errors=server.bad_answers,
    )


def _replies_of(settings: WorkerSettings, cookie_secret: tuple[str, ...]) -> Replies:
    cookies = ServerCookies([bytes.fromhex(secret) for secret in cookie_secret]) if cookie_secret else None
    return Replies(cookies, settings.server.identity, idle_seconds=settings.limits.tcp_idle_seconds)
