"""The response cache."""

from __future__ import annotations

from dataclasses import replace

import dns.message
import dns.rcode
import pytest

from resolver.cache.entry import STALE_TTL_SECONDS
from resolver.cache.responses import FAILURE_SECONDS, STALE_RETRY_SECONDS, ResponseCache
from resolver.config.settings import CacheSettings
from resolver.wire.answer import Answer
from resolver.wire.codes import Rcode
from resolver.wire.names import key_of, parse_name

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
    assert kept.counts["evicted"] > 900


def test_replacing_an_entry_counts_its_bytes_once() -> None:
    kept = cache()
    for _ in range(10):
        kept.put(b"q", answer(), 0.0)
    assert kept.bytes == kept.put(b"q", answer(), 0.0).size


def test_a_fresh_ttl_is_whole_at_any_time_of_the_clock() -> None:
    for tick in range(20_000):
        now = tick * 0.123456789
        assert ttl(cache().put(b"q", answer(1), now).body(now)) == 1


def test_a_scan_of_names_does_not_push_out_what_is_asked_for_now_and_then() -> None:
    kept = cache(max_bytes=200 * 700)
    popular = [b"popular-%d" % number for number in range(50)]
    for _ in range(2):
        for key in popular:
            if kept.get(key) is None:
                kept.put(key, answer(), 0.0)
    for number in range(10_000):  # fifty times what there is room for, and no popular name is asked for meanwhile
        kept.put(b"%d" % number, answer(), 0.0)
    assert sum(kept.get(key) is not None for key in popular) == 50


def test_a_name_that_soon_comes_back_is_kept_from_then_on() -> None:
    kept = cache(max_bytes=200 * 700)
    for number in range(500):
        kept.put(b"first-%d" % number, answer(), 0.0)
        if number % 2:
            kept.get(b"first-%d" % number)
    kept.put(b"again", answer(), 0.0)
    for number in range(100):
        kept.put(b"more-%d" % number, answer(), 0.0)
    assert kept.get(b"again") is None
    kept.put(b"again", answer(), 0.0)
    for number in range(10_000):
        kept.put(b"scan-%d" % number, answer(), 0.0)
    assert kept.get(b"again") is not None


def test_failures_in_a_row_are_remembered_for_longer() -> None:
    kept = cache()
    now = 0.0
    seconds = []
    for _ in range(6):
        failure = kept.put_failure(b"q", (22, "why"), now)
        seconds.append(failure.ttl_seconds)
        now = failure.expires_at + 0.5
    assert seconds == [1, 2, 4, 8, 8, 8]
    assert kept.put_failure(b"q", (22, "why"), now + 3600).ttl_seconds == FAILURE_SECONDS
    kept.put(b"q", answer(1), now + 3700)
    assert kept.put_failure(b"r", (22, "why"), now).ttl_seconds == FAILURE_SECONDS


def negative_key(name: str, qtype: int = 1, bits: int = 0) -> bytes:
    return parse_name(name) + qtype.to_bytes(2, "big") + b"\x00\x01" + bytes([bits])


def nxdomain(owner_at: int = 12) -> Answer:
    """With an SOA whose owner and names point into the question."""
    pointer = bytes((0xC0, owner_at))
    rdata = b"\x02ns" + pointer + b"\x04host" + pointer + bytes(16) + (60).to_bytes(4, "big")
    body = pointer + b"\x00\x06\x00\x01" + (60).to_bytes(4, "big") + len(rdata).to_bytes(2, "big") + rdata
    return Answer(Rcode.NXDOMAIN, False, body, 0, 1, (6,), 60, True, ())


def validated(owner_at: int = 12) -> Answer:
    """The same, whose upstream has validated it."""
    return replace(nxdomain(owner_at), authenticated=True)


VALIDATED_OR_ALWAYS = pytest.mark.parametrize(
    ("nxdomain_cut", "authentic"), [(True, True), ("always", False), ("always", True)]
)


