"""Answers from the cache or an upstream: identical questions in flight share one, old answers step in when all fail."""

from __future__ import annotations

import asyncio
import functools
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from resolver.cache.responses import CacheEntry, ResponseCache
from resolver.config.settings import CacheSettings
from resolver.errors import FormatError, UpstreamBadAnswer, UpstreamBusy, UpstreamError, UpstreamTimeout
from resolver.names import domain_of
from resolver.rebinding import RebindingGuard
from resolver.wire.answer import Answer, read_answer
from resolver.wire.codes import Ede, Rcode
from resolver.wire.question import Question
from resolver.wire.remarks import PRIVATE_ADDRESSES, ZERO_ADDRESS, ede_in, is_zero_address, remark_of_ede

STALE_AFTER_SECONDS = 1.8  # how long a client waits for a fresh answer before it gets an old one (RFC 8767 section 5)
_PREFETCH_SHARE = 0.1  # of the TTL, at its end
_PREFETCH_MIN_TTL_SECONDS = 10
_MOST_STRIPPED = 20  # names that are told, for somebody to open them
_STRIPPED_SECONDS = 86400.0  # for which one is told
_OUR_FAULT = (Ede.OTHER, "an error of the resolver's own, which its log tells")

Waiter = Callable[[CacheEntry], None]


class Asker(Protocol):
    """What is needed of the upstreams (resolver.upstream.forwarder.Forwarder)."""

    def ask(
        self,
        question: bytes,
        *,
        dnssec_ok: bool,
        checking_disabled: bool,
        done: Callable[[bytes | UpstreamError], None],
    ) -> None:
        """Ask; `done` is called once, with a checked answer or the error."""


class _Flight:
    """One question that is being asked, and who waits for it."""

    __slots__ = ("began", "cache_key", "dnssec_ok", "domain", "qname", "qtype", "stale_timer", "waiters")

    def __init__(self, question: Question, began: float) -> None:
        self.cache_key = key = question.cache_key
        self.qname = key[:-5]  # behind it stand qtype, qclass and the two bits
        self.qtype = question.qtype
        self.domain = domain_of(question.key)
        self.dnssec_ok = question.dnssec_ok
        self.waiters: list[Waiter] = []
        self.began = began
        self.stale_timer: asyncio.TimerHandle | None = None


