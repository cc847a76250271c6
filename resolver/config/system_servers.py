"""The nameservers of the system, which `system` stands for among upstreams. They change: DHCP, VPNs, an early start.

A plan holds the places where they go (`SystemPlaces`), so that they can be filled in anew without reading a config.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from resolver.config.servers import parse_server
from resolver.config.settings import UpstreamServer, WorkerSettings, Zone
from resolver.errors import RuleError

RESOLV_CONF: Final = Path("/etc/resolv.conf")
PLACE: Final = UpstreamServer("system", "0.0.0.0", 0)  # noqa: S104 it stands for others, and nobody is asked there
_MOST_SYSTEM_SERVERS = 8
_MOST_OCTETS: Final = 1 << 16  # of a resolv.conf that are looked at


@dataclass(frozen=True, slots=True)
class SystemPlaces:
    """Lists of upstreams as a config has them, with `PLACE` wherever the system's servers go."""

    servers: tuple[UpstreamServer, ...]
    bootstrap: tuple[UpstreamServer, ...]
    zones: tuple[Zone, ...]

    @classmethod
    def of(cls, settings: WorkerSettings) -> SystemPlaces | None:
        """The places in settings that were made with `PLACE` for the system's servers; None where there is none."""
        if PLACE not in (*settings.every_upstream, *settings.upstream.bootstrap):
            return None
        return cls(settings.upstream_servers, settings.upstream.bootstrap, settings.zones)

    def filled(self, settings: WorkerSettings, system: Sequence[UpstreamServer]) -> WorkerSettings:
        """The settings with the system's servers in their places."""

        def filled(servers: Sequence[UpstreamServer]) -> tuple[UpstreamServer, ...]:
            return tuple(dict.fromkeys(one for each in servers for one in (system if each == PLACE else (each,))))

        servers = filled(self.servers)
        bootstrap = filled(self.bootstrap)
        if self.bootstrap and not bootstrap:  # the system names none
            bootstrap = tuple(server for server in servers if server.transport in ("udp", "tcp"))
        return replace(
            settings,
            upstream_servers=servers,
            upstream=replace(settings.upstream, bootstrap=bootstrap),
            zones=tuple(Zone(zone.name, filled(zone.servers)) for zone in self.zones),
        )


def system_servers(resolv_conf: Path = RESOLV_CONF) -> list[UpstreamServer]:
    """The first eight nameservers of a resolv.conf(5), in its order; none if it cannot be read.

    What cannot be asked is left out: what is no address, and a link-local address without its interface. An interface
    is kept, as in ``fe80::1%eth0``.
    """
    try:
        with resolv_conf.open("rb") as file:
            text = file.read(_MOST_OCTETS).decode("utf-8", "replace")
    except OSError:
        return []
    servers: list[UpstreamServer] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        try:
            ipaddress.ip_address(words[1])  # resolv.conf knows no ports and no schemes
            server = parse_server(words[1])
        except (ValueError, RuleError):
            continue
        if server not in servers:
            servers.append(server)
    return servers[:_MOST_SYSTEM_SERVERS]
