"""Datagrams that are not answered at sight: each has its turn, and a flood for one domain takes no other's.

While a worker keeps up, they are worked off in the order in which they came. When it falls behind, they wait by the
registered domain that they ask about, and the domains take turns: names of a domain that is flooded wait for each
other, and are dropped, while all others find the queue empty.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable

from resolver.answering.client_networks import take_off
from resolver.wire.codes import HEADER, MAX_NAME
from resolver.wire.names import domain_of, key_of
from resolver.wire.proxy_header import SIGNATURE

_TURN = 16  # answered in a row, a millisecond's worth; then what is answered at sight, timers and upstreams come first
_SHARE = 4  # one domain has at most this part of the places
_SHARE_OF_NETWORK = 2  # one network of IPv6 clients, this
_BEHIND_PROXY_HEADER = 16  # octets before what its length counts

Waiting = tuple[bytes, str, bytes, bool, Callable[[bytes], None]]
"""The query, its client's address and network (b"" where none is counted), whether it is taken from what the client may
ask, and how to reply.
"""


class Backlog:
    """Queue of at most `most` datagrams; others are dropped, and counted."""

    def __init__(
        self,
        answer: Callable[[Waiting], None],
        most: int,
        dropped: Counter[str],
    ) -> None:
        """`answer` answers one, and never raises."""
        self._answer = answer
        self._most = most
        self._most_of_a_domain = max(most // _SHARE, 1)
        self._most_of_a_network = max(most // _SHARE_OF_NETWORK, 1)
        self._networks: dict[bytes, int] = {}  # how many of each wait in `_domains`
        self._dropped = dropped
        self.fresh: deque[Waiting] = deque()  # what has just been read: the reader puts it here
        self._domains: OrderedDict[bytes, deque[Waiting]] = OrderedDict()  # whose turn it is first
        self._count = 0  # in all of them

    def __len__(self) -> int:
        return len(self.fresh) + self._count

    def work(self, *, most: int = _TURN) -> bool:
        """Answer so many; True if there are more."""
        fresh = self.fresh
        if not self._domains:
            while fresh:
                if not most:
                    break
                most -= 1
                self._answer(fresh.popleft())
            else:
                return False
        while fresh:
            self._put_off(fresh.popleft())
        domains = self._domains
        while domains and most:
            most -= 1
            domain, waiting = domains.popitem(last=False)
            self._count -= 1
            one = waiting.popleft()
            if waiting:
                domains[domain] = waiting  # and is last now
            if one[2]:
                take_off(self._networks, one[2])
            self._answer(one)
        return bool(domains)

    def _put_off(self, one: Waiting) -> None:
        domain = domain_asked_for(one[0])
        waiting = self._domains.get(domain)
        if self._count >= self._most or (waiting is not None and len(waiting) >= self._most_of_a_domain):
            self._dropped["queries_put_off"] += 1
            return
        network = one[2]
        if network:
            count = self._networks.get(network, 0)
            if count >= self._most_of_a_network:
                self._dropped["queries_put_off_per_network"] += 1
                return
            self._networks[network] = count + 1
        if waiting is None:
            waiting = self._domains[domain] = deque()
        waiting.append(one)
        self._count += 1


def domain_asked_for(datagram: bytes) -> bytes:
    """The registered domain that a query asks about, by key; of what is no query, anything. Never raises."""
    start = HEADER
    if datagram.startswith(SIGNATURE):
        start += _BEHIND_PROXY_HEADER + int.from_bytes(datagram[14:16], "big")
    try:
        return domain_of(key_of(datagram[start : start + MAX_NAME]))
    except IndexError:
        return b""
