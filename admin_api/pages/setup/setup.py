"""Set-up: how others are made to ask this server, in recipes with its own addresses."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from admin_api.pages.setup.firewall_recipes import firewall_chapter
from admin_api.pages.setup.recipes import chapters
from admin_api.pages.setup.setup_addresses import DNS_PORT, Addresses, addresses_of
from admin_api.pages.shared.visit import Visit
from resolver.errors import RuleError


async def show(visit: Visit) -> web.StreamResponse:
    """GET /setup."""
    serves = visit.context.serves
    addresses = addresses_of(serves)
    made, lacks = chapters(addresses, serves.trusted_proxies), list(lacks_of(addresses))
    if not addresses.is_local:
        try:
            made.append(firewall_chapter(addresses, serves.clients))
        except RuleError as error:
            lacks.append(f"There are no firewall rules: {error}.")
    return visit.render("setup/setup.html", addresses=addresses, lacks=lacks, chapters=made)


def lacks_of(at: Addresses) -> Iterator[str]:
    """Reasons why recipes are missing, and what to do about it; finished sentences."""
    if at.is_local:
        yield "Only this machine can query it: the server listens on loopback. Set listen in the config."
    if at.plain.port != DNS_PORT:
        yield (
            f"Plain DNS is on port {at.plain.port}. DHCP, VPN and most machines can only be told an address, and ask "
            "on port 53: put 53 into listen.do53, and more recipes are shown here."
        )
    if not at.doh.addresses:
        yield "There is no DNS over HTTPS: set listen.doh and tls to see recipes for it here."
    if not at.dot.addresses:
        yield "There is no DNS over TLS: set listen.dot and tls to see recipes for it here."
    if (at.doh.addresses or at.dot.addresses) and not at.has_name:
        yield "tls.server_name is not set: the address is used instead, and clients require it in the certificate."
