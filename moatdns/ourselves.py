"""Whether an upstream is this resolver itself: then its queries would go in a circle."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from resolver.config.settings import UpstreamServer
from resolver.config.system_servers import RESOLV_CONF, system_servers
from resolver.listeners.sockets import Listen


@dataclass(frozen=True, slots=True)
class SystemServers:
    """The system's nameservers that can be asked, and those that are this resolver itself."""

    servers: tuple[UpstreamServer, ...]
    ourselves: tuple[UpstreamServer, ...]

    @property
    def trouble(self) -> str | None:
        """Why there is none that can be asked; None where there is one."""
        if self.servers:
            return None
        if self.ourselves:
            own = ", ".join(server.host for server in self.ourselves)
            return f"upstream.servers: 'system' stands for no server: {RESOLV_CONF} names this resolver alone ({own})"
        return f"upstream.servers: 'system' stands for no server: {RESOLV_CONF} names none"


def usable_system_servers(listen: Sequence[Listen], resolv_conf: Path = RESOLV_CONF) -> SystemServers:
    """The system's nameservers as they are now, for a resolver that listens at these addresses."""
    servers = system_servers(resolv_conf)
    own = tuple(server for server in servers if is_ourselves(server, listen))
    return SystemServers(tuple(server for server in servers if server not in own), own)


def is_ourselves(server: UpstreamServer, listen: Sequence[Listen]) -> bool:
    """Whether an upstream is one of the addresses that we listen on; behind a wildcard, any of this machine's.

    Of a name it is not known before its address is.
    """
    if not server.has_address:
        return False
    address = ipaddress.ip_address(server.host.partition("%")[0])
    for own in listen:
        if server.port != own.port:
            continue
        bound = ipaddress.ip_address(own.host.partition("%")[0])
        if address == bound:
            return True
        if bound.is_unspecified and bound.version == address.version and _is_of_this_machine(server):
            return True
    return False


def _is_of_this_machine(server: UpstreamServer) -> bool:
    """Whether an address is one of this machine's: what is sent there leaves from there. Nothing is sent."""
    if ipaddress.ip_address(server.host.partition("%")[0]).is_loopback:
        return True
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((server.host, server.port))
        except OSError:  # no way leads there
            return False
        source, there = probe.getsockname()[0], probe.getpeername()[0]
    return bool(source == there)
