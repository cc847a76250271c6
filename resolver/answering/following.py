"""Aliases that are followed.

An answer that ends in an alias, and does not say whether there is anything behind it, is followed: its target is asked
for as any name is, of the servers of its own zone and under its own exceptions from the guard against rebinding.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from resolver.answering.extended_errors import TOO_SLOW, Why, why_not
from resolver.answering.flight import Flight, Places, Waiter
from resolver.answering.flights import Flights
from resolver.answering.local_names import LocalNames
from resolver.answering.rebinding import RebindingGuard
from resolver.cache.entry import CacheEntry
from resolver.cache.responses import ResponseCache
from resolver.errors import FormatError, UpstreamBusy
from resolver.upstream.asking import Upstreams
from resolver.wire.answer import Answer
from resolver.wire.answer_reader import read_answer
from resolver.wire.joining import joined
from resolver.wire.local_data import LocalData, Ways
from resolver.wire.names import key_of, parse_name
from resolver.wire.question import parse_question

MOST_FOLLOWING_SECONDS = 4.5  # for a question and all that its aliases lead on to: a client waits for five
_PREFETCH_MIN_TTL_SECONDS = 10
_PREFETCH_SHARE = 0.1  # of the TTL, at its end
_QUERY_HEAD: Final = bytes(5) + b"\x01" + bytes(6)  # of a query with one question


def ends_soon(entry: CacheEntry, now: float) -> bool:
    """Whether an answer that is still fresh is to be had anew, before anybody has to wait for it."""
    lifetime = entry.expires_at - entry.stored_at
    return lifetime >= _PREFETCH_MIN_TTL_SECONDS and entry.expires_at - now < lifetime * _PREFETCH_SHARE


class Following(Flights):
    """Flights whose aliases lead on."""

    def __init__(
        self,
        upstreams: Upstreams,
        cache: ResponseCache,
        places: Places,
        dropped: Counter[str],
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        guard: RebindingGuard | None,
        local_names: LocalNames | None,
    ) -> None:
        super().__init__(upstreams, cache, places, dropped, loop, clock)
        self._guard = guard
        self._local_names = local_names
        self._given: LocalData | None = None if local_names is None else local_names.given

    def use_given(self, given: LocalData | None) -> None:
        """Answer by these local names from now on.

        What was cached for an alias that is local, or was, is forgotten where it leads by other local names now. So is
        what is on its way meanwhile.
        """
        if given is self._given:
            return
        old: Ways = {} if self._given is None else self._given.ways
        new: Ways = {} if given is None else given.ways
        self._given = given
        aliases = [record for record, way in old.items() if new.get(record) != way]
        aliases += [record for record in new if record not in old]
        if not aliases:
            return
        names = frozenset(parse_name(record.base) for record in aliases if not record.is_wildcard)
        bases = tuple({parse_name(record.base) for record in aliases if record.is_wildcard})
        self._cache.forget(names, bases)
        self._loop.call_later(MOST_FOLLOWING_SECONDS + 1, self._cache.forget, names, bases)

    def _ask(self, flight: Flight) -> None:
        """Ask the upstreams; but a local name is known here, and only what its alias leads to is asked for."""
        if self._given is not None:
            first = self._given_entry(flight.cache_key, flight.name_key, self._clock())
            if first is not None:
                self._flights[flight.cache_key] = flight
                self._follow(flight, first)
                return
        super()._ask(flight)

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
            given = self._given_entry(key, name_key, now)
            if given is not None:
                return given
            known = self._cache.get(key)
            if known is not None and now < known.expires_at and not (flight.is_refresh and ends_soon(known, now)):
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

    def _given_entry(self, key: bytes, name_key: bytes, now: float) -> CacheEntry | None:
        """Records of a local name, None for all other names. Of its aliases, policy judges what is not local alone."""
        given = None if self._given is None else self._given.find(name_key)
        if self._given is None or given is None:
            return None
        flight = Flight(key, name_key, now)
        message, leads_on = self._given.answer(parse_question(_QUERY_HEAD + flight.question), given)
        said = read_answer(message, flight.qname, flight.qtype, keep_authority=flight.dnssec_ok)
        if leads_on:
            return self._cache.wrapped(key, replace(said, targets=said.targets[-1:]), now)
        return self._cache.wrapped(key, self._guarded(said, message, flight), now)  # as below

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
