"""The response cache: upstream answers by (qname, qtype, qclass, DO, CD), bounded in bytes, judged by nobody here."""

from __future__ import annotations

from collections import OrderedDict

from resolver.config.settings import CacheSettings
from resolver.wire.answer import Answer, with_ttl
from resolver.wire.codes import Rcode

STALE_TTL_SECONDS = 30  # RFC 8767 section 4
STALE_RETRY_SECONDS = 30  # how long an upstream's failure is believed before a stale name is asked for again
FAILURE_SECONDS = 1  # RFC 9520 section 3.2: at least one second
_TARGET_OVERHEAD = 60  # octets of a Python object around a short string of octets
_OVERHEAD = 600  # octets of Python objects around one entry, measured with tracemalloc


class CacheEntry:
    """One answer as it can be given again and again, its TTLs counted down. Times are monotonic seconds."""

    __slots__ = (
        "answer",
        "expires_at",
        "failed_why",
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
        self.failed_why: tuple[int, str] | None = None  # EDE code and text, for a failure that is remembered

    def is_stale(self, now: float) -> bool:
        """Whether its TTL has run out; one that had none is as fresh as the moment it came."""
        return now >= self.expires_at > self.stored_at

    def ticks_at(self, now: float) -> float:
        """When the TTLs in the body next change, at the latest when it expires."""
        return min(self.stored_at + int(now - self.stored_at) + 1, self.expires_at)

    def body(self, now: float, *, most: int | None = None) -> bytes:
        """The sections with TTLs counted down to `now`, none above `most` seconds; STALE_TTL_SECONDS once expired."""
        ttl = STALE_TTL_SECONDS if self.is_stale(now) else max(self.ttl_seconds - int(now - self.stored_at), 0)
        if most is not None and most < ttl:
            ttl = most
        answer = self.answer
        return answer.body if ttl == answer.ttl_seconds else with_ttl(answer.body, answer.ttl_offsets, ttl)


class ResponseCache:
    """Answers by question. Eviction is CLOCK: the oldest goes first, unless it was used since it was last looked at."""

    def __init__(self, settings: CacheSettings) -> None:
        self._settings = settings
        self._entries: OrderedDict[bytes, CacheEntry] = OrderedDict()  # its popitem costs the same at any size
        self.bytes = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> CacheEntry | None:
        """The entry under a question's cache key, fresh or stale."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.used = True
        return entry

    def put(self, key: bytes, answer: Answer, now: float) -> CacheEntry:
        """Keep an answer for as long as it and the settings allow. One with no lifetime is wrapped, but not kept."""
        settings = self._settings
        ceiling = settings.max_negative_ttl_seconds if answer.negative else settings.max_ttl_seconds
        ttl = min(answer.ttl_seconds, ceiling)
        if ttl or not answer.negative:  # a negative answer without SOA is never kept (RFC 2308 section 5)
            ttl = max(ttl, min(settings.min_ttl_seconds, ceiling))
        stale = settings.stale_seconds if not answer.negative else 0
        targets = sum(len(target) + _TARGET_OVERHEAD for target in answer.targets)
        size = len(key) + len(answer.body) + 2 * len(answer.ttl_offsets) + targets + _OVERHEAD
        entry = CacheEntry(answer, now, ttl, stale, size)
        if ttl:
            self._store(key, entry)
        else:
            self._remove(key)
        return entry

    def put_failure(self, key: bytes, why: tuple[int, str], now: float) -> CacheEntry:
        """Remember that no upstream answered, so that a flood of the same question asks once (RFC 9520).

        Where an old answer is at hand, it is returned instead, to be given as stale for a while without asking.
        """
        entry = self._entries.get(key)
        if entry is not None and entry.failed_why is None and now < entry.stale_until:
            entry.retry_at = now + STALE_RETRY_SECONDS
            return entry
        failure = CacheEntry(_FAILURE, now, FAILURE_SECONDS, 0, len(key) + _OVERHEAD)
        failure.failed_why = why
        self._store(key, failure)
        return failure

    def _store(self, key: bytes, entry: CacheEntry) -> None:
        self._remove(key)
        self._entries[key] = entry
        self.bytes += entry.size
        while self.bytes > self._settings.max_bytes and len(self._entries) > 1:
            self._evict_one()

    def _remove(self, key: bytes) -> None:
        old = self._entries.pop(key, None)
        if old is not None:
            self.bytes -= old.size

    def _evict_one(self) -> None:
        while True:
            key, entry = self._entries.popitem(last=False)
            if not entry.used:
                self.bytes -= entry.size
                self.evicted += 1
                return
            entry.used = False
            self._entries[key] = entry


_FAILURE = Answer(
    rcode=Rcode.SERVFAIL,
    authenticated=False,
    body=b"",
    answers=0,
    authorities=0,
    ttl_offsets=(),
    ttl_seconds=FAILURE_SECONDS,
    negative=False,
    targets=(),
)
