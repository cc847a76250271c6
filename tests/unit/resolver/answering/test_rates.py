"""Token buckets, the budgets of clients, and what becomes of responses that are too many."""

from __future__ import annotations

import ipaddress
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from resolver.answering.rates import PLENTY, Buckets, QueryBudgets, Ration, ResponseRates, network_of


def test_a_bucket_holds_one_second_and_refills_evenly() -> None:
    buckets = Buckets(10, 100, "x", Counter())
    assert buckets.take("a", 20, 0.0) == 10
    assert buckets.take("a", 20, 0.05) == 0
    assert buckets.take("a", 20, 0.35) == 3
    assert buckets.take("a", 20, 99.0) == 10
    assert buckets.take("b", 1, 99.0) == 1


@given(st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 50)), max_size=200), st.integers(1, 100))
def test_no_history_gives_more_than_a_burst_and_the_rate(takes: list[tuple[float, int]], rate: int) -> None:
    buckets = Buckets(rate, 100, "x", Counter())
    now, given_out = 1000.0, 0
    for pause, most in takes:
        now += pause
        given_out += buckets.take("a", most, now)
    assert given_out <= rate + (now - 1000.0) * rate + 1e-6


def test_full_buckets_are_forgotten_before_any_other() -> None:
    dropped: Counter[str] = Counter()
    buckets = Buckets(5, 10, "x", dropped)
    for number in range(10):
        buckets.take(f"old{number}", 5, 0.0)
    buckets.take("young", 5, 2.0)
    assert len(buckets) == 1
    assert not dropped
    for number in range(30):
        buckets.take(f"flood{number}", 5, 2.1)
    assert len(buckets) <= 10
    assert dropped["x"] + len(buckets) == 31


def test_a_budget_is_handed_out_in_portions_and_ends_with_the_second() -> None:
    budgets = QueryBudgets(100, 10, Counter())
    portions = [budgets.portion("192.0.2.1", 5.0) for _ in range(12)]
    assert portions == [10] * 10 + [0, 0]
    assert budgets.portion("192.0.2.2", 5.0) == 10
    assert budgets.portion("192.0.2.1", 5.055) == 5


def test_a_budget_below_ten_a_second_is_handed_out_one_by_one() -> None:
    budgets = QueryBudgets(3, 10, Counter())
    assert [budgets.portion("192.0.2.1", 5.0) for _ in range(5)] == [1, 1, 1, 0, 0]


def test_without_a_limit_there_is_plenty() -> None:
    assert QueryBudgets(0, 10, Counter()).portion("192.0.2.1", 0.0) == PLENTY


def test_every_slip_th_response_beyond_the_rate_is_truncated() -> None:
    dropped: Counter[str] = Counter()
    rates = ResponseRates(2, 3, 100, dropped)
    rations = [rates.ration(b"net", b"kind", 1.0) for _ in range(8)]
    assert rations == [
        *[Ration.SENT] * 2,
        *[Ration.DROPPED] * 2,
        Ration.TRUNCATED,
        *[Ration.DROPPED] * 2,
        Ration.TRUNCATED,
    ]
    assert dropped["responses_per_second"] == 6
    assert rates.ration(b"net", b"other", 1.0) is Ration.SENT
    assert rates.ration(b"ten", b"kind", 1.0) is Ration.SENT


def test_without_slip_all_beyond_the_rate_are_dropped() -> None:
    rates = ResponseRates(1, 0, 100, Counter())
    assert {rates.ration(b"net", b"kind", 1.0) for _ in range(20)} == {Ration.SENT, Ration.DROPPED}


def test_networks_are_24_and_56_bits_long() -> None:
    def network(text: str) -> str:
        return str(ipaddress.ip_address(network_of(ipaddress.ip_address(text).packed)))

    assert network("192.0.2.77") == "192.0.2.0"
    assert network("2001:db8:1:2ff:a::b") == "2001:db8:1:200::"


def test_a_network_s_budget_stands_above_those_of_its_addresses() -> None:
    budgets = QueryBudgets(100, 1000, Counter(), per_network=250)

    def asks(address: str, queries: int, now: float = 5.0) -> int:
        left = answered = 0
        for _ in range(queries):
            left = left or budgets.portion(address, now, b"net")
            answered += left > 0
            left = max(left - 1, 0)
        return answered

    assert asks("a", 200) == 100
    assert budgets.ended == "queries_per_second"
    assert (asks("b", 200), asks("c", 200), asks("d", 200)) == (100, 50, 0)
    assert budgets.ended == "queries_per_second_per_network"
    assert budgets.per_second == 250
    assert budgets.portion("192.0.2.1", 5.0) == 10
    assert (budgets.ended, budgets.per_second) == ("queries_per_second", 100)
    assert asks("d", 50, 5.125) == 31


def test_hundreds_in_one_network_that_ask_little_are_not_kept_from_it_by_what_others_could_ask() -> None:
    budgets = QueryBudgets(1000, 65_536, Counter(), per_network=20_000)
    assert all(budgets.portion(f"2001:db8::{number:x}", 5.0, b"net") for number in range(1000))


@given(st.lists(st.tuples(st.floats(0, 0.3), st.integers(0, 30)), max_size=300))
def test_no_history_gives_a_network_more_than_a_burst_and_its_rate(asked: list[tuple[float, int]]) -> None:
    budgets = QueryBudgets(10, 1000, Counter(), per_network=40)
    now, given_out = 1000.0, 0
    for pause, client in asked:
        now += pause
        given_out += budgets.portion(f"client {client}", now, b"net")
    assert given_out <= 40 + (now - 1000.0) * 40 + 1e-6
