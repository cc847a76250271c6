"""Places for queries that wait for an upstream, by client: who asks for slow names leaves places for the others."""

from __future__ import annotations

from collections import Counter

from resolver.answering.client import Client
from resolver.answering.client_networks import take_off


class ClientPlaces:
    """The places that each client has, and each network of IPv6 clients."""

    def __init__(self, most: int, most_in_network: int, dropped: Counter[str]) -> None:
        self._most = most
        self._most_in_network = most_in_network
        self._dropped = dropped
        self._waiting: dict[str, int] = {}  # by client address
        self._waiting_in: dict[bytes, int] = {}  # by network

    def take(self, client: Client) -> bool:
        """Take a place; False, which is counted, where a client or its network has none left."""
        address, network = client.address, client.network
        waiting = self._waiting.get(address, 0)
        if waiting >= self._most:
            self._dropped["queries_in_flight_per_client"] += 1
            return False
        if network:
            waiting_in = self._waiting_in.get(network, 0)
            if waiting_in >= self._most_in_network:
                self._dropped["queries_in_flight_per_network"] += 1
                return False
            self._waiting_in[network] = waiting_in + 1
        self._waiting[address] = waiting + 1
        return True

    def give_back(self, client: Client) -> None:
        """Give a place back."""
        take_off(self._waiting, client.address)
        if client.network:
            take_off(self._waiting_in, client.network)
