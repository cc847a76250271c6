"""The task that all servers have, and the kinds of server that take it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.ways import Ports

CACHE_ENTRIES = 10_000  # dnsmasq's default is 150, and it advises against more than this
CACHE_MIB = 8  # about as many entries
IN_FLIGHT = 4096
CONNECTIONS = 1000  # as many as a worker of moatdns holds
SINKHOLE = "0.0.0.0"
SINKHOLE_IPV6 = "::"


class Log(enum.Enum):
    """The queries that a server writes into a log file."""

    NONE = "no log"
    HITS = "log of hits"
    ALL = "log of all"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Certificate and key that a server shows to TLS clients."""

    certificate: Path
    private_key: Path


@dataclass(frozen=True, slots=True)
class Job:
    """The task of every server: answer blocked names, and all below them, with 0.0.0.0 and ::; forward the rest."""

    catalogue: tuple[str, ...]  # blocked, and moatdns knows them already
    listed: tuple[str, ...]  # blocked by a list of the company's own
    upstream_port: int
    tls: TlsFiles | None = None  # with it, DoT and DoH are served too

    @property
    def blocked(self) -> tuple[str, ...]:
        """All names that must be blocked."""
        return self.catalogue + self.listed


@dataclass(frozen=True, slots=True)
class Server:
    """A kind of server: how its configuration is written into a folder, and the command that starts it."""

    name: str
    program: str  # moatdns, echo, or the peer's
    command: Callable[[Job, Ports, Path], list[str]]
    log: Log = Log.NONE
    lacks: Mapping[str, str] = field(default_factory=dict)  # kinds of ways that it cannot be measured by, and why


def write_rpz(path: Path, names: tuple[str, ...]) -> None:
    """A response policy zone that blocks `names` and all below them."""
    with path.open("w") as file:
        file.write(
            "$ORIGIN rpz.bench.\n$TTL 3600\n@ SOA localhost. root.localhost. 1 3600 600 86400 60\n@ NS localhost.\n"
        )
        for name in names:
            for owner in (name, f"*.{name}"):
                file.write(f"{owner} A {SINKHOLE}\n{owner} AAAA {SINKHOLE_IPV6}\n")
