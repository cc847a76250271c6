"""Answers from the cache or an upstream: identical questions in flight share one, old answers step in when all fail.

An answer that ends in an alias, and does not say whether there is anything behind it, is followed: its target is asked
for as any name is, of the servers of its own zone and under its own exceptions from the guard against rebinding.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from resolver.answering.extended_errors import OUR_FAULT, TOO_SLOW, Why, why_not
from resolver.answering.filtered import Filtered
from resolver.answering.flight import Flight, Places, Waiter
from resolver.answering.local_names import LocalNames
from resolver.answering.rebinding import RebindingGuard
from resolver.cache.responses import LESS, CacheEntry, ResponseCache
from resolver.config.settings import CacheSettings
from resolver.errors import FormatError, UpstreamBusy, UpstreamError
from resolver.upstream.asking import Upstreams
from resolver.wire.answer import Answer
from resolver.wire.answer_reader import read_answer
from resolver.wire.joining import joined
from resolver.wire.names import key_of
from resolver.wire.question import Question, parse_question
from resolver.wire.remarks import EDE_CODE

STALE_AFTER_SECONDS = 1.8  # how long a client waits for a fresh answer before it gets an old one (RFC 8767 section 5)
MOST_FOLLOWING_SECONDS = 4.5  # for a question and all that its aliases lead on to: a client waits for five
_PREFETCH_SHARE = 0.1  # of the TTL, at its end
_PREFETCH_MIN_TTL_SECONDS = 10
_QUERY_HEAD: Final = bytes(5) + b"\x01" + bytes(6)  # of a query with one question


class Resolver:
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
        self._upstreams = upstreams
        self._guard = guard
        self._local_names = local_names
        self._cache = cache
        self._settings = settings
        self._loop = loop
        self._clock = clock
        self._flights: dict[bytes, Flight] = {}
        self._dropped = dropped
        self._places = Places(max_in_flight, max_in_flight_per_domain, dropped)
        self.filtered = Filtered()

    @property
    def waiting(self) -> int:
        """The number of questions that wait for an upstream."""
        return self._places.taken

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
            return self._cache.get_absent(key, question.key, now)
        if now < entry.expires_at:
            if entry.failed_why is not None:
                other = self._cache.instead(key, now)
                if other is not None:
                    self._cache.counts["stale"] += other.is_stale(now)
                    return other
            if (
                self._settings.prefetch
                and self._ends_soon(entry, now)
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
        return None if self._settings.prefetch and self._ends_soon(entry, now) else entry

    @staticmethod
    def _ends_soon(entry: CacheEntry, now: float) -> bool:
        lifetime = entry.expires_at - entry.stored_at
        return lifetime >= _PREFETCH_MIN_TTL_SECONDS and entry.expires_at - now < lifetime * _PREFETCH_SHARE

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

    def _guarded(self, said: Answer, message: bytes, flight: Flight) -> Answer:
        if self._guard is None:
            return said
        return self._guard.guarded(said, message, flight.qname, flight.qtype, keep_authority=flight.dnssec_ok)

    def _follow(self, flight: Flight, first: CacheEntry) -> None:
        """Go on from what was said of the name itself, which leads on."""
        flight.first = first
        followers, flight.followers = flight.followers, []
        self._advance(flight, first)
        self._tell_followers(flight, followers, first, None)

    def _advance(self, flight: Flight, entry: CacheEntry) -> None:
        """Follow the aliases as far as it is known where they lead; then the flight ends, or waits for the next name.

        They are at most as many as a chain may have (`joined` sees to it), and so are the turns.
        """
        while (target := entry.answer.leads_on) is not None:
            if not self._is_wanted(flight, entry):
                self._end(flight, entry)
                return
            flight.so_far = entry
            try:
                part = self._part(flight, target)
                if part is None:
                    return
                if part.failed_why is not None:
                    self._fail(flight, part.failed_why)
                    return
                entry = self._joined(flight, entry, part, target)
            except (FormatError, UpstreamBusy) as error:
                self._fail(flight, why_not(error))
                return
        self._end(flight, self._cache.put(flight.cache_key, entry.answer, self._clock()))

    def _is_wanted(self, flight: Flight, entry: CacheEntry) -> bool:
        """Whether anybody who waits may have what an entry leads on to. All others are told at once what there is."""
        waiters, flight.waiters = flight.waiters, []
        others: list[Waiter] = []
        for each in waiters:
            wanting = flight.waiters if self._wants(each, entry) else others
            wanting.append(each)
        self._tell_these(flight, others, entry)
        if flight.waiters or flight.is_refresh:
            return True
        known, now = self._cache.get(flight.cache_key), self._clock()
        if known is None or known.failed_why is not None or now >= max(known.expires_at, known.stale_until):
            self._cache.put(flight.cache_key, entry.answer, now)
        return False

    def _wants(self, waiter: Waiter, entry: CacheEntry) -> bool:
        try:
            return waiter.wants(entry.answer)
        except Exception as error:  # a fault of ours, which is reported; whoever waits is judged again when told
            self._report("an alias could not be judged", error)
            return False

    def _part(self, flight: Flight, name: bytes) -> CacheEntry | None:
        """The entry of the name that a flight leads on to; None where the flight is told when there is one.

        Raises UpstreamBusy where too many wait, and FormatError.
        """
        key = flight.key_for(name)
        name_key = key_of(name)
        now = self._clock()
        other = self._flights.get(key)
        if other is not None and other.first is not None:
            return other.first
        if other is None:
            known = self._cache.get(key)
            if known is not None and now < known.expires_at and not (flight.is_refresh and self._ends_soon(known, now)):
                return known
            if known is None:
                known = self._cache.get_absent(key, name_key, now) or self._local(key, name_key, now)
                if known is not None:
                    return known
        part = Flight(key, name_key, now) if other is None else other
        if not self._places.take(part.domain):
            raise UpstreamBusy("too many queries wait")
        if flight.deadline is None:
            left = max(flight.began + MOST_FOLLOWING_SECONDS - now, 0)
            flight.deadline = self._loop.call_later(left, self._give_up, flight)
        part.followers.append(flight)
        self._cache.counts["followed"] += 1
        if other is None:
            self._ask(part)
        return None

    def _local(self, key: bytes, name_key: bytes, now: float) -> CacheEntry | None:
        """The answer for a name that no upstream is asked for, None for all other names."""
        if self._local_names is None or not self._local_names.has(name_key):
            return None
        flight = Flight(key, name_key, now)
        message = self._local_names.answer(parse_question(_QUERY_HEAD + flight.question))
        if message is None:
            return None
        said = read_answer(message, flight.qname, flight.qtype, keep_authority=flight.dnssec_ok)
        return self._cache.wrapped(key, self._guarded(said, message, flight), now)  # from outside, nobody leads to us

    def _part_landed(self, flight: Flight, part: CacheEntry, why: Why | None) -> None:
        """Something is known of the name that a flight waits for."""
        entry = flight.so_far
        if flight.is_over or entry is None or entry.answer.leads_on is None:
            return
        if why is not None:
            self._fail(flight, why)
            return
        try:
            self._advance(flight, self._joined(flight, entry, part, entry.answer.leads_on))
        except FormatError as error:
            self._fail(flight, why_not(error))

    def _joined(self, flight: Flight, entry: CacheEntry, part: CacheEntry, target: bytes) -> CacheEntry:
        """The entry so far and a further part, as one entry. Raises FormatError."""
        now = self._clock()
        seconds = min(entry.seconds_left(now), part.seconds_left(now))
        answer = joined(entry.answer, flight.qname, part.answer, target, seconds)
        return self._cache.wrapped(flight.cache_key, answer, now)

    def _give_up(self, flight: Flight) -> None:
        """Answer without the aliases' target, which takes longer than a client waits; with no client left, wait on."""
        flight.deadline = None
        if not flight.waiters:
            return
        self._dropped["following_seconds"] += 1
        self._fail(flight, TOO_SLOW)

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
