"""Groups and their networks: which group a client's address is in."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NotRequired, TypedDict, TypeVar

from resolver.policy.schedules import PlainSchedule, Schedule

DEFAULT_GROUP = "default"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class ResponsePolicy:
    """Answer to a group's blocked names; see the config's `policy.response`."""

    mode: str = "zero-ip"
    ttl_seconds: int = 10
    ipv4: str | None = None
    ipv6: str | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """Sources whose blocks a group only counts: by the references that name them, until `until` (Unix time)."""

    named: tuple[tuple[str, frozenset[str]], ...] = ()
    until: float | None = None

    @property
    def sources(self) -> frozenset[str]:
        """All of them."""
        return frozenset(source for _, sources in self.named for source in sources)

    def is_over(self, wall: float) -> bool:
        """Whether its end has come."""
        return self.until is not None and self.until <= wall

    def to_plain(self) -> PlainWatch:
        """As it is written into a snapshot."""
        return {"named": [[name, sorted(sources)] for name, sources in self.named], "until": self.until}

    @classmethod
    def from_plain(cls, plain: PlainWatch) -> Watch:
        """Read what `to_plain` wrote."""
        return cls(tuple((name, frozenset(sources)) for name, sources in plain["named"]), plain["until"])


class PlainWatch(TypedDict):
    """Watch as a snapshot has it."""

    named: list[list[Any]]  # a reference, and its sources
    until: float | None


class PlainGroup(TypedDict):
    """Group as a snapshot has it; earlier versions wrote no client names, no schedule and no watch."""

    name: str
    networks: list[str]
    client_names: NotRequired[list[str]]
    exempt: bool
    monitor: bool
    block: list[str]
    allow: list[str]
    response: Sequence[Any]  # mode, ttl_seconds, ipv4, ipv6
    schedule: NotRequired[PlainSchedule | None]
    watch: NotRequired[PlainWatch]


@dataclass(frozen=True, slots=True)
class CompiledGroup:
    """A set of networks with one policy. `block` and `allow` name sources (services and lists), already expanded.

    Clients that call themselves by one of its `client_names`, or prove one, are in it too, wherever they are. With a
    `schedule`, the policy is enforced within its windows only.
    """

    name: str
    networks: tuple[str, ...] = ()
    exempt: bool = False
    monitor: bool = False
    block: frozenset[str] = frozenset()
    allow: frozenset[str] = frozenset()
    response: ResponsePolicy = field(default_factory=ResponsePolicy)
    schedule_plain: PlainSchedule | None = None
    schedule: Schedule | None = field(default=None, compare=False)
    client_names: tuple[str, ...] = ()  # in their normal form (proved_names)
    watch: Watch = field(default_factory=Watch)

    def to_plain(self) -> PlainGroup:
        """As it is written into a snapshot."""
        response = self.response
        return {
            "name": self.name,
            "networks": list(self.networks),
            "client_names": list(self.client_names),
            "exempt": self.exempt,
            "monitor": self.monitor,
            "block": sorted(self.block),
            "allow": sorted(self.allow),
            "response": [response.mode, response.ttl_seconds, response.ipv4, response.ipv6],
            "schedule": self.schedule_plain,
            "watch": self.watch.to_plain(),
        }

    @classmethod
    def from_plain(cls, plain: PlainGroup) -> CompiledGroup:
        """Read what `to_plain` wrote, now or in an earlier version."""
        schedule = plain.get("schedule")
        watch = plain.get("watch")
        return cls(
            name=plain["name"],
            networks=tuple(plain["networks"]),
            client_names=tuple(plain.get("client_names", ())),
            exempt=plain["exempt"],
            monitor=plain["monitor"],
            block=frozenset(plain["block"]),
            allow=frozenset(plain["allow"]),
            response=ResponsePolicy(*plain["response"]),
            schedule_plain=schedule,
            schedule=Schedule.from_plain(schedule) if schedule else None,
            watch=Watch.from_plain(watch) if watch else Watch(),
        )


def parse_client(address: str) -> Address:
    """A client's address; an IPv4-mapped IPv6 address is the IPv4 address in it. Raises ValueError."""
    parsed = ipaddress.ip_address(address.partition("%")[0])  # a zone index says on which link, not who
    mapped = parsed.ipv4_mapped if parsed.version == 6 else None
    return mapped or parsed


T = TypeVar("T")


class NetworkTable(Generic[T]):
    """Values by network: the most specific network that holds an address gives its value."""

    def __init__(self, entries: Iterable[tuple[str, T]]) -> None:
        """Take (network in CIDR form, value) pairs."""
        by_version: dict[int, dict[int, dict[int, tuple[Network, T]]]] = {4: {}, 6: {}}
        for text, value in entries:
            network = ipaddress.ip_network(text)
            shift = network.max_prefixlen - network.prefixlen
            by_version[network.version].setdefault(shift, {})[int(network.network_address) >> shift] = (network, value)
        # Smallest shift first: the longest prefix is asked first.
        self._by_shift = {version: sorted(shifts.items()) for version, shifts in by_version.items()}

    def find(self, address: Address) -> tuple[Network, T] | None:
        """The most specific network that holds `address` and its value, or None."""
        number = int(address)
        for shift, networks in self._by_shift[address.version]:
            found = networks.get(number >> shift)
            if found is not None:
                return found
        return None

    def find_all(self, address: Address) -> list[tuple[Network, T]]:
        """All networks that hold `address` with their values, the most specific one first."""
        number = int(address)
        found = (networks.get(number >> shift) for shift, networks in self._by_shift[address.version])
        return [one for one in found if one is not None]


def network_table(groups: Sequence[CompiledGroup]) -> NetworkTable[int]:
    """Each network of each group, giving the group's index."""
    return NetworkTable((network, index) for index, group in enumerate(groups) for network in group.networks)
