"""What is asked of the servers."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from bench.kinds.job import SINKHOLE
from bench.queries import Asked
from bench.rules import rule_names
from bench.stub import ADDRESS
from bench.workloads import CLIENTS, Workload, unique_names, workloads

KNOWN = workloads()


def first(workload: Workload, count: int) -> list[Asked]:
    """Its first queries."""
    return list(itertools.islice(workload.queries(1.0, "r0"), count))


def test_every_workload_asks_for_as_many_names_as_it_says() -> None:
    assert {name: len({asked.name for asked in KNOWN[name].queries()}) for name in ("blocked", "blocked-many")} == {
        "blocked": 90,
        "blocked-many": 10_000,
    }
    assert len({asked.name for asked in KNOWN["cached"].queries()}) == 1_000
    assert len({asked.name.lower() for asked in KNOWN["varied"].queries()}) == 1_500


def test_a_fifth_of_the_mixed_queries_is_blocked_evenly_spread() -> None:
    mixed = KNOWN["mixed"]
    kinds = [mixed.expected(asked) for asked in mixed.queries()]
    assert kinds == [[ADDRESS], [ADDRESS], [ADDRESS], [ADDRESS], [SINKHOLE]] * 250


def test_the_realistic_mix_is_two_fifths_blocked_two_cached_and_one_missed() -> None:
    realistic = KNOWN["realistic"]
    known = {**dict.fromkeys(realistic.blocked, "blocked"), **dict.fromkeys(realistic.forwarded, "cached")}
    kinds = Counter(known.get(asked.name.lower(), "missed") for asked in first(realistic, 5_000))
    assert kinds == {"blocked": 2_000, "cached": 2_000, "missed": 1_000}


def test_varied_queries_differ_in_client_type_options_and_case() -> None:
    queries = first(KNOWN["varied"], 10_000)
    assert {asked.client for asked in queries} == set(range(CLIENTS))
    assert {asked.qtype for asked in queries} == {"A", "AAAA", "HTTPS"}
    shares = {
        "edns": sum(asked.edns for asked in queries),
        "cookie": sum(bool(asked.cookie) for asked in queries),
        "mixed case": sum(asked.name != asked.name.lower() for asked in queries),
    }
    assert shares == pytest.approx({"edns": 6_000, "cookie": 3_000, "mixed case": 3_000}, rel=0.1)


def test_a_blocked_name_has_no_data_of_other_types() -> None:
    varied = KNOWN["varied"]
    name = varied.blocked[0]
    assert varied.expected(Asked(name.upper())) == [SINKHOLE]
    assert varied.expected(Asked(name, "AAAA")) == ["::"]
    assert varied.expected(Asked(name, "HTTPS")) == []


def test_unique_names_come_only_once_in_all_rounds() -> None:
    names = [name for number in range(3) for name in unique_names(100, f"r{number}")]
    assert len(set(names)) == 300


def test_names_of_rules_are_all_different() -> None:
    names = rule_names(20_000)
    assert len(set(names)) == 20_000
    assert names[:100] == rule_names(100)
