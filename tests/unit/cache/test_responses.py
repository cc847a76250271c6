"""The response cache."""

from __future__ import annotations

from resolver.cache.responses import FAILURE_SECONDS, STALE_RETRY_SECONDS, STALE_TTL_SECONDS, ResponseCache
from resolver.config.settings import CacheSettings
from resolver.wire.answer import Answer
from resolver.wire.codes import Rcode

TTL_AT = 6


def answer(ttl_seconds: int = 100, *, negative: bool = False, size: int = 16) -> Answer:
    body = b"\xc0\x0c\x00\x01\x00\x01" + ttl_seconds.to_bytes(4, "big") + bytes(size - 10)
    return Answer(Rcode.NOERROR, False, body, 1, 0, (TTL_AT,), ttl_seconds, negative, ())


def ttl(body: bytes) -> int:
    return int.from_bytes(body[TTL_AT : TTL_AT + 4], "big")


def cache(**settings: int) -> ResponseCache:
    return ResponseCache(CacheSettings(**settings))  # type: ignore[arg-type]


def test_ttls_are_counted_down_and_the_entry_ends_with_them() -> None:
    entry = cache().put(b"q", answer(100), now=1000.0)
    assert ttl(entry.body(1000.0)) == 100
    assert ttl(entry.body(1030.9)) == 70
    assert not entry.is_stale(1099.9)
    assert entry.is_stale(1100.0)


def test_a_cap_lowers_the_ttl_and_never_raises_it() -> None:
    entry = cache().put(b"q", answer(100), now=0.0)
    assert ttl(entry.body(0.0, most=60)) == 60
    assert ttl(entry.body(70.0, most=60)) == 30


def test_the_body_is_good_until_its_ttls_change() -> None:
    entry = cache().put(b"q", answer(2), now=10.5)
    assert entry.ticks_at(10.6) == 11.5
    assert entry.ticks_at(11.7) == 12.5


def test_ttls_are_kept_between_the_bounds_of_the_settings() -> None:
    bounded = cache(min_ttl_seconds=30, max_ttl_seconds=60, max_negative_ttl_seconds=20)
    assert ttl(bounded.put(b"a", answer(5), 0.0).body(0.0)) == 30
    assert ttl(bounded.put(b"b", answer(500), 0.0).body(0.0)) == 60
    assert ttl(bounded.put(b"c", answer(500, negative=True), 0.0).body(0.0)) == 20


def test_an_answer_without_lifetime_is_given_once_and_not_kept() -> None:
    kept = cache(min_ttl_seconds=30)
    entry = kept.put(b"q", answer(0, negative=True), 0.0)
    assert ttl(entry.body(0.0)) == 0
    assert kept.get(b"q") is None


def test_an_expired_answer_is_given_as_stale_with_a_short_ttl() -> None:
    entry = cache().put(b"q", answer(100), now=0.0)
    assert ttl(entry.body(500.0)) == STALE_TTL_SECONDS


def test_a_failure_is_remembered_for_a_second() -> None:
    kept = cache()
    failure = kept.put_failure(b"q", (22, "why"), now=0.0)
    assert failure.failed_why == (22, "why")
    assert kept.get(b"q") is failure
    assert failure.is_stale(float(FAILURE_SECONDS))


def test_a_failure_brings_back_an_old_answer_that_may_still_be_given() -> None:
    kept = cache(stale_seconds=1000)
    old = kept.put(b"q", answer(10), now=0.0)
    assert kept.put_failure(b"q", (22, "why"), now=500.0) is old
    assert old.retry_at == 500.0 + STALE_RETRY_SECONDS
    too_old = kept.put_failure(b"q", (22, "why"), now=5000.0)
    assert too_old.failed_why is not None


def test_the_cache_stays_within_its_bytes_and_keeps_what_is_used() -> None:
    kept = cache(max_bytes=20_000)
    kept.put(b"popular", answer(), 0.0)
    for number in range(1000):
        kept.put(b"%d" % number, answer(), 0.0)
        kept.get(b"popular")
        assert kept.bytes <= 20_000
    assert kept.get(b"popular") is not None
    assert kept.get(b"0") is None
    assert kept.evicted > 900


def test_replacing_an_entry_counts_its_bytes_once() -> None:
    kept = cache()
    for _ in range(10):
        kept.put(b"q", answer(), 0.0)
    assert kept.bytes == kept.put(b"q", answer(), 0.0).size


def test_a_fresh_ttl_is_whole_at_any_time_of_the_clock() -> None:
    for tick in range(20_000):
        now = tick * 0.123456789
        assert ttl(cache().put(b"q", answer(1), now).body(now)) == 1
