"""Leases of WireGuard peers: a peer that shook hands lately has the addresses that its allowed-ips give it."""

from __future__ import annotations

import ipaddress
import re
import subprocess
import time
from typing import Final, NamedTuple

from .people import DeviceMap, Holder
from .running import Hook, log, run
from .settings import HookError, shown
from .spool import read_address

RECENT_SECONDS: Final = 600.0
"""A peer in use shakes hands every two minutes; a lease lasts `TTL_SECONDS` from the last time it was seen to."""

_COMMAND_SECONDS: Final = 1.0
_USAGE: Final = "usage: wireguard-leases set|end INTERFACE"


class _Peer(NamedTuple):
    """A peer, as the interface and the map have it."""

    holder: Holder
    addresses: list[str]
    is_recent: bool
    has_networks: bool


def main(words: list[str]) -> int:
    """Entry point that PostUp, PostDown and the timer call. Always 0: the tunnel comes up without moatdns, too."""
    return run(lambda hook: _act(hook, words))


def _act(hook: Hook, words: list[str]) -> None:
    if len(words) != 2 or words[0] not in {"set", "end"} or not re.fullmatch(r"[A-Za-z0-9_=+.-]{1,15}", words[1]):
        raise HookError(_USAGE)
    action, interface = words
    source = f"wireguard:{interface}"
    wanted = _wanted(interface, hook.people) if action == "set" else {}
    known = {order.address: order for order in hook.spool.held() if order.source == source}
    for address, order in known.items():
        # Only what the config no longer gives ends: an idle peer's lease runs out by itself.
        if address not in wanted or wanted[address].holder != Holder(order.identity, order.group):
            hook.spool.end(address)
    for peer in filter(lambda peer: peer.is_recent, wanted.values()):
        is_new = hook.lease(peer.addresses, peer.holder, source, only_when_due=True)
        if is_new and peer.has_networks:
            log(f"the peer of {shown(peer.holder.identity)}: only its single addresses (/32, /128) are leased")


def _wanted(interface: str, people: DeviceMap) -> dict[str, _Peer]:
    """The peers that the map names and that have an address of their own, by the first of these. Raises HookError."""
    handshakes = {row[0]: row[1] for row in _rows(interface, "latest-handshakes") if len(row) == 2}
    wanted = {}
    for key, *rest in _rows(interface, "allowed-ips"):
        networks = " ".join(rest).split()
        addresses = sorted(filter(None, map(_host, networks)), key=lambda text: (":" in text, text))
        if (holder := people.get(key)) is None or not addresses:
            continue
        is_recent = time.time() - float(handshakes.get(key, "0")) <= RECENT_SECONDS
        wanted[addresses[0]] = _Peer(holder, addresses, is_recent, len(networks) > len(addresses))
    return wanted


def _rows(interface: str, what: str) -> list[list[str]]:
    """Output of `wg show`, by line and tab. Never `wg show dump`: that prints the private key."""
    command = ["wg", "show", interface, what]
    path = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin"
    try:
        ran = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False, env={"PATH": path}
        )
    except FileNotFoundError:
        raise HookError("wg is not installed: it is in the package wireguard-tools") from None
    except subprocess.TimeoutExpired:
        raise HookError(f"`{' '.join(command)}` took more than {_COMMAND_SECONDS:g} s") from None
    if ran.returncode:
        raise HookError(f"`{' '.join(command)}` failed: {shown(ran.stderr.strip())}")
    return [line.split("\t") for line in ran.stdout.splitlines() if line]


def _host(network: str) -> str:
    """The address of a network of one address; empty for all others."""
    try:
        parsed = ipaddress.ip_network(network, strict=False)
        return read_address(str(parsed.network_address)) if parsed.num_addresses == 1 else ""
    except (ValueError, HookError):
        return ""
