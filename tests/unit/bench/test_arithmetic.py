"""The comparison's arithmetic."""

from __future__ import annotations

import pytest

from bench.arithmetic import Spread, microseconds_a_query, paired_ratios, spread, turns


def test_cpu_a_query_is_in_microseconds() -> None:
    assert microseconds_a_query(1_000_000_000, 200_000) == 5.0


def test_a_spread_tells_median_quartiles_and_extremes() -> None:
    assert spread([5, 1, 4, 2, 3]) == Spread(median=3, low=2, high=4, least=1, most=5)


def test_one_round_has_no_spread() -> None:
    assert spread([2.5]) == Spread(2.5, 2.5, 2.5, 2.5, 2.5)


def test_ratios_are_paired_by_round_so_that_a_slow_round_counts_for_nobody() -> None:
    assert paired_ratios([5, 50], [10, 100]) == [0.5, 0.5]


def test_ratios_need_as_many_rounds_of_both() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired_ratios([1, 2], [1])


def test_all_servers_take_turns_and_another_begins_in_each_round() -> None:
    assert [turns(3, number) for number in range(4)] == [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]
