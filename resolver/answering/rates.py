"""Rates: of queries by client and network, and of like responses by network (response rate limiting). No I/O, no clock.

Both count in token buckets that hold one second's worth. A bucket that has not been used for a second is full, so it
need not be remembered: the tables stay as small as what happened within a second.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from enum import Enum

PLENTY = 1 << 62  # queries that a client without a limit has left
_PORTIONS = 10  # a bucket is handed out in: the UDP reader counts one down without looking at a clock
_SCARCE = 400  # a portion is at most this part of what a network has left
_PER_CLIENT = "queries_per_second"
_PER_NETWORK = "queries_per_second_per_network"
_PREFIXES = {4: 24, 6: 56}  # bits of an address that make a client's network


class Buckets:
    """Token buckets by key, `per_second` tokens each. At most `most` are known; `name` counts those that were lost."""

    def __init__(self, per_second: int, most: int, name: str, dropped: Counter[str]) -> None:
        self.per_second = per_second
        self._most = most
        self._name = name
        self._dropped = dropped
        self._buckets: dict[str | bytes, tuple[float, float]] = {}  # tokens, and when there were so many

    def take(self, key: str | bytes, most: int, now: float) -> int:
        """Take up to `most` tokens; gives how many there were. `now` is in monotonic seconds."""
        bucket = self._buckets.get(key)
        full = self.per_second
        if bucket is None:
            tokens = float(full)
            if len(self._buckets) >= self._most:
                self._make_room(now)
        else:
            tokens = min(full, bucket[0] + (now - bucket[1]) * full)
        taken = min(most, int(tokens))
        self._buckets[key] = (tokens - taken, now)
        return taken

    def available(self, key: str | bytes, now: float) -> float:
        """The tokens that are left."""
        bucket = self._buckets.get(key)
        full = self.per_second
        return full if bucket is None else min(full, bucket[0] + (now - bucket[1]) * full)

    def __len__(self) -> int:
        return len(self._buckets)

    def _make_room(self, now: float) -> None:
        """Forget the buckets that are full again, and all where that is not enough."""
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if bucket[1] > now - 1}
        if len(self._buckets) > self._most // 2:
            self._dropped[self._name] += len(self._buckets)
            self._buckets = {}


class QueryBudgets:
    """Budgets of queries, by client address and by network. 0 queries per second means no limit."""

    def __init__(self, per_second: int, most_clients: int, dropped: Counter[str], per_network: int = 0) -> None:
        self._buckets = Buckets(per_second, most_clients, "query_rates", dropped)
        self._networks = Buckets(per_network, most_clients, "query_rates", dropped)
        self._portion = max(per_second // _PORTIONS, 1)
        self.is_limited = per_second > 0
        self.ended = _PER_CLIENT  # the bound that left nothing the last time, by its name under `dropped`

    @property
    def per_second(self) -> int:
        """The queries per second that this bound lets through."""
        return self._networks.per_second if self.ended == _PER_NETWORK else self._buckets.per_second

    def portion(self, address: str, now: float, network: bytes = b"") -> int:
        """Some of the queries that a client may ask now; 0 where it has asked enough, or its network has.

        `network` is b"" where none is counted.
        """
        if not self.is_limited:
            return PLENTY
        if not network:
            self.ended = _PER_CLIENT
            return self._buckets.take(address, self._portion, now)
        # The less there is, the smaller the portions: what clients have and do not use keeps none from others.
        left = self._networks.available(network, now)
        most = min(self._portion, max(int(left) // _SCARCE, 1))
        if left < 1:
            self.ended = _PER_NETWORK
            return 0
        self.ended = _PER_CLIENT
        taken = self._buckets.take(address, most, now)
        return self._networks.take(network, taken, now) if taken else 0


class Ration(Enum):
    """Ways to treat a response under response rate limiting."""

    SENT = 0
    TRUNCATED = 1  # so that a real client comes by TCP
    DROPPED = 2


class ResponseRates:
    """Counts responses over UDP by client network and kind, and says which are too many."""

    def __init__(self, per_second: int, slip: int, most: int, dropped: Counter[str]) -> None:
        """Of those that are too many, every `slip`-th is truncated, the others are dropped; with 0, all are dropped.

        At most `most` kinds are known at once.
        """
        self._buckets = Buckets(per_second, most, "response_rates", dropped)
        self._slip = slip
        self._dropped = dropped
        self._over = 0

    def ration(self, network: bytes, kind: bytes, now: float) -> Ration:
        """The ration of one more response of a kind to a network (`network_of`)."""
        if self._buckets.take(network + kind, 1, now):
            return Ration.SENT
        self._dropped["responses_per_second"] += 1
        self._over += 1
        return Ration.TRUNCATED if self._slip and self._over % self._slip == 0 else Ration.DROPPED


def network_of(address: bytes) -> bytes:
    """The network of a client's address, packed: /24 or /56."""
    parsed = ipaddress.ip_address(address)
    return ipaddress.ip_network((address, _PREFIXES[parsed.version]), strict=False).network_address.packed
