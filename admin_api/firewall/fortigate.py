"""Rules for FortiGate, as its CLI takes them (FortiOS 7: one policy has both versions of the Internet Protocol)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from admin_api.firewall.closing import DNS_PORTS, FAMILIES, HTTPS_PORT, Closing

_FIRST_WORD: Final = {4: "", 6: "6"}  # behind the names of sections and settings
_SERVICES: Final = (("moatdns-dns", DNS_PORTS), ("moatdns-https", (HTTPS_PORT,)))
_MEMBERS: Final = 50  # of a group that one line names
_SETS: Final = ("resolvers", "clients", "public", "closed")


@dataclass(frozen=True, slots=True)
class _FortiPolicy:
    """One policy: `source` and `target` are names of sets, None: everybody; `service` None: all."""

    name: str
    source: str
    target: str | None
    service: str | None
    action: str


_POLICIES: Final = (
    _FortiPolicy("moatdns asks", "resolvers", None, "moatdns-dns", "accept"),
    _FortiPolicy("moatdns asks by HTTPS", "resolvers", "public", "moatdns-https", "accept"),
    _FortiPolicy("moatdns is asked", "clients", "resolvers", "moatdns-dns", "accept"),
    _FortiPolicy("moatdns no other DNS", "clients", None, "moatdns-dns", "deny"),
    _FortiPolicy("moatdns no other DoH", "clients", "public", "moatdns-https", "deny"),
    _FortiPolicy("moatdns closed networks", "clients", "closed", None, "deny"),
)


def fortigate(closing: Closing) -> str:
    """Write a closing as a script of the CLI."""
    return "\n".join([*_lines(closing), ""])


def _lines(closing: Closing) -> Iterator[str]:
    yield '# Leaves moatdns as the only resolver of these clients. Replace "any" by your interfaces where you need to.'
    yield "# 'edit 0' puts each policy last: move them all, in this order, above those that let clients out ('move')."
    yield "# Before you run it again, delete them: a policy's name is there once."
    yield "# Those that accept open what they name; 'moatdns asks' and 'moatdns asks by HTTPS' need 'set nat enable'"
    yield "# where addresses are translated."
    parts = {version: closing.of(version) for version in FAMILIES}
    for version, part in parts.items():
        yield from _addresses(version, part)
    yield "config firewall service custom"
    for name, ports in _SERVICES:
        numbers = " ".join(map(str, ports))
        yield from _entry(name, [f"set tcp-portrange {numbers}", f"set udp-portrange {numbers}"])
    yield "end"
    yield "config firewall policy"
    for policy in _POLICIES:
        sides = [(version, side) for version, part in parts.items() for side in _sides(policy, part, version)]
        if not sides:
            continue
        yield "    edit 0"
        yield f'        set name "{policy.name}"'
        yield '        set srcintf "any"'
        yield '        set dstintf "any"'
        for _, side in sides:
            yield f"        {side}"
        yield f"        set action {policy.action}"
        yield '        set schedule "always"'
        yield f'        set service "{policy.service or "ALL"}"'
        if policy.action == "deny":
            yield "        set send-deny-packet enable"  # without it a denial is silence, and clients wait
            yield "        set logtraffic all"
        yield "    next"
    yield "end"


def _sides(policy: _FortiPolicy, part: Closing, version: int) -> list[str]:
    """Both ends of a policy in one version; none where a set that it needs is empty."""
    needed = [policy.source, *([policy.target] if policy.target else [])]
    if not all(getattr(part, name) for name in needed):
        return []
    word = _FIRST_WORD[version]
    target = _group(policy.target, version) if policy.target else "all"
    return [f'set srcaddr{word} "{_group(policy.source, version)}"', f'set dstaddr{word} "{target}"']


def _addresses(version: int, part: Closing) -> Iterator[str]:
    word = _FIRST_WORD[version]
    named = [(name, getattr(part, name)) for name in _SETS if getattr(part, name)]
    if not named:
        return
    yield f"config firewall address{word}"
    for name, networks in named:
        for entry, network in _entries(name, version, networks):
            yield from _entry(entry, [f"set ip6 {network}" if version == 6 else f"set subnet {_with_mask(network)}"])
    yield "end"
    yield f"config firewall addrgrp{word}"
    for name, networks in named:
        members = [f'"{entry}"' for entry, _ in _entries(name, version, networks)]
        parts = [" ".join(members[first : first + _MEMBERS]) for first in range(0, len(members), _MEMBERS)]
        settings = [f"{'append' if number else 'set'} member {part}" for number, part in enumerate(parts)]
        yield from _entry(_group(name, version), settings)
    yield "end"


def _entries(name: str, version: int, networks: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"{_group(name, version)}-{number}", network) for number, network in enumerate(networks, 1)]


def _entry(name: str, settings: Sequence[str]) -> Iterator[str]:
    yield f'    edit "{name}"'
    for setting in settings:
        yield f"        {setting}"
    yield "    next"


def _group(name: str, version: int) -> str:
    return f"moatdns-{name}{version}"


def _with_mask(network: str) -> str:
    parsed = ipaddress.IPv4Network(network)
    return f"{parsed.network_address} {parsed.netmask}"
