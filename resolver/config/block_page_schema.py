"""The section of the configuration about the block page, and how it and the policy's answers fit together."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field

from resolver.config import fields
from resolver.config.addresses import parse_endpoint
from resolver.config.fields import NUMBER, Switch
from resolver.config.section import Section
from resolver.config.settings import BlockPageSettings
from resolver.config.wording import shown
from resolver.errors import RuleError

_DEFAULTS = BlockPageSettings()
_LONGEST_CONTACT = 300  # characters


def _read_contact(text: str) -> str:
    """One line that a page can show."""
    written = text.strip()
    if not written or len(written) > _LONGEST_CONTACT or not written.isprintable():
        raise RuleError(f"should be one line of 1 to {_LONGEST_CONTACT} characters, is {shown(text)}; null shows none")
    return written


class BlockPageSection(Section):
    """A page that says what is blocked, for browsers that `policy.response.mode: address` leads to it."""

    listen: fields.OptionalEndpoints = ()
    """Addresses with ports for plain HTTP, as in ['10.0.0.53:80']; none: there is no block page."""
    names: fields.HostNames = ()
    """Names of the page for users who look up a blocked name, as in ['blocked.corp.example'], beside its address.
    Over HTTPS a browser shows a certificate warning instead of the page, so tell users one of them."""
    contact: Annotated[str, fields.reading(_read_contact)] | None = None
    """The contact shown on the page: a URL, a mail address, or one line of text."""
    request_form: Switch = True
    """Let clients ask for an exemption, which waits until somebody approves it."""
    most_pending: Annotated[int, Field(ge=1, le=10_000), NUMBER] = _DEFAULTS.most_pending
    """Requests of the page that wait at once."""
    most_pending_per_client: Annotated[int, Field(ge=1, le=1000), NUMBER] = _DEFAULTS.most_pending_per_client
    """Requests that wait at once of one client address (IPv6: of one /64)."""
    requests_per_minute: Annotated[int, Field(ge=1, le=10_000), NUMBER] = _DEFAULTS.requests_per_minute
    """Requests that are taken in a minute."""
    pages_per_second: Annotated[int, Field(ge=1, le=10_000), NUMBER] = _DEFAULTS.pages_per_second
    """HTTP requests that are answered in a second."""
    pages_per_second_per_client: Annotated[int, Field(ge=1, le=10_000), NUMBER] = _DEFAULTS.pages_per_second_per_client
    """Likewise, of one client address (IPv6: of one /64)."""
    connections: Annotated[int, Field(ge=1, le=10_000), NUMBER] = _DEFAULTS.connections
    """HTTP connections that are open at once."""
    connections_per_client: Annotated[int, Field(ge=1, le=10_000), NUMBER] = _DEFAULTS.connections_per_client
    """Likewise, of one client address (IPv6: of one /64); trusted proxies have no such limit."""


def clashes(block_page: Iterable[str], others: Iterable[tuple[str, str]]) -> Iterator[tuple[int, str]]:
    """Addresses of the block page that another listener has: their places, and what is wrong.

    `others` are key paths and endpoints of TCP listeners. A wildcard has all addresses of its family.
    """
    taken = [(key, text, *parse_endpoint(text)) for key, text in others]
    for index, text in enumerate(block_page):
        host, port = parse_endpoint(text)
        for key, other, other_host, other_port in taken:
            if port and port == other_port and _overlap(host, other_host):
                yield index, f"{text} clashes with {key}, {other}: give each a port or an address of its own"
                break


def _overlap(one: str, other: str) -> bool:
    first, second = (ipaddress.ip_address(host.partition("%")[0]) for host in (one, other))
    is_wildcard = first.is_unspecified or second.is_unspecified
    return first == second or (is_wildcard and first.version == second.version)
