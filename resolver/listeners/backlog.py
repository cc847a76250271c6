"""Datagrams that are not answered at sight: each has its turn, and a flood for one domain takes no other's.

While a worker keeps up, they are worked off in the order in which they came. When it falls behind, they wait by the
registered domain that they ask about, and the domains take turns: names of a domain that is flooded wait for each
other, and are dropped, while all others find the queue empty.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import Final

from resolver.answering.client_networks import take_off
from resolver.system.scheduling import CALLBACK_SECONDS
from resolver.wire.codes import HEADER, MAX_NAME
from resolver.wire.names import domain_of, key_of
from resolver.wire.proxy_header import SIGNATURE

_AT_LEAST: Final = 8  # answered in a row before the clock is looked at
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`answer` answers one, and never raises; `clock` gives seconds, none below 0."""
        self._answer = answer
        self._clock = clock
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

    @property
    def is_behind(self) -> bool:
        """True while queries wait by domain, since there were more than one turn has room for."""
        return bool(self._domains)

    def work(self, *, most: int | None = None) -> bool:
        """Answer so many, by default what CALLBACK_SECONDS have room for; True if there are more.

        Then what is answered at sight, timers and upstreams come first.
        """
        clock = self._clock
        left, ends_at = (_AT_LEAST, clock() + CALLBACK_SECONDS) if most is None else (most, 0.0)
        fresh = self.fresh
        if not self._domains:
            while fresh:
                if not left:
                    if clock() >= ends_at:
                        break
                    left = _AT_LEAST
                left -= 1
                self._answer(fresh.popleft())
            else:
                return False
        while fresh:
            self._put_off(fresh.popleft())
        domains = self._domains
        while domains:
            if not left:
                if clock() >= ends_at:
                    break
                left = _AT_LEAST
            left -= 1
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
