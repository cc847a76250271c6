"""Leases of WireGuard peers: a peer that shook hands lately has the addresses that its allowed-ips give it."""

from __future__ import annotations

import ipaddress
import re
import subprocess
import time
from typing import Final

from .people import Holder
from .running import Hook, log, run
from .settings import HookError, shown
from .spool import read_address

RECENT_SECONDS: Final = 600.0
"""A peer in use shakes hands every two minutes; a lease lasts `TTL_SECONDS` from the last time it was seen to."""

_COMMAND_SECONDS: Final = 1.0
_USAGE: Final = "usage: wireguard-leases set|end INTERFACE"


def main(words: list[str]) -> int:
    """What PostUp, PostDown and the timer call. Always 0: the tunnel comes up without moatdns, too."""
    return run(lambda hook: _act(hook, words))


def _act(hook: Hook, words: list[str]) -> None:
    if len(words) != 2 or words[0] not in {"set", "end"} or not re.fullmatch(r"[A-Za-z0-9_=+.-]{1,15}", words[1]):
        raise HookError(_USAGE)
    action, interface = words
    source = f"wireguard:{interface}"
    wanted = _wanted(hook, interface) if action == "set" else {}
    known = {order.address: order for order in hook.spool.held() if order.source == source}
    for address, order in known.items():
        # Only what the config no longer gives ends: an idle peer's lease runs out by itself.
        if address not in wanted or wanted[address][0] != Holder(order.identity, order.group):
            hook.spool.end(address)
    for holder, addresses, is_recent in wanted.values():
        if is_recent:
            ttl = hook.settings.ttl_seconds
            hook.spool.set(addresses, *holder, ttl_seconds=ttl, source=source, only_when_due=True)


def _wanted(hook: Hook, interface: str) -> dict[str, tuple[Holder, list[str], bool]]:
    """By first address: whose it is, all addresses of the peer, and whether it is in use. Raises HookError."""
    handshakes = {row[0]: row[1] for row in _rows(interface, "latest-handshakes") if len(row) == 2}
    wanted = {}
    for row in _rows(interface, "allowed-ips"):
        key, networks = row[0], " ".join(row[1:]).split()
        holder = hook.people.get(key)
        addresses = sorted(filter(None, map(_host, networks)), key=lambda text: (":" in text, text))
        if holder is None or not addresses:
            continue
        if len(addresses) < len([network for network in networks if network != "(none)"]):
            log(f"peer {shown(key)}: only single addresses (/32, /128) are leased")
        is_recent = time.time() - int(handshakes.get(key, "0")) <= RECENT_SECONDS
        wanted[addresses[0]] = (holder, addresses, is_recent)
    return wanted


def _rows(interface: str, what: str) -> list[list[str]]:
    """What `wg show` says, by line and tab. Never `wg show dump`: that prints the private key."""
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
