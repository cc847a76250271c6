"""Answers from the cache or an upstream: identical questions in flight share one, old answers step in when all fail."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from resolver.answering.extended_errors import OUR_FAULT, why_not
from resolver.answering.filtered import Filtered
from resolver.answering.flight import Flight, Places, Waiter
from resolver.answering.following import Following, ends_soon
from resolver.answering.local_names import LocalNames
from resolver.answering.rebinding import RebindingGuard
from resolver.cache.entry import CacheEntry
from resolver.cache.responses import LESS, ResponseCache
from resolver.config.settings import CacheSettings
from resolver.errors import FormatError, UpstreamError
from resolver.upstream.asking import Upstreams
from resolver.wire.answer import Answer
from resolver.wire.answer_reader import read_answer
from resolver.wire.question import Question
from resolver.wire.remarks import EDE_CODE

STALE_AFTER_SECONDS = 1.8  # how long a client waits for a fresh answer before it gets an old one (RFC 8767 section 5)


class Resolver(Following):
    """The cache and the upstreams behind one interface."""

    def __init__(
        self,
        upstreams: Upstreams,
        cache: ResponseCache,
        settings: CacheSettings,
        *,
        max_in_flight: int,
        max_in_flight_per_domain: int,
        dropped: Counter[str],
        loop: asyncio.AbstractEventLoop,
        guard: RebindingGuard | None = None,
        local_names: LocalNames | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`local_names` are never asked of an upstream, not even where an alias leads there."""
        places = Places(max_in_flight, max_in_flight_per_domain, dropped)
        super().__init__(upstreams, cache, places, dropped, loop, clock, guard, local_names)
        self._settings = settings
        self.filtered = Filtered()

    def ask_of(self, upstreams: Upstreams) -> None:
        """Ask other upstreams from now on; what is in flight ends as it began."""
        self._upstreams = upstreams

    def cached(self, question: Question, now: float) -> CacheEntry | None:
        """An answer that can be given now: fresh, a failure just seen, or an old one while the upstreams are away.

        One that leads on is for those alone who may not have what it leads to; all others `fetch` the rest.
        """
        key = question.cache_key
        entry = self._cache.get(key)
        if entry is None:
            if self._given is not None and self._given.find(question.key) is not None:
                return None  # who denies the names around a local one knows nothing of it
            return self._cache.get_absent(key, question.key, now)
        if now < entry.expires_at:
            if entry.failed_why is not None:
                other = self._cache.instead(key, now)
                if other is not None:
                    self._cache.counts["stale"] += other.is_stale(now)
                    return other
            if (
                self._settings.prefetch
                and ends_soon(entry, now)
                and now >= entry.retry_at  # else a failure has just been seen (RFC 9520 section 3.2)
                and key not in self._flights
                and entry.answer.leads_on is None
            ):
                self._cache.counts["prefetch"] += 1
                flight = Flight(key, question.key, now)
                flight.is_refresh = True
                self._ask(flight)
            return entry
        if now < entry.retry_at and now < entry.stale_until:
            self._cache.counts["stale"] += 1
            return entry
        return None

    def unchanged(self, cache_key: bytes, stored_at: float, now: float) -> CacheEntry | None:
        """The fresh entry that was stored then, while nothing is to be seen to; else `cached` says what there is."""
        entry = self._cache.get(cache_key)
        if entry is None or entry.stored_at != stored_at or now >= entry.expires_at or entry.failed_why is not None:
            return None
        return None if self._settings.prefetch and ends_soon(entry, now) else entry

    def fetch(self, question: Question, waiter: Waiter) -> bool:
        """Ask the upstreams, or join those who already do; `waiter` is told once. False when too many wait.

        Where an answer leads on to names that nobody who waits wants, nobody is asked for them, and it is told what
        there is.
        """
        key = question.cache_key
        now = self._clock()
        flight = self._flights.get(key)
        if flight is not None:
            if not self._places.take(flight.domain):
                return False
            flight.waiters.append(waiter)
            if flight.stale_timer is None:
                self._arm_stale(flight, now)
            return True
        flight = Flight(key, question.key, now)
        if not self._places.take(flight.domain):
            return False
        flight.waiters.append(waiter)
        entry = self._cache.get(key)
        if entry is not None or key[-1] in LESS:  # else nothing is old enough to step in, as with most names
            self._arm_stale(flight, now)
        if entry is not None and entry.answer.leads_on is not None and now < entry.expires_at:
            self._flights[key] = flight
            self._follow(flight, entry)
        else:
            self._ask(flight)
        return True

    def _arm_stale(self, flight: Flight, now: float) -> None:
        entry = self._cache.old(flight.cache_key, now)
        if entry is not None:
            patience = max(flight.began + STALE_AFTER_SECONDS - now, 0)  # who joins late waits no longer
            flight.stale_timer = self._loop.call_later(patience, self._give_stale, flight, entry)

    def _give_stale(self, flight: Flight, entry: CacheEntry) -> None:
        """Answer those who wait with the old entry; the question stays in flight and mends the cache when it lands."""
        flight.stale_timer = None
        if self._clock() < entry.stale_until:
            self._cache.counts["stale"] += len(flight.waiters)
            flight.is_refresh = True
            self._tell(flight, entry)

    def _land(self, flight: Flight, outcome: bytes | UpstreamError) -> None:
        if flight.is_over:
            return
        if isinstance(outcome, UpstreamError):
            self._fail(flight, why_not(outcome))
            return
        now = self._clock()
        try:
            answer = read_answer(outcome, flight.qname, flight.qtype, keep_authority=flight.dnssec_ok)
            if not answer.is_public or EDE_CODE in outcome:
                answer = self._remarked(answer, outcome, flight, now)
            if answer.leads_on is not None:
                self._follow(flight, self._cache.wrapped(flight.cache_key, answer, now))
            else:
                self._end(flight, self._cache.put(flight.cache_key, answer, now))
        except FormatError as error:
            self._fail(flight, why_not(error))
        except Exception as error:  # a fault of ours, which is reported; those who wait must hear, and make room
            self._report("an answer could not be read", error)
            self._fail(flight, OUR_FAULT)

    def _remarked(self, said: Answer, message: bytes, flight: Flight, now: float) -> Answer:
        """An upstream's answer as it is kept, with the remark that it deserves. Raises FormatError."""
        answer = self._guarded(said, message, flight)
        self.filtered.note(answer, said, message, flight.qname, now)
        return answer