@VALIDATED_OR_ALWAYS
def test_a_name_that_is_not_there_has_no_other_types_and_nothing_below_it(
    nxdomain_cut: bool | str, authentic: bool
) -> None:
    kept = ResponseCache(CacheSettings(nxdomain_cut=nxdomain_cut))
    gone = replace(nxdomain(owner_at=17), authenticated=authentic)  # 17: where "example" begins
    kept.put(negative_key("gone.example"), gone, now=0.0)
    for name, qtype in (("gone.example", 28), ("a.gone.example", 1), ("deep.down.below.gone.example", 65)):
        found = kept.get_absent(negative_key(name, qtype), key_of(parse_name(name)), now=10.0)
        assert found is not None
        head = b"\x00\x00\x81\x83\x00\x01\x00\x00\x00\x01\x00\x00"
        message = head + negative_key(name, qtype)[:-1] + found.body(10.0)
        response = dns.message.from_wire(message)
        assert response.rcode() == dns.rcode.NXDOMAIN
        (soa,) = response.authority
        assert str(soa.name) == "example."
        assert soa.ttl == 50
        assert str(soa[0].mname) == "ns.example."
        assert str(soa[0].rname) == "host.example."
    assert kept.counts["nxdomain_cut"] == 3


def test_a_denial_that_nobody_validated_says_nothing_of_the_names_below() -> None:
    kept = cache()

    def absent(name: str) -> bool:
        return kept.get_absent(negative_key(name), key_of(parse_name(name)), 1.0) is not None

    kept.put(negative_key("gone.example"), nxdomain(), now=0.0)
    assert absent("gone.example"), "it has no other types (RFC 2308 section 5)"
    assert not absent("x.gone.example")
    kept.put(negative_key("x.gone.example"), replace(nxdomain(), authenticated=True), now=0.0)
    assert absent("x.gone.example")
    assert absent("deep.x.gone.example")
    assert not absent("y.gone.example")


@pytest.mark.parametrize("rcode", [Rcode.NXDOMAIN, Rcode.NOERROR])
@pytest.mark.parametrize("seconds", [0, 5, 299, 300, 301, 4000])
def test_a_least_ttl_lets_no_negative_answer_live_longer(rcode: Rcode, seconds: int) -> None:
    kept = cache(min_ttl_seconds=300, max_negative_ttl_seconds=3600)
    entry = kept.put(b"q", replace(answer(seconds, negative=True), rcode=rcode), now=0.0)
    assert entry.ttl_seconds == min(seconds, 3600)
    assert kept.put(b"r", answer(5), now=0.0).ttl_seconds == 300


def test_names_below_one_that_is_not_there_cost_little_however_much_was_said_of_it() -> None:
    kept = cache()
    one = replace(nxdomain(), authenticated=True)
    offsets = tuple(6 + len(one.body) * number for number in range(900))
    kept.put(negative_key("gone.example"), replace(one, body=one.body * 900, authorities=900, ttl_offsets=offsets), 0.0)
    names = ("a.gone.example", "b.gone.example")
    found = [kept.get_absent(negative_key(name), key_of(parse_name(name)), now=1.0) for name in names]
    assert found[0] is found[1]
    assert found[0] is not None
    assert found[0].answer.authorities == 1


def test_nothing_else_follows_from_a_name_that_is_not_there() -> None:
    kept = cache()
    kept.put(negative_key("gone.example"), replace(nxdomain(), authenticated=True), now=0.0)

    def absent(name: str, bits: int = 0, now: float = 1.0) -> bool:
        return kept.get_absent(negative_key(name, 1, bits), key_of(parse_name(name)), now) is not None

    assert absent("x.gone.example")
    assert not absent("example")
    assert not absent("notgone.example")
    assert not absent("gone.example.org")
    assert not absent("x.gone.example", bits=1)  # wants proof
    assert not absent("x.gone.example", bits=2)  # asked without checking, which is another answer
    assert not absent("x.gone.example", now=60.0)
    kept.put(negative_key("gone.example"), answer(), now=2.0)  # it has come to be
    assert not absent("x.gone.example")


