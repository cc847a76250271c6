"""Notes for admins on a config that is good: sentences for the log, `check-config`, the API and the pages."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from resolver.config.addresses import parse_endpoint
from resolver.config.block_page_notes import block_page_notes
from resolver.config.client_notes import client_notes
from resolver.config.schema import Config


def config_notes(config: Config) -> Iterator[str]:
    """Finished sentences, each with its key first."""
    yield from _listen_notes(config)
    for group in config.policy.groups:
        for note in group_notes(exempt=group.exempt, mode=group.mode):
            yield f"policy.groups: group {group.name!r}: {note}"
    yield from block_page_notes(config)
    yield from client_notes(config)


def group_notes(*, exempt: bool, mode: str) -> Iterator[str]:
    """Of one group."""
    if exempt and mode == "monitor":
        yield (
            "exempt: true goes before mode: monitor: its queries go through and are counted as exempted, not as "
            "monitored, and ways round the resolver ('bypass') stay blocked; leave one of the two out"
        )


def _listen_notes(config: Config) -> Iterator[str]:
    """A wildcard of IPv6 has no IPv4 here, as it has with programs that leave IPV6_V6ONLY off."""
    listen, admin = config.listen, config.admin.listen
    sections = [
        ("listen.do53", listen.do53),
        ("listen.dot", listen.dot),
        ("listen.doh", listen.doh),
        ("admin.listen", (admin,) if admin else ()),
        ("block_page.listen", config.block_page.listen),
    ]
    for key, texts in sections:
        bound = [parse_endpoint(text) for text in texts]
        for host, port in bound:
            address = ipaddress.ip_address(host.partition("%")[0])
            if address.version == 4 or not address.is_unspecified:
                continue
            if not any(":" not in other for other, of_other in bound if of_other == port):
                so = f"use 0.0.0.0:{port} to have IPv4" if key == "admin.listen" else f"add 0.0.0.0:{port} for IPv4"
                yield f"{key}: [::]:{port} is IPv6 only: {so}"
