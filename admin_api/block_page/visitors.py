"""Addresses of visitors: by the connection, and by X-Forwarded-For where a trusted proxy says it."""

from __future__ import annotations

from collections.abc import Sequence

from resolver.answering.proxies import TrustedProxies
from resolver.errors import FormatError
from resolver.policy.groups import NetworkTable, parse_client


class Visitors:
    """Those who are served: clients of the resolver (`clients.allow`), by themselves or by trusted proxies."""

    def __init__(self, allowed: NetworkTable[bool], proxies: TrustedProxies) -> None:
        self._allowed = allowed
        self._proxies = proxies

    def is_proxy(self, peer: str) -> bool:
        """Whether whoever connects from this address does so for others."""
        return self._proxies.words_of(parse_client(peer)) != 0

    def admits(self, peer: str) -> bool:
        """Whether a connection from this address is taken at all."""
        return self._is_client(peer) or self.is_proxy(peer)

    def client_of(self, peer: str, forwarded: Sequence[str]) -> str | None:
        """The client's address, from the connection's and the values of X-Forwarded-For.

        From the end up to the first address that is no trusted proxy: before that, anybody may have written it. None
        for a stranger, and for a trusted proxy that does not say for whom it comes.
        """
        try:
            asker = self._proxies.forwarded(",".join(forwarded) if forwarded else None, str(parse_client(peer)))
        except FormatError:
            return None
        return asker.address if not asker.lacks_word and self._is_client(asker.address) else None

    def _is_client(self, address: str) -> bool:
        return self._allowed.find(parse_client(address)) is not None
