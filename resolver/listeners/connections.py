"""The open connections of a worker: how many there may be, of whom, and who makes room for new ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from resolver.answering.client_networks import Networks, take_off
from resolver.config.settings import ClientNetworks, Limits


class Held(Protocol):
    """Connection, as far as places for it are counted."""

    @property
    def is_busy(self) -> bool:
        """Whether its client waits for an answer."""

    def abort(self) -> None:
        """End it at once."""

    def drain(self) -> None:
        """End it when its queries are answered."""

    def make_room(self) -> None:
        """End it soon, with a word to its client, who waits for no answer."""


class Proving(Protocol):
    """Connection whose client has been asked for a certificate."""

    def close(self) -> None:
        """End it, with a word to its client."""

    def drain(self) -> None:
        """End it when its queries are answered."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Client that may go on. `name` is the client name that it proves, "" for none.

    `may_claim`: a name that it gives itself may count, since it has shown no certificate.
    """

    name: str
    may_claim: bool


class Admission(Protocol):
    """Judge of clients' certificates, where they are asked for one (resolver.listeners.proofs)."""

    def admit(self, connection: Proving, certificate: bytes | None) -> Admitted | None:
        """Judge what a client shows (DER), or that it shows nothing; None where the connection must not go on."""

    def release(self, connection: Proving) -> None:
        """Forget a connection that has ended."""


class Connections:
    """The open connections of a worker, over all its addresses, and how many each client has.

    When there are as many as there may be, the one that has asked nothing for longest makes room, unless its client
    waits for an answer: clients that do nothing cannot keep others out. In a network of IPv6 clients that has as many
    as it may, one of its own makes room.
    """

    def __init__(self, limits: Limits, dropped: Counter[str], networks: Networks | None = None) -> None:
        self.open: dict[Held, str | None] = {}  # who asked last is last; None: a proxy, for many clients
        self._by_client: Counter[str] = Counter()
        self._by_network: dict[bytes, dict[Held, None]] = {}  # in the same order
        self._network_of: dict[Held, bytes] = {}  # those that count by network
        self._networks = networks or Networks(ClientNetworks())
        self._per_network = self._networks.bound(limits.tcp_connections_per_client, limits.tcp_connections)
        self._limits = limits
        self._dropped = dropped

    def admit(self, connection: Held, client: str | None) -> bool:
        """Take in a new connection, or one of a proxy that turns out to be a client's; False when there are too many.

        `client` is None for a proxy, which may have as many as there may be in all.
        """
        if client is not None and self._by_client[client] >= self._limits.tcp_connections_per_client:
            self._dropped["tcp_connections_per_client"] += 1
            return False
        network = self._networks.of_text(client) if client is not None else b""
        of_network = self._by_network.get(network, {}) if network else {}
        if len(of_network) >= self._per_network:
            self._dropped["tcp_connections_per_network"] += 1
            if not self._make_room(of_network):
                return False
        if connection not in self.open and len(self.open) >= self._limits.tcp_connections:
            self._dropped["tcp_connections"] += 1
            if not self._make_room(self.open):
                return False
        self.open[connection] = client
        if client is not None:
            self._by_client[client] += 1
        if network:
            self._by_network.setdefault(network, {})[connection] = None
            self._network_of[connection] = network
        return True

    def _make_room(self, connections: Iterable[Held]) -> bool:
        """End the one that has asked nothing for longest; False where all are busy."""
        silent = next((one for one in connections if not one.is_busy), None)
        if silent is None:
            return False
        self.release(silent)
        silent.make_room()
        return True

    def asked(self, connection: Held) -> None:
        """Its client has asked something."""
        if connection in self.open:
            self.open[connection] = self.open.pop(connection)
            network = self._network_of.get(connection)
            if network is not None:
                of_network = self._by_network[network]
                del of_network[connection]
                of_network[connection] = None

    def release(self, connection: Held) -> None:
        """Forget a connection that has ended."""
        client = self.open.pop(connection, None)
        if client is None:
            return
        take_off(self._by_client, client)
        network = self._network_of.pop(connection, None)
        if network is not None:
            of_network = self._by_network[network]
            del of_network[connection]
            if not of_network:
                del self._by_network[network]

    def drain(self) -> None:
        """End each connection once its queries are answered, the one that may be on its way now included."""
        for connection in tuple(self.open):
            connection.drain()


class Handshakes:
    """The connections of a worker that are in the middle of a TLS handshake.

    When there are too many, the one that has taken longest makes room: an honest client needs milliseconds. A network
    of IPv6 clients is in at most half of them, and makes room for its own.
    """

    def __init__(self, most: int, dropped: Counter[str]) -> None:
        self.open: dict[Held, bytes] = {}  # with their networks, in the order of their beginning
        self._by_network: dict[bytes, dict[Held, None]] = {}  # in the same order
        self._most = most
        self._per_network = max(most // 2, 1)
        self._dropped = dropped

    def begin(self, connection: Held, network: bytes = b"") -> None:
        """One more. `network` is its client's, b"" where none is counted."""
        of_network = self._by_network.get(network, {}) if network else {}
        if len(of_network) >= self._per_network:
            self._dropped["tls_handshakes_per_network"] += 1
            self._end_first(of_network)
        if len(self.open) >= self._most:
            self._dropped["tls_handshakes"] += 1
            self._end_first(self.open)
        self.open[connection] = network
        if network:
            self._by_network.setdefault(network, {})[connection] = None

    def _end_first(self, connections: Iterable[Held]) -> None:
        slowest = next(iter(connections))
        self.end(slowest)
        slowest.abort()

    def end(self, connection: Held) -> None:
        """It has succeeded or not, or was none."""
        network = self.open.pop(connection, b"")
        if network:
            of_network = self._by_network[network]
            del of_network[connection]
            if not of_network:
                del self._by_network[network]
