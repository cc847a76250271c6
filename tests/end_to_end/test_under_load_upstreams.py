"""Short forms of `make prove`: upstreams that lie or are dead, and what a forger would have to guess."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from prove import dead_upstreams, failing_upstreams, identical_questions, lying_upstream
from prove.chance import chi_square_p, kolmogorov_smirnov_p
from prove.figures import missed

pytestmark = pytest.mark.alone


def test_identical_questions_are_asked_once_a_worker_and_ids_and_ports_are_evenly_spread(tmp_path: Path) -> None:
    assert not missed(identical_questions.run(identical_questions.SHORT, tmp_path), but_for_times=True)


def test_the_truth_comes_after_any_number_of_lies_and_nothing_else_is_kept(tmp_path: Path) -> None:
    assert not missed(lying_upstream.run(lying_upstream.SHORT, tmp_path), but_for_times=True)


def test_a_dead_upstream_beside_a_good_one_fails_no_query(tmp_path: Path) -> None:
    assert not missed(dead_upstreams.one_dead(dead_upstreams.SHORT, tmp_path), but_for_times=True)


def test_with_the_default_strategy_too_a_dead_upstream_fails_no_query(tmp_path: Path) -> None:
    assert not missed(dead_upstreams.one_dead_of_the_fastest(dead_upstreams.SHORT, tmp_path), but_for_times=True)


def test_with_all_upstreams_dead_every_query_is_told_why_and_blocking_goes_on(tmp_path: Path) -> None:
    assert not missed(dead_upstreams.all_dead(dead_upstreams.SHORT, tmp_path), but_for_times=True)


def test_old_answers_are_given_while_all_upstreams_are_dead(tmp_path: Path) -> None:
    assert not missed(failing_upstreams.stale(failing_upstreams.SHORT, tmp_path), but_for_times=True)


@pytest.mark.parametrize("silent_tcp", [False, True])
def test_truncated_answers_without_tcp_are_asked_for_no_more_than_thrice(tmp_path: Path, *, silent_tcp: bool) -> None:
    figures = failing_upstreams.truncated(failing_upstreams.SHORT, tmp_path, silent_tcp=silent_tcp)
    assert not missed(figures, but_for_times=True)


def test_no_more_than_a_bound_wait_for_a_slow_upstream(tmp_path: Path) -> None:
    assert not missed(failing_upstreams.bounded(failing_upstreams.SHORT, tmp_path), but_for_times=True)


@pytest.mark.parametrize("seed", range(5))
def test_the_statistics_pass_what_is_even_and_find_what_is_not(seed: int) -> None:
    chance = random.Random(seed)
    even = [chance.randrange(65536) for _ in range(10_000)]
    counted = [number & 0xFFFF for number in range(10_000)]
    leaning = [int(65536 * chance.random() ** 1.2) for _ in range(10_000)]
    for test in (
        lambda values: chi_square_p([v >> 8 for v in values], 256),
        lambda v: kolmogorov_smirnov_p(v, 0, 65535),
    ):
        assert test(even) > 0.0001
        assert test(counted) < 0.0001
        assert test(leaning) < 0.0001
    steps = [(after - before) & 0xFFFF for before, after in itertools.pairwise(counted)]
    assert chi_square_p([step >> 8 for step in steps], 256) < 0.0001
