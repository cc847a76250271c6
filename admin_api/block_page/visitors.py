"""Who comes: by the connection, and by X-Forwarded-For where a trusted proxy says it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from resolver.policy.groups import NetworkTable, parse_client


class Visitors:
    """Those who are served: clients of the resolver (`clients.allow`), by themselves or by trusted proxies."""

    def __init__(self, allowed: NetworkTable[bool], proxies: Iterable[str]) -> None:
        """`proxies` are networks in CIDR form (`clients.trusted_proxies`)."""
        self._allowed = allowed
        self._proxies = NetworkTable((network, True) for network in proxies)

    def is_proxy(self, peer: str) -> bool:
        """Whether what this address says of others is believed."""
        return self._proxies.find(parse_client(peer)) is not None

    def admits(self, peer: str) -> bool:
        """Whether a connection from this address is taken at all."""
        return self._is_client(peer) or self.is_proxy(peer)

    def client_of(self, peer: str, forwarded: Sequence[str]) -> str | None:
        """The client's address, from the connection's and the values of X-Forwarded-For; None for a stranger.

        From the end up to the first address that is no trusted proxy: before that, anybody may have written it.
        """
        client = str(parse_client(peer))
        for text in reversed(",".join(forwarded).split(",")) if forwarded else ():
            if not self.is_proxy(client):
                break
            try:
                client = str(parse_client(text.strip()))
            except ValueError:
                return None
        return client if self._is_client(client) else None

    def _is_client(self, address: str) -> bool:
        return self._allowed.find(parse_client(address)) is not None
