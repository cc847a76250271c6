"""Where clients find this server: the addresses that its listeners have, as somebody elsewhere would write them."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from admin_api.api.settings import Address, Serves

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
DNS_PORT = 53
TLS_PORT = 853
HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class Reach:
    """One way to DNS here: the addresses that have it, IPv4 first, and its port. No address: it is not served."""

    addresses: tuple[str, ...] = ()
    port: int = 0

    @property
    def first(self) -> str:
        """The address that recipes show."""
        return self.addresses[0] if self.addresses else ""

    def of_version(self, version: int) -> tuple[str, ...]:
        """Those of IPv4 (4) or IPv6 (6)."""
        return tuple(text for text in self.addresses if ipaddress.ip_address(text).version == version)


@dataclass(frozen=True, slots=True)
class Addresses:
    """All ways. `is_local`: only this machine can ask. `is_wildcard`: the addresses are those the machine has now."""

    plain: Reach
    dot: Reach
    doh: Reach
    name: str  # for certificates and URLs: tls.server_name, else an address
    has_name: bool
    is_local: bool
    is_wildcard: bool

    @property
    def template(self) -> str:
        """The URL of DNS over HTTPS; "" where it is not served."""
        if not self.doh.addresses:
            return ""
        host = f"[{self.name}]" if ":" in self.name else self.name
        port = "" if self.doh.port == HTTPS_PORT else f":{self.doh.port}"
        return f"https://{host}{port}/dns-query"


def machine_addresses() -> list[str]:
    """Those of this machine's interfaces that others can reach it by."""
    import psutil  # noqa: PLC0415 (slow to import, and for this page alone)

    found = []
    for entries in psutil.net_if_addrs().values():
        for entry in entries:
            if entry.family in (socket.AF_INET, socket.AF_INET6):
                address = ipaddress.ip_address(entry.address.partition("%")[0])
                if not (address.is_loopback or address.is_link_local):
                    found.append(str(address))
    return found


def addresses_of(serves: Serves, machine: Callable[[], Iterable[str]] = machine_addresses) -> Addresses:
    """The ways to a server, by what its config says and what addresses its machine has."""
    own = [ipaddress.ip_address(text) for text in machine()]
    plain = _reach(serves.do53, own, DNS_PORT)
    dot, doh = _reach(serves.dot, own, TLS_PORT), _reach(serves.doh, own, HTTPS_PORT)
    every = [*serves.do53, *serves.dot, *serves.doh]
    return Addresses(
        plain=plain,
        dot=dot,
        doh=doh,
        name=serves.server_name or doh.first or dot.first or plain.first,
        has_name=serves.server_name is not None,
        is_local=all(_ip(host).is_loopback for host, _ in every),
        is_wildcard=any(_ip(host).is_unspecified for host, _ in every),
    )


def _reach(listening: tuple[Address, ...], own: list[_Ip], usual: int) -> Reach:
    """The port that clients expect, where it is one of several, and its addresses; loopback's failing others."""
    ports = [port for _, port in listening]
    port = usual if usual in ports else next(iter(ports), 0)
    found: dict[_Ip, None] = {}
    for host, at in listening:
        if at != port:
            continue
        address = _ip(host)
        if address.is_unspecified:
            # A socket on [::] also has IPv4 only where it says so; ours does not.
            found |= dict.fromkeys(each for each in own if each.version == address.version)
        else:
            found[address] = None
    if listening and not found:  # a machine without a network
        found = dict.fromkeys(ipaddress.ip_address("::1" if ":" in host else "127.0.0.1") for host, _ in listening)
    best = [each for each in found if not each.is_loopback] or list(found)
    return Reach(tuple(str(each) for each in sorted(best, key=lambda each: each.version)), port)


def _ip(host: str) -> _Ip:
    return ipaddress.ip_address(host.partition("%")[0])
