"""One question that is being asked, who waits for it, and how many may."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from typing import Final

from resolver.answering.client_networks import take_off
from resolver.cache.entry import CacheEntry
from resolver.wire.answer import Answer
from resolver.wire.names import domain_of

_BEHIND_NAME: Final = 5  # octets of a cache key: qtype, qclass and the two bits
_DO: Final = 0x01
_CD: Final = 0x02


class Waiter(ABC):
    """One query that waits for an answer. A base class rather than two callables: every missed query passes here."""

    @abstractmethod
    def told(self, entry: CacheEntry) -> None:
        """This is the answer; called once."""

    @abstractmethod
    def wants(self, answer: Answer) -> bool:
        """Whether its client may have what an answer leads to, where nothing is known of that yet."""


class Flight:
    """A question by its cache key. First its name is asked for, then, one by one, what its aliases lead on to.

    * `dnssec_ok`, `checking_disabled`: the DO and CD bits.
    * `waiters`: clients' queries; `followers`: flights whose aliases lead to its name.
    * `first`: what was said of the name itself, once that leads on; `so_far`: with all that was said since.
    * `is_refresh`: there is, or was, an answer in the cache, which is to be had again whoever waits.
    """

    __slots__ = (
        "began",
        "cache_key",
        "checking_disabled",
        "deadline",
        "dnssec_ok",
        "domain",
        "first",
        "followers",
        "is_over",
        "is_refresh",
        "name_key",
        "qname",
        "qtype",
        "so_far",
        "stale_timer",
        "waiters",
    )

    def __init__(self, cache_key: bytes, key: bytes, began: float) -> None:
        """`key` is the qname's (resolver.wire.names)."""
        self.cache_key = cache_key
        self.qname = cache_key[:-_BEHIND_NAME]
        behind = len(self.qname)
        self.qtype = cache_key[behind] << 8 | cache_key[behind + 1]
        bits = cache_key[-1]
        self.dnssec_ok = bits & _DO != 0
        self.checking_disabled = bits & _CD != 0
        self.name_key = key
        self.domain = domain_of(key)
        self.waiters: list[Waiter] = []
        self.followers: list[Flight] = []
        self.began = began
        self.stale_timer: asyncio.TimerHandle | None = None
        self.deadline: asyncio.TimerHandle | None = None
        self.first: CacheEntry | None = None
        self.so_far: CacheEntry | None = None
        self.is_refresh = False
        self.is_over = False

    @property
    def question(self) -> bytes:
        """Its question section."""
        return self.cache_key[:-1]

    def key_for(self, name: bytes) -> bytes:
        """The cache key of the same question for another name, in lower-case wire form."""
        return name + self.cache_key[len(self.qname) :]

    def cancel_timers(self) -> None:
        """Nothing is to happen later any more."""
        for timer in (self.stale_timer, self.deadline):
            if timer is not None:
                timer.cancel()
        self.stale_timer = self.deadline = None


class Places:
    """Places for those who wait for an upstream: in all, and for names of one registered domain.

    The servers of one domain, silent under a flood, must leave places for names of all others.
    """

    def __init__(self, most: int, most_a_domain: int, dropped: Counter[str]) -> None:
        self._most = most
        self._most_a_domain = most_a_domain
        self._dropped = dropped
        self._by_domain: dict[bytes, int] = {}  # by key
        self.taken = 0

    def take(self, domain: bytes) -> bool:
        """Take a place; False, which is counted, where there is none."""
        if self.taken >= self._most:
            self._dropped["queries_in_flight"] += 1
            return False
        waiting = self._by_domain.get(domain, 0)
        if waiting >= self._most_a_domain:
            self._dropped["queries_in_flight_per_domain"] += 1
            return False
        self._by_domain[domain] = waiting + 1
        self.taken += 1
        return True

    def give_back(self, domain: bytes, count: int) -> None:
        """Give so many places back."""
        if count:
            self.taken -= count
            take_off(self._by_domain, domain, count)
