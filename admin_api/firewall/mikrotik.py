"""Rules for MikroTik RouterOS 7, as a script of its terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from admin_api.firewall.closing import DNS_PORTS, FAMILIES, HTTPS_PORT, Closing

_MENU: Final = {4: "/ip firewall", 6: "/ipv6 firewall"}
_PORTS: Final = ",".join(map(str, DNS_PORTS))
_REFUSE: Final = (("tcp", "reject-with=tcp-reset"), ("udp", "reject-with=icmp-port-unreachable"))

_CHAIN: Final = "chain=moatdns"


def mikrotik(closing: Closing) -> str:
    """Write a closing as a script."""
    return "\n".join([*_lines(closing), ""])


def _lines(closing: Closing) -> Iterator[str]:
    yield "# Leaves moatdns as the only resolver of these clients. It only refuses."
    yield "# Loading it again replaces it. The last line of each part puts the jump before the other rules of forward;"
    yield "# where there are none yet, leave place-before out."
    yield "# The router's own resolver is another way: /ip dns set allow-remote-requests=no"
    for version in FAMILIES:
        part = closing.of(version)
        yield f"{_MENU[version]} filter"
        yield "remove [find jump-target=moatdns]"
        yield f"remove [find {_CHAIN}]"
        yield f"{_MENU[version]} address-list"
        yield 'remove [find list~"^moatdns-"]'
        if not part.clients:  # what an earlier script has put there is gone
            continue
        for name in ("resolvers", "clients", "public", "closed"):
            for network in getattr(part, name):
                yield f"add list=moatdns-{name} address={network}"
        yield f"{_MENU[version]} filter"
        yield f'add {_CHAIN} action=return src-address-list=moatdns-resolvers comment="moatdns: its own queries"'
        yield f'add {_CHAIN} action=return dst-address-list=moatdns-resolvers comment="moatdns: queries to it"'
        for protocol, how in _REFUSE:
            yield (
                f"add {_CHAIN} action=reject {how} protocol={protocol} dst-port={_PORTS} "
                'comment="moatdns: no other resolver"'
            )
        if part.public:
            for protocol, how in _REFUSE:
                yield (
                    f"add {_CHAIN} action=reject {how} protocol={protocol} dst-port={HTTPS_PORT} "
                    'dst-address-list=moatdns-public comment="moatdns: no other DNS over HTTPS"'
                )
        if part.closed:
            yield (
                f"add {_CHAIN} action=reject reject-with=icmp-admin-prohibited dst-address-list=moatdns-closed "
                'comment="moatdns: closed networks"'
            )
        yield (
            "add chain=forward action=jump jump-target=moatdns src-address-list=moatdns-clients "
            'comment="moatdns" place-before=[:pick [find chain=forward !dynamic] 0]'
        )
