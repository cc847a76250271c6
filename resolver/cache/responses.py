"""The response cache: upstream answers by (qname, qtype, qclass, DO, CD), bounded in bytes, judged by nobody here."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Container, Iterable
from typing import Final

from resolver.cache.entry import MOST_COUNTED_OCTETS, CacheEntry
from resolver.config.settings import CacheSettings
from resolver.wire.answer import Answer, for_name_below
from resolver.wire.codes import Rcode, has_data_above
from resolver.wire.names import key_of, parent_of

STALE_RETRY_SECONDS: Final = 30  # how long an upstream's failure is believed before a stale name is asked for again
FAILURE_SECONDS: Final = 1  # RFC 9520 section 3.2: at least one second, and longer each time in a row
MOST_FAILURE_SECONDS: Final = 8  # far below the five minutes that it allows: upstreams that are back are noticed soon
_FAILS_IN_A_ROW: Final = 4  # times the last pause: a later failure is another trouble
_TARGET_OVERHEAD: Final = 60  # octets of a Python object around a short string of octets
_SMALL_SHARE: Final = 0.1  # of the bytes, for entries that nobody has asked for twice
_GHOST_BYTES: Final = 130  # of a key that is remembered without its entry
_NXDOMAIN: Final = int(Rcode.NXDOMAIN)  # an enumeration's member costs as much to fetch as a test
_NO_DNSSEC: Final = (0x00, 0x02)  # the last octet of a cache key where the client does not want DNSSEC records
# By the last octet of a cache key (DO, CD): those whose answers are of use for it, too. What was not validated (CD) is
# of no use for others, nor are signatures for who does not want them.
LESS: Final = {0x01: (b"\x00",), 0x02: (b"\x00",), 0x03: (b"\x01", b"\x02", b"\x00")}
_FEW_AUTHORITIES: Final = 4  # records among which the SOA is found at once
_OVERHEAD: Final = 600  # octets of Python objects around one entry, measured with tracemalloc


class ResponseCache:
    """Answers by question, within a bound in bytes that a scan of names cannot fill.

    Eviction is S3-FIFO: what comes in is in a small queue, and goes on to the main one only if it is used again before
    its turn comes, or comes again soon after it went. So names that are asked for once push out each other.
    """

    def __init__(self, settings: CacheSettings, zones: Iterable[bytes] = ()) -> None:
        """`zones` are keys (wire.names) of those that have upstreams of their own: others know nothing of them."""
        self._zones = tuple(zones)
        self._max_bytes = settings.max_bytes
        self._min_ttl = settings.min_ttl_seconds
        self._max_ttl = settings.max_ttl_seconds
        self._max_negative_ttl = settings.max_negative_ttl_seconds
        self._stale_seconds = settings.stale_seconds
        self._cuts_at_nxdomain = settings.nxdomain_cut is not False
        self._cuts_always = settings.nxdomain_cut == "always"
        self._main: OrderedDict[bytes, CacheEntry] = OrderedDict()  # its popitem costs the same at any size
        self._small: OrderedDict[bytes, CacheEntry] = OrderedDict()
        self._small_bytes = 0
        self._ghosts: OrderedDict[int, None] = OrderedDict()  # hashes of keys that went from the small queue
        self._absent: dict[bytes, bytes] = {}  # names that are not there: CD and key of the name → cache key
        self.bytes = 0
        self.counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._main) + len(self._small)

    @property
    def results(self) -> dict[tuple[str, ...], int]:
        """The counts of cache events, as metrics have them."""
        return {("cache", what): count for what, count in self.counts.items()}

    def get(self, key: bytes) -> CacheEntry | None:
        """The entry under a question's cache key, fresh or stale."""
        entry = self._main.get(key) or self._small.get(key)
        if entry is not None:
            entry.used = True
        return entry

    def get_absent(self, key: bytes, name: bytes, now: float) -> CacheEntry | None:
        """The entry that denies a name: an NXDOMAIN of its own for another type, or of a name above (RFC 8020).

        One of a name above counts only if the upstream has validated it (AD), or the settings say so: there are servers
        that deny names which have nothing but names below. `key` is the question's cache key, `name` the qname's key.
        Not for clients that validate: the proof of one name's absence need not prove another's. Of DS, the zone above
        the name says whether it is there, and so only names above it count.
        """
        if not self._absent or key[-1] not in _NO_DNSSEC:
            return None
        whole = len(name)
        if has_data_above(key[-5] << 8 | key[-4]):
            name = parent_of(name)
        absent, cd, at, size = self._absent, key[-1:], 0, len(name)
        while at < size:
            at += 1 + name[at]
            found = absent.get(cd + name[:at])
            if found is not None:
                entry = self.get(found)
                if entry is None or now >= entry.expires_at:
                    return None
                if at < whole and not (self._cuts_always or entry.answer.authenticated):
                    continue
                self.counts["nxdomain_cut"] += 1
                return entry if at == whole else _below(entry, found)
        return None

    def put(self, key: bytes, answer: Answer, now: float) -> CacheEntry:
        """Keep an answer for as long as it and the settings allow. One with no lifetime is wrapped, but not kept."""
        entry = self.wrapped(key, answer, now)
        if entry.ttl_seconds:
            self._store(key, entry)
            if answer.rcode == _NXDOMAIN and self._cuts_at_nxdomain and not answer.answers:
                self._note_absent(key, entry)
        else:
            self._remove(key)
        return entry

    def wrapped(self, key: bytes, answer: Answer, now: float) -> CacheEntry:
        """An answer as it would be kept, without keeping it."""
        negative = answer.negative
        ttl = answer.ttl_seconds
        most = self._max_negative_ttl if negative else self._max_ttl
        if ttl > most:  # noqa: PLR1730 min() would be a call for each answer
            ttl = most
        if not negative and ttl < self._min_ttl:  # what is not there may come to be at any time (RFC 2308 section 5)
            ttl = min(self._min_ttl, self._max_ttl)
        size = len(key) + len(answer.body) + 2 * len(answer.ttl_offsets) + _OVERHEAD
        if len(answer.body) <= MOST_COUNTED_OCTETS:
            size += len(answer.body)
        for target in answer.targets:
            size += len(target) + _TARGET_OVERHEAD
        stale_seconds = 0 if negative or answer.leads_on is not None else self._stale_seconds
        return CacheEntry(answer, now, ttl, stale_seconds, size)

    def put_failure(self, key: bytes, why: tuple[int, str], now: float) -> CacheEntry:
        """Remember that no upstream answered, so that a flood of the same question asks seldom (RFC 9520).

        Where an old answer is at hand, it is returned instead, to be given as stale for a while without asking; one for
        clients that ask for less than this question, too.
        """
        entry = self._main.get(key) or self._small.get(key)
        seconds = FAILURE_SECONDS
        if entry is not None and entry.failed_why is None and now < entry.stale_until:
            entry.retry_at = now + STALE_RETRY_SECONDS
            return entry
        if entry is not None and entry.failed_why is not None:
            before = entry.ttl_seconds
            if now - entry.expires_at < before * _FAILS_IN_A_ROW:
                seconds = min(before * 2, MOST_FAILURE_SECONDS)
        other = self.instead(key, now)
        if other is not None:
            seconds = STALE_RETRY_SECONDS
        failure = CacheEntry(_FAILURE, now, seconds, 0, len(key) + _OVERHEAD)
        failure.failed_why = why
        self._store(key, failure)
        return failure if other is None else other

    def instead(self, key: bytes, now: float) -> CacheEntry | None:
        """An entry kept for clients that ask for less (DO, CD), for one that would get a failure otherwise."""
        for bits in LESS.get(key[-1], ()):
            entry = self._old_at(key[:-1] + bits, now)
            if entry is not None:
                return entry
        return None

    def old(self, key: bytes, now: float) -> CacheEntry | None:
        """An entry that can be given as stale: the question's own answer, or one for clients that ask for less."""
        return self._old_at(key, now) or self.instead(key, now)

    def _old_at(self, key: bytes, now: float) -> CacheEntry | None:
        entry = self.get(key)
        if entry is None or entry.failed_why is not None or now >= entry.stale_until:
            return None
        return entry if entry.answer.leads_on is None else None

    def flush(self, name: bytes | None, *, below: bool) -> int:
        """Forget the answers for a name, and with `below` for all under it; for every name where it is None.

        `name` is a key (resolver.wire.names). Gives how many were forgotten.
        """
        if name is None:
            doomed = [*self._main, *self._small]
        else:
            doomed = [
                key
                for queue in (self._main, self._small)
                for key in queue
                if (of := key_of(key[:-5])) == name or (below and of.startswith(name))
            ]
        for key in doomed:
            self._remove(key)
        return len(doomed)

    def forget(self, names: Container[bytes], bases: tuple[bytes, ...]) -> None:
        """Forget the answers for names, and for all that end in `bases` (in wire form, lower-case): one look at all."""
        doomed = [
            key
            for queue in (self._main, self._small)
            for key in queue
            if (name := key[:-5]) in names or (bases and name.endswith(bases))
        ]
        for key in doomed:
            self._remove(key)

    def _note_absent(self, key: bytes, entry: CacheEntry) -> None:
        if key[-1] not in _NO_DNSSEC:
            return
        name = key_of(key[:-5])
        is_from_above = has_data_above(key[-5] << 8 | key[-4])
        for zone in self._zones:
            if zone.startswith(name) and (zone != name or is_from_above):
                return  # for other servers than the zone's, nothing is there; for its own, something is
        entry.absent = key[-1:] + name
        self._absent[entry.absent] = key

    def _store(self, key: bytes, entry: CacheEntry) -> None:
        old = self._remove(key) if key in self._small or key in self._main else None
        self.bytes += entry.size
        ghost = hash(key)
        if ghost in self._ghosts:
            del self._ghosts[ghost]
            self._main[key] = entry
        elif old is not None and old.used:
            self._main[key] = entry
        else:
            self._small[key] = entry
            self._small_bytes += entry.size
        most = self._max_bytes
        while self.bytes + len(self._ghosts) * _GHOST_BYTES > most and len(self._main) + len(self._small) > 1:
            self._evict_one(most)

    def _remove(self, key: bytes) -> CacheEntry | None:
        if key in self._main:
            old = self._main.pop(key)
        elif key in self._small:
            old = self._small.pop(key)
            self._small_bytes -= old.size
        else:
            return None
        self._forget(key, old)
        return old

    def _forget(self, key: bytes, entry: CacheEntry) -> None:
        self.bytes -= entry.size
        if entry.absent is not None and self._absent.get(entry.absent) == key:
            del self._absent[entry.absent]

    def _evict_one(self, most: int) -> None:
        if self._small_bytes > most * _SMALL_SHARE or not self._main:
            key, entry = self._small.popitem(last=False)
            self._small_bytes -= entry.size
            if entry.used:
                entry.used = False
                self._main[key] = entry
                return
            self._forget(key, entry)
            ghosts, most_ghosts = self._ghosts, len(self._main)
            ghosts[hash(key)] = None
            while len(ghosts) > most_ghosts:
                ghosts.popitem(last=False)
        else:
            key, entry = self._main.popitem(last=False)
            if entry.used:
                entry.used = False
                self._main[key] = entry
                return
            self._forget(key, entry)
        self.counts["evicted"] += 1


def _below(entry: CacheEntry, key: bytes) -> CacheEntry:
    """The entry of a name that is not there, to answer for a name below it."""
    if entry.below is not None:
        return entry.below
    answer = for_name_below(entry.answer, key[:-5])
    below = CacheEntry(answer, entry.stored_at, entry.ttl_seconds, 0, 0)
    below.used = True
    if entry.answer.authorities > _FEW_AUTHORITIES:
        entry.below = below
    return below


_FAILURE: Final = Answer(
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