def test_a_name_that_is_not_there_says_nothing_of_zones_with_upstreams_of_their_own() -> None:
    def zone(name: str) -> bytes:
        return key_of(parse_name(name))

    kept = ResponseCache(CacheSettings(), [zone("corp.gone.example"), zone("lan")])
    for name in ("gone.example", "lan"):
        kept.put(negative_key(name), replace(nxdomain(), authenticated=True), now=0.0)
    assert kept.get_absent(negative_key("www.corp.gone.example"), zone("www.corp.gone.example"), 1.0) is None
    assert kept.get_absent(negative_key("www.lan"), zone("www.lan"), 1.0) is not None, "the zone's own server said so"


DS = 43


def test_what_the_zone_above_says_of_a_name_says_nothing_of_a_zone_of_that_name_and_the_other_way_round() -> None:
    corp = key_of(parse_name("corp.example"))
    for zones in ([corp], [key_of(parse_name("deep.corp.example"))]):
        kept = ResponseCache(CacheSettings(), zones)
        kept.put(negative_key("corp.example", DS), validated(), now=0.0)
        for name in ("corp.example", "www.corp.example"):
            assert kept.get_absent(negative_key(name), key_of(parse_name(name)), 1.0) is None
    kept = ResponseCache(CacheSettings(), [corp])
    kept.put(negative_key("corp.example"), validated(), now=0.0)
    assert kept.get_absent(negative_key("corp.example", DS), corp, 1.0) is None
    below = key_of(parse_name("www.corp.example"))
    assert kept.get_absent(negative_key("www.corp.example", DS), below, 1.0) is not None


def test_the_absence_of_a_name_above_holds_for_ds_too() -> None:
    kept = cache()
    kept.put(negative_key("gone.example"), validated(owner_at=17), now=0.0)
    name = "a.gone.example"
    found = kept.get_absent(negative_key(name, DS), key_of(parse_name(name)), 1.0)
    assert found is not None
    message = b"\x00\x00\x81\x83\x00\x01\x00\x00\x00\x01\x00\x00" + negative_key(name, DS)[:-1] + found.body(1.0)
    assert str(dns.message.from_wire(message).authority[0].name) == "example."


def test_a_name_that_an_alias_led_to_is_the_one_that_is_not_there() -> None:
    kept = cache()
    with_alias = replace(nxdomain(), answers=1, authenticated=True)
    kept.put(negative_key("alias.example"), with_alias, now=0.0)
    assert kept.get_absent(negative_key("x.alias.example"), key_of(parse_name("x.alias.example")), 1.0) is None


def test_what_was_evicted_says_nothing_any_more() -> None:
    kept = cache(max_bytes=20_000)
    for number in range(1000):
        kept.put(negative_key(f"gone-{number}.example"), replace(nxdomain(), authenticated=True), now=0.0)
    found = [
        kept.get_absent(negative_key(f"x.gone-{n}.example"), key_of(parse_name(f"x.gone-{n}.example")), 1.0)
        for n in range(1000)
    ]
    assert 0 < sum(entry is not None for entry in found) == len(kept) < 40


def test_the_cut_can_be_switched_off() -> None:
    kept = cache(nxdomain_cut=False)
    kept.put(negative_key("gone.example"), replace(nxdomain(), authenticated=True), now=0.0)
    assert kept.get_absent(negative_key("x.gone.example"), key_of(parse_name("x.gone.example")), 1.0) is None


def test_names_are_flushed_alone_or_with_all_below() -> None:
    def filled() -> ResponseCache:
        kept = cache()
        for name in ("example.com", "a.example.com", "notexample.com", "com"):
            for qtype in (1, 28):
                kept.put(negative_key(name, qtype), answer(), now=0.0)
        return kept

    name = key_of(parse_name("example.com"))
    kept = filled()
    assert kept.flush(name, below=False) == 2
    assert kept.get(negative_key("a.example.com")) is not None
    assert kept.get(negative_key("example.com")) is None
    kept = filled()
    assert kept.flush(name, below=True) == 4
    assert kept.get(negative_key("notexample.com")) is not None
    assert kept.flush(None, below=True) == 4
    assert (len(kept), kept.bytes) == (0, 0)
