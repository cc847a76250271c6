"""Facts of the config that the API and its pages tell: where DNS is served, and what the query log lacks."""

from __future__ import annotations

from dataclasses import dataclass

from resolver.config.settings import PROXY, WorkerSettings
from resolver.listeners.sockets import DO53, DOH, DOT, Listen

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Serves:
    """Addresses of the DNS service as the config has them, and what clients are told of it."""

    do53: tuple[Address, ...] = ()
    dot: tuple[Address, ...] = ()
    doh: tuple[Address, ...] = ()
    server_name: str | None = None  # in the certificate of DoT and DoH
    identity: str | None = None
    trusted_proxies: tuple[str, ...] = ()  # networks whose PROXY headers are believed, CIDR
    clients: tuple[str, ...] = ()  # networks that may ask, CIDR
    takes_certificates: bool = False  # from clients, who prove names by them

    @classmethod
    def of(cls, settings: WorkerSettings, serving: tuple[Listen, ...]) -> Serves:
        """Those of a config; `serving` are the addresses that DNS is served on."""

        def at(kind: str) -> tuple[Address, ...]:
            return tuple((each.host, each.port) for each in serving if each.kind == kind)

        return cls(
            do53=at(DO53),
            dot=at(DOT),
            doh=at(DOH),
            server_name=settings.encrypted.server_name,
            identity=settings.server.identity,
            trusted_proxies=tuple(one.network for one in settings.trusted_proxies if PROXY in one.sources),
            clients=settings.clients_allow,
            takes_certificates=bool(settings.encrypted.clients.ca),
        )

    @property
    def hosts(self) -> tuple[str, ...]:
        """Addresses that it listens on."""
        return tuple(host for host, _ in (*self.do53, *self.dot, *self.doh))
