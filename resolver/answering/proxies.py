"""Trusted proxies: by which words each is believed when it says for whom it asks, and whom X-Forwarded-For names.

A proxy that says nothing, or what cannot be read, asks for nobody: its query is refused. No I/O.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from resolver.config.settings import (
    CLIENT_SUBNET,
    FORWARDED_FOR,
    MAC_OPTION,
    PROXY,
    PROXY_WITHIN_TLS,
    TrustedProxy,
)
from resolver.errors import FormatError
from resolver.policy.groups import Address, NetworkTable, parse_client

BY_HEADER: Final = 1  # a PROXY header before all else that it says
BY_HEADER_WITHIN_TLS: Final = 2  # one within TLS, where TLS is the proxy's own and not passed on from a client
BY_FORWARDED_FOR: Final = 4
BY_CLIENT_SUBNET: Final = 8
BY_MAC: Final = 16  # the MAC address of the machine that asks, in EDNS

_BITS: Final = {
    PROXY: BY_HEADER,
    PROXY_WITHIN_TLS: BY_HEADER_WITHIN_TLS,
    FORWARDED_FOR: BY_FORWARDED_FOR,
    CLIENT_SUBNET: BY_CLIENT_SUBNET,
    MAC_OPTION: BY_MAC,
}
_LONGEST: Final = 80  # characters of an address, with brackets, zone and port
_BRACKETED: Final = re.compile(r"\[([0-9A-Fa-f:.]+(?:%[0-9A-Za-z._~-]+)?)\](?::([0-9]{1,5}))?\Z")
_WITH_PORT: Final = re.compile(r"([0-9.]+)(?::([0-9]{1,5}))?\Z")
_BARE: Final = re.compile(r"([0-9A-Fa-f:.]+(?:%[0-9A-Za-z._~-]+)?)\Z")
_MOST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class ForwardedClient:
    """Client that a request is made for. `lacks_word`: it is a trusted proxy that has not said for whom."""

    address: str
    lacks_word: bool


class TrustedProxies:
    """Trusted proxies, and the words each is believed by. Of several networks that hold it, the narrowest counts."""

    def __init__(self, proxies: Iterable[TrustedProxy] = ()) -> None:
        self._words = NetworkTable((one.network, sum(_BITS[source] for source in one.sources)) for one in proxies)

    def words_of(self, address: Address) -> int:
        """By which words it is believed, as a sum of `BY_…`; 0 for who is no proxy."""
        found = self._words.find(address)
        return found[1] if found is not None else 0

    def forwarded(self, header: str | None, peer: str, *, speaks_for_itself: bool = False) -> ForwardedClient:
        """The client by X-Forwarded-For: read from its end, as long as those who have added to it are believed.

        `header` is all its lines as one list, None where there is none; `peer` is whose request it is.
        Raises FormatError where a word that would count cannot be read.
        """
        speaker = parse_client(peer)
        words = self.words_of(speaker)
        lacks_word = words != 0 and not speaks_for_itself
        if header is None:
            return ForwardedClient(peer, lacks_word)
        for text in reversed(header.split(",")):
            if not words & BY_FORWARDED_FOR:
                break
            named = read_forwarded(text)
            words = self.words_of(named)
            lacks_word = words != 0 and named != speaker  # who names itself asks for itself
            speaker = named
        return ForwardedClient(str(speaker), lacks_word)


def read_forwarded(text: str) -> Address:
    """The address in one entry of X-Forwarded-For, as proxies write it: alone, or with a port, IPv6 in brackets.

    Raises FormatError for all else: nothing at all, ``unknown``, names such as ``_hidden`` (RFC 7239 section 6.3).
    """
    written = text.strip(" \t")
    if len(written) <= _LONGEST:
        match = _BRACKETED.match(written) or _WITH_PORT.match(written) or _BARE.match(written)
        port = match[2] if match is not None and match.re is not _BARE else None
        if match is not None and (port is None or int(port) <= _MOST_PORT):
            try:
                plain = ipaddress.ip_address(match[1])
            except ValueError:
                plain = None
            if plain is not None and (plain.version == 6) == (match.re is not _WITH_PORT):
                return parse_client(match[1])
    raise FormatError("no address in X-Forwarded-For")
