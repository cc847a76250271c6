"""Rules for pf (OpenBSD, FreeBSD, and OPNsense and pfSense, which are made of it)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from admin_api.firewall.closing import DNS_PORTS, HTTPS_PORT, Closing

_BOTH: Final = "proto { tcp, udp }"
_PORTS: Final = "{ " + ", ".join(map(str, DNS_PORTS)) + " }"


def pf(closing: Closing) -> str:
    """Write a closing as lines of pf.conf."""
    return "\n".join([*_lines(closing), ""])


def _lines(closing: Closing) -> Iterator[str]:
    yield "# Leaves moatdns as the only resolver of these clients. In pf.conf, before the rules that let clients out."
    yield "# It only refuses. OPNsense, pfSense: an alias for each table, a floating rule (quick, in) for each line."
    yield "# '!' takes moatdns itself, which asks others, out of the clients."
    others = [f"!{_bare(one)}" for one in closing.resolvers]
    yield _table("resolvers", closing.resolvers)
    yield _table("clients", [*closing.clients, *others])
    if closing.public:
        yield _table("public", closing.public)
    if closing.closed:
        yield _table("closed", closing.closed)
    refuse, who = "block return in quick", "from <moatdns_clients>"
    yield f"{refuse} {_BOTH} {who} to ! <moatdns_resolvers> port {_PORTS}"
    if closing.public:
        yield f"{refuse} {_BOTH} {who} to <moatdns_public> port {HTTPS_PORT}"
    if closing.closed:
        yield f"{refuse} {who} to <moatdns_closed>"


def _table(name: str, entries: list[str] | tuple[str, ...]) -> str:
    return f"table <moatdns_{name}> const {{ {', '.join(map(_bare, entries))} }}"


def _bare(network: str) -> str:
    """An address without the length that says that it is one."""
    return network.removesuffix("/128") if ":" in network else network.removesuffix("/32")
