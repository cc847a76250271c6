"""Questions in flight: asked once however many wait, and all are told what came of it."""

from __future__ import annotations

import asyncio
import functools
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable

from resolver.answering.extended_errors import OUR_FAULT, Why
from resolver.answering.flight import Flight, Places, Waiter
from resolver.cache.entry import CacheEntry
from resolver.cache.responses import ResponseCache
from resolver.errors import UpstreamError
from resolver.upstream.asking import Upstreams


class Flights(ABC):
    """The questions that are with the upstreams, by cache key, and the places of those who wait for them."""

    def __init__(
        self,
        upstreams: Upstreams,
        cache: ResponseCache,
        places: Places,
        dropped: Counter[str],
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
    ) -> None:
        self._upstreams = upstreams
        self._cache = cache
        self._places = places
        self._dropped = dropped
        self._loop = loop
        self._clock = clock
        self._flights: dict[bytes, Flight] = {}

    @property
    def waiting(self) -> int:
        """The number of questions that wait for an upstream."""
        return self._places.taken

    def _ask(self, flight: Flight) -> None:
        self._flights[flight.cache_key] = flight
        try:
            self._upstreams.ask(
                flight.question,
                dnssec_ok=flight.dnssec_ok,
                checking_disabled=flight.checking_disabled,
                done=functools.partial(self._land, flight),
            )
        except Exception as error:  # a fault of ours, which is reported; else all who ask this would wait for ever
            self._report("a question could not be asked", error)
            self._fail(flight, OUR_FAULT)

    @abstractmethod
    def _land(self, flight: Flight, outcome: bytes | UpstreamError) -> None:
        """An upstream has answered, or none will."""

    @abstractmethod
    def _part_landed(self, flight: Flight, part: CacheEntry, why: Why | None) -> None:
        """Something is known of the name that a flight's alias leads to; `why`: it could not be had."""

    def _fail(self, flight: Flight, why: Why) -> None:
        """No answer can be had."""
        self._end(flight, self._cache.put_failure(flight.cache_key, why, self._clock()), why)

    def _end(self, flight: Flight, entry: CacheEntry, why: Why | None = None) -> None:
        """Tell all who wait. `why`: it failed, and the entry says so, or is an old one."""
        flight.is_over = True
        if flight.stale_timer is not None or flight.deadline is not None:
            flight.cancel_timers()
        if self._flights.get(flight.cache_key) is flight:
            del self._flights[flight.cache_key]
        if flight.waiters:
            self._tell(flight, entry)
        if flight.followers:
            followers, flight.followers = flight.followers, []
            self._tell_followers(flight, followers, entry, why)

    def _tell_followers(self, flight: Flight, followers: list[Flight], entry: CacheEntry, why: Why | None) -> None:
        self._places.give_back(flight.domain, len(followers))
        for follower in followers:
            try:
                self._part_landed(follower, entry, why)
            except Exception as error:  # a fault of ours, which is reported; its own waiters must hear
                self._report("an alias could not be followed", error)
                self._fail(follower, OUR_FAULT)

    def _tell(self, flight: Flight, entry: CacheEntry) -> None:
        waiters, flight.waiters = flight.waiters, []
        self._tell_these(flight, waiters, entry)

    def _tell_these(self, flight: Flight, waiters: list[Waiter], entry: CacheEntry) -> None:
        self._places.give_back(flight.domain, len(waiters))
        for waiter in waiters:
            try:
                waiter.told(entry)
            except Exception as error:  # whatever one client's answer met, the others get theirs; it is reported
                self._report("an answer could not be given", error)

    def _report(self, message: str, error: Exception) -> None:
        self._loop.call_exception_handler({"message": message, "exception": error})
