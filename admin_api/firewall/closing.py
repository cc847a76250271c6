"""Closing of the other ways to a resolver: who is closed in, where they may ask, and what is closed to them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from resolver.config.addresses import NAMED_CLIENTS, read_network
from resolver.config.wording import shown
from resolver.errors import RuleError
from resolver.policy.groups import Network

DNS_PORTS: Final = (53, 853)
"""Ports of plain DNS, and of DNS over TLS and over QUIC (RFC 7858, 9250), each over TCP and UDP."""
HTTPS_PORT: Final = 443
FAMILIES: Final[tuple[int, ...]] = (4, 6)

_NAME_CLIENTS: Final = "name the networks of your clients (--clients; in the API clients=)"


@dataclass(frozen=True, slots=True)
class Closing:
    """Networks in CIDR: `clients` may ask `resolvers` alone, which may ask anybody.

    `public`: addresses of other resolvers, closed to clients on HTTPS_PORT, too; `closed`: closed on all ports.
    """

    resolvers: tuple[str, ...]
    clients: tuple[str, ...]
    public: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()

    def of(self, version: int) -> Closing:
        """The part of it that is of one version of the Internet Protocol."""
        parts = (self.resolvers, self.clients, self.public, self.closed)
        return Closing(*(tuple(one for one in part if (":" in one) is (version == 6)) for part in parts))


def closing_of(
    listens_on: Iterable[str],
    allowed: Iterable[str],
    *,
    resolvers: Sequence[str] = (),
    clients: Sequence[str] = (),
    public: Iterable[str] = (),
    closed: Iterable[str] = (),
) -> Closing:
    """Fill a closing in by a config: the addresses that it listens on, and its `clients.allow`.

    `resolvers` and `clients` are taken instead where they are given. Raises RuleError where it cannot be known who is
    to be left open, and for what is no network.
    """
    hosts = tuple(listens_on)
    open_ones = _merged(_addresses(resolvers)) or _merged(host for host in hosts if _is_reachable(host))
    # Beside an address, all addresses are more than that one: rules for it alone would refuse the others.
    if not open_ones or (not resolvers and any(_address(host).is_unspecified for host in hosts)):
        raise RuleError(
            "the config listens on loopback alone, or somewhere on all addresses, so that nothing says by which "
            "addresses clients reach this resolver: name each (--resolver; in the API resolver=)"
        )
    closed_in = _merged(clients) or _merged(network for entry in allowed for network in _expanded(entry))
    if not closed_in:
        raise RuleError(f"clients.allow has loopback alone: {_NAME_CLIENTS}")
    if not clients and any(network.endswith("/0") for network in closed_in):
        raise RuleError(
            f"clients.allow has all addresses, and so those that ask name servers of yours: {_NAME_CLIENTS}"
        )
    return Closing(open_ones, closed_in, _merged(public), _merged(closed))


def _addresses(resolvers: Iterable[str]) -> Iterator[str]:
    for text in resolvers:
        network = ipaddress.ip_network(read_network(text))
        if network.prefixlen != network.max_prefixlen:  # all in it would be open
            raise RuleError(f"{shown(text)} is a network: name this resolver's addresses one by one")
        yield text


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(host.partition("%")[0])


def _is_reachable(host: str) -> bool:
    address = _address(host)
    return not (address.is_unspecified or address.is_loopback or address.is_link_local)


def _expanded(entry: str) -> Iterator[str]:
    for network in NAMED_CLIENTS.get(entry, (entry,)):
        if not ipaddress.ip_network(network).is_loopback:  # no firewall sees what a host says to itself
            yield network


def _merged(networks: Iterable[str]) -> tuple[str, ...]:
    """Networks in their normal form, IPv4 first, none within another: some firewalls refuse those."""
    read: list[Network] = [ipaddress.ip_network(read_network(text)) for text in networks]
    four = ipaddress.collapse_addresses(one for one in read if isinstance(one, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(one for one in read if isinstance(one, ipaddress.IPv6Network))
    return tuple(map(str, [*four, *six]))
