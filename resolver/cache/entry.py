"""Entries of the response cache: one upstream answer each, given again and again with its TTLs counted down."""

from __future__ import annotations

from typing import Final

from resolver.policy.decision import Decision
from resolver.wire.addresses import addresses_in
from resolver.wire.answer import Answer, with_ttl

STALE_TTL_SECONDS: Final = 30  # RFC 8767 section 4
_MOST_KEPT_ADDRESSES: Final = 16  # beside an entry; more would take several times the entry's own octets
MOST_COUNTED_OCTETS: Final = 256  # of sections that are kept with counted-down TTLs, too


class CacheEntry:
    """One answer as it can be given again and again, its TTLs counted down. Times are monotonic seconds."""

    __slots__ = (
        "_addresses",
        "_counted",
        "_counted_ttl",
        "absent",
        "answer",
        "below",
        "expires_at",
        "failed_why",
        "judged",
        "retry_at",
        "size",
        "stale_until",
        "stored_at",
        "ttl_seconds",
        "used",
    )

    def __init__(self, answer: Answer, stored_at: float, ttl_seconds: int, stale_seconds: int, size: int) -> None:
        self.answer = answer
        self.stored_at = stored_at
        self.ttl_seconds = ttl_seconds
        self.expires_at = stored_at + ttl_seconds
        self.stale_until = self.expires_at + stale_seconds
        self.retry_at = 0.0
        self.size = size
        self.used = False
        self._addresses: tuple[bytes, ...] | None = None
        self._counted_ttl = -1  # the TTL that `_counted` has: groups and forms of a query share it for a second
        self._counted = b""
        self.below: CacheEntry | None = None  # what names below it get, where that takes long to make
        self.absent: bytes | None = None  # under what it is known as a name that is not there
        self.failed_why: tuple[int, str] | None = None  # EDE code and text, for a failure that is remembered
        self.judged: tuple[int, int, Decision] | None = None  # by which policy and view, and how, where that takes long

    @property
    def is_long_to_judge(self) -> bool:
        """Whether it holds so many addresses that each judging collects them anew."""
        return self.answer.answers > _MOST_KEPT_ADDRESSES

    @property
    def addresses(self) -> tuple[bytes, ...]:
        """The addresses that it holds, in four or sixteen octets each."""
        if self._addresses is None:
            found = addresses_in(self.answer.body, self.answer.answers)
            if len(found) > _MOST_KEPT_ADDRESSES:
                return found
            self._addresses = found
        return self._addresses

    def is_stale(self, now: float) -> bool:
        """Whether its TTL has run out; one that had none is as fresh as the moment it came."""
        return now >= self.expires_at > self.stored_at

    def ticks_at(self, now: float) -> float:
        """The time when the TTLs in the body next change, at the latest when it expires."""
        return min(self.stored_at + int(now - self.stored_at) + 1, self.expires_at)

    def seconds_left(self, now: float) -> int:
        """The rest of its TTL, in whole seconds; 0 once expired."""
        return self.ttl_seconds - int(now - self.stored_at) if now < self.expires_at else 0

    def body(self, now: float, *, most: int | None = None) -> bytes:
        """The sections with TTLs counted down to `now`, none above `most` seconds; STALE_TTL_SECONDS once expired."""
        ttl = STALE_TTL_SECONDS if self.is_stale(now) else self.seconds_left(now)
        if most is not None and most < ttl:
            ttl = most
        answer = self.answer
        if ttl == answer.ttl_seconds:
            return answer.body
        if ttl == self._counted_ttl:
            return self._counted
        body = with_ttl(answer.body, answer.ttl_offsets, ttl)
        if len(body) <= MOST_COUNTED_OCTETS:
            self._counted_ttl, self._counted = ttl, body
        return body
