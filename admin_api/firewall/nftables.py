"""Rules for nftables, as `nft -f` takes them: a table of our own, which takes the place of an earlier one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from admin_api.firewall.closing import DNS_PORTS, FAMILIES, HTTPS_PORT, Closing

_TABLE: Final = "moatdns"
_FAMILY: Final = {4: ("ip", "ipv4_addr"), 6: ("ip6", "ipv6_addr")}
_PORTS: Final = "{ " + ", ".join(map(str, DNS_PORTS)) + " }"


def nftables(closing: Closing) -> str:
    """Write a closing as an nftables file."""
    return "\n".join([*_HEAD, *_body(closing), "}", ""])


_HEAD: Final = (
    "# Leaves moatdns as the only resolver of these clients. Load it on the gateway: nft -f FILE",
    "# It only refuses: whatever it lets through is judged by your other tables as before.",
    f"table inet {_TABLE} {{}}",
    f"delete table inet {_TABLE}",
    f"table inet {_TABLE} {{",
)


def _body(closing: Closing) -> Iterator[str]:
    for version in FAMILIES:
        part = closing.of(version)
        for name in ("resolvers", "clients", "public", "closed"):
            yield from _set(f"{name}{version}", _FAMILY[version][1], getattr(part, name))
    yield "  chain forward {"
    yield "    type filter hook forward priority filter - 5; policy accept;"
    for version in FAMILIES:
        ip = _FAMILY[version][0]
        yield f'    {ip} saddr @resolvers{version} return comment "moatdns\'s own queries"'
        yield f'    {ip} daddr @resolvers{version} return comment "queries to moatdns"'
    for version in FAMILIES:
        yield f"    {_FAMILY[version][0]} saddr @clients{version} jump others"
    yield "  }"
    yield "  chain others {"
    yield f'    tcp dport {_PORTS} counter reject with tcp reset comment "DNS, DNS over TLS"'
    yield f'    udp dport {_PORTS} counter reject comment "DNS, DNS over QUIC"'
    for version in FAMILIES:
        to = f"{_FAMILY[version][0]} daddr"
        yield f'    {to} @public{version} tcp dport {HTTPS_PORT} counter reject with tcp reset comment "DNS over HTTPS"'
        yield f'    {to} @public{version} udp dport {HTTPS_PORT} counter reject comment "DNS over HTTP/3"'
        yield f'    {to} @closed{version} counter reject comment "vendors\' own networks"'
    yield "  }"


def _set(name: str, kind: str, networks: tuple[str, ...]) -> Iterator[str]:
    yield f"  set {name} {{"
    yield f"    type {kind}"
    yield "    flags interval"
    if networks:  # an empty list of elements is a mistake for nft
        yield f"    elements = {{ {', '.join(networks)} }}"
    yield "  }"