class Resolver:
    """The cache and the upstreams behind one door."""

    def __init__(
        self,
        asker: Asker,
        cache: ResponseCache,
        settings: CacheSettings,
        *,
        max_in_flight: int,
        max_in_flight_per_domain: int,
        dropped: Counter[str],
        loop: asyncio.AbstractEventLoop,
        guard: RebindingGuard | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._asker = asker
        self._guard = guard
        self._cache = cache
        self._settings = settings
        self._max_in_flight = max_in_flight
        self._max_in_flight_per_domain = max_in_flight_per_domain
        self._dropped = dropped
        self._loop = loop
        self._clock = clock
        self._flights: dict[bytes, _Flight] = {}
        self._waiting_by_domain: dict[bytes, int] = {}  # registered domains, by key
        self.waiting = 0
        self.remarks: Counter[str] = Counter()  # answers by what was remarked (resolver.wire.remarks.KINDS)
        self._stripped: dict[bytes, float] = {}  # the latest names whose private addresses were left out, and when

    @property
    def stripped(self) -> list[bytes]:
        """Names (wire form) whose private addresses were left out within a day, the latest last."""
        since = self._clock() - _STRIPPED_SECONDS
        return [name for name, at in self._stripped.items() if at >= since]

    @property
    def results(self) -> dict[tuple[str, ...], int]:
        """What was remarked, as it is counted for metrics."""
        return {("remark", kind): count for kind, count in self.remarks.items()}

    def cached(self, question: Question, now: float) -> CacheEntry | None:
        """An answer that can be given now: fresh, a failure just seen, or an old one while the upstreams are away."""
        key = question.cache_key
        entry = self._cache.get(key)
        if entry is None:
            return self._cache.get_absent(key, question.key, now)
        if now < entry.expires_at:
            if (
                self._settings.prefetch
                and self._ends_soon(entry, now)
                and now >= entry.retry_at  # else a failure has just been seen (RFC 9520 section 3.2)
                and question.cache_key not in self._flights
            ):
                self._cache.counts["prefetch"] += 1
                self._ask(_Flight(question, now), question)
            return entry
        if now < entry.retry_at and now < entry.stale_until:
            self._cache.counts["stale"] += 1
            return entry
        return None

    @staticmethod
    def _ends_soon(entry: CacheEntry, now: float) -> bool:
        lifetime = entry.expires_at - entry.stored_at
        return lifetime >= _PREFETCH_MIN_TTL_SECONDS and entry.expires_at - now < lifetime * _PREFETCH_SHARE

    def fetch(self, question: Question, waiter: Waiter) -> bool:
        """Ask the upstreams, or join those who already do; `waiter` is called once. False when too many wait."""
        if self.waiting >= self._max_in_flight:
            self._dropped["queries_in_flight"] += 1
            return False
        flight = self._flights.get(question.cache_key)
        is_new = flight is None
        if flight is None:
            flight = _Flight(question, self._clock())
        # The servers of one domain, silent under a flood, must leave places for names of all others.
        waiting = self._waiting_by_domain.get(flight.domain, 0)
        if waiting >= self._max_in_flight_per_domain:
            self._dropped["queries_in_flight_per_domain"] += 1
            return False
        self._waiting_by_domain[flight.domain] = waiting + 1
        self.waiting += 1
        flight.waiters.append(waiter)
        if flight.stale_timer is None:
            entry = self._cache.get(flight.cache_key)
            if entry is not None:
                self._arm_stale(flight, entry)
        if is_new:
            self._ask(flight, question)
        return True

    def _ask(self, flight: _Flight, question: Question) -> None:
        self._flights[flight.cache_key] = flight
        try:
            self._asker.ask(
                flight.cache_key[:-1],
                dnssec_ok=question.dnssec_ok,
                checking_disabled=question.checking_disabled,
                done=functools.partial(self._land, flight),
            )
        except Exception as error:  # a fault of ours, which is reported; else all who ask this would wait for ever
            self._loop.call_exception_handler({"message": "a question could not be asked", "exception": error})
            self._flights.pop(flight.cache_key, None)
            self._tell(flight, self._cache.put_failure(flight.cache_key, _OUR_FAULT, self._clock()))

    def _arm_stale(self, flight: _Flight, entry: CacheEntry) -> None:
        now = self._clock()
        if entry.failed_why is None and now < entry.stale_until:
            patience = max(flight.began + STALE_AFTER_SECONDS - now, 0)  # who joins late waits no longer
            flight.stale_timer = self._loop.call_later(patience, self._give_stale, flight, entry)

    def _give_stale(self, flight: _Flight, entry: CacheEntry) -> None:
        """Answer those who wait with the old entry; the question stays in flight and mends the cache when it lands."""
        flight.stale_timer = None
        if self._clock() < entry.stale_until:
            self._cache.counts["stale"] += len(flight.waiters)
            self._tell(flight, entry)

    def _land(self, flight: _Flight, outcome: bytes | UpstreamError) -> None:
        self._flights.pop(flight.cache_key, None)
        if flight.stale_timer is not None:
            flight.stale_timer.cancel()
        now = self._clock()
        if isinstance(outcome, UpstreamError):
            entry = self._cache.put_failure(flight.cache_key, _why(outcome), now)
        else:
            try:
                said = answer = read_answer(outcome, flight.qname, flight.qtype, keep_authority=flight.dnssec_ok)
                if self._guard is not None:
                    answer = self._guard.guarded(
                        answer, outcome, flight.qname, flight.qtype, keep_authority=flight.dnssec_ok
                    )
                self._remark(answer, said, outcome, flight)
                entry = self._cache.put(flight.cache_key, answer, now)
            except FormatError as error:
                entry = self._cache.put_failure(flight.cache_key, (Ede.NETWORK_ERROR, f"unusable answer: {error}"), now)
            except Exception as error:  # a fault of ours, which is reported; those who wait must hear, and make room
                self._loop.call_exception_handler({"message": "an answer could not be read", "exception": error})
                entry = self._cache.put_failure(flight.cache_key, _OUR_FAULT, now)
        self._tell(flight, entry)

    def _remark(self, answer: Answer, said: Answer, message: bytes, flight: _Flight) -> None:
        """Note where an answer was filtered, here or by the upstream, so that nobody takes it for what there is."""
        told = ede_in(message)
        remark = None if told is None else remark_of_ede(told)
        if remark is None and said.answers and is_zero_address(said.body, said.answers):
            remark = ZERO_ADDRESS
        if remark is None and answer.filtered:
            remark = PRIVATE_ADDRESSES
            self._stripped.pop(flight.qname, None)
            self._stripped[flight.qname] = self._clock()
            if len(self._stripped) > _MOST_STRIPPED:
                del self._stripped[next(iter(self._stripped))]
        if remark is not None:
            answer.remark = remark
            self.remarks[remark[0]] += 1

    def _tell(self, flight: _Flight, entry: CacheEntry) -> None:
        waiters, flight.waiters = flight.waiters, []
        if waiters:
            self.waiting -= len(waiters)
            waiting = self._waiting_by_domain[flight.domain] - len(waiters)
            if waiting:
                self._waiting_by_domain[flight.domain] = waiting
            else:
                del self._waiting_by_domain[flight.domain]
        for waiter in waiters:
            try:
                waiter(entry)
            except Exception as error:  # whatever one client's answer met, the others get theirs; it is reported
                self._loop.call_exception_handler({"message": "an answer could not be given", "exception": error})


def _why(error: UpstreamError) -> tuple[int, str]:
    """The extended error that tells a client why there is no answer (RFC 8914 sections 4.23 and 4.24)."""
    if isinstance(error, UpstreamBadAnswer) and error.rcode is not None:
        if error.told is not None and (remark := remark_of_ede(error.told)) is not None:
            return remark[1], f"{remark[2]}, and answered {_rcode_name(error.rcode)}"
        return Ede.OTHER, f"the upstreams answered {_rcode_name(error.rcode)}"
    if isinstance(error, UpstreamBusy):
        return Ede.OTHER, "too many queries are waiting for an upstream"
    # Clients are not told which upstreams there are.
    if isinstance(error, UpstreamTimeout):
        return Ede.NO_REACHABLE_AUTHORITY, "no upstream answers"
    return Ede.NETWORK_ERROR, "no upstream can be reached"


def _rcode_name(rcode: int) -> str:
    return Rcode(rcode).name if rcode in Rcode._value2member_map_ else f"rcode {rcode}"
