"""What the environment fills in."""

from __future__ import annotations

import pytest

from .conftest import Load, Problems


def test_numbers_and_switches_come_from_the_environment(load: Load) -> None:
    config = load(
        "workers: ${N}\ncache: {max_mib: '${MIB}', prefetch: '${ON}'}\nupstream: {timeout_seconds: '${T}'}\n",
        environ={"N": "2", "MIB": "128", "ON": "false", "T": "0.5"},
    )
    assert (config.workers, config.cache.max_mib, config.cache.prefetch) == (2, 128, False)
    assert config.upstream.timeout_seconds == 0.5


@pytest.mark.parametrize(
    ("written", "environ", "read"),
    [
        ("${A}", {"A": "x"}, "x"),
        ("a ${A} b ${B}", {"A": "1", "B": "2"}, "a 1 b 2"),
        ("${A}", {"A": ""}, ""),
        ("${A:-other}", {}, "other"),
        ("${A:-other}", {"A": ""}, "other"),
        ("${A:-other}", {"A": "x"}, "x"),
        ("${A:-}", {}, ""),
        ("$${A}", {"A": "x"}, "${A}"),
        ("$A $ {A}", {"A": "x"}, "$A $ {A}"),
        ("${A}", {"A": "${B}", "B": "x"}, "${B}"),
    ],
)
def test_text_is_filled_in_as_a_shell_would(load: Load, written: str, environ: dict[str, str], read: str) -> None:
    config = load(f"policy: {{groups: [{{name: a, description: '{written}'}}]}}\n", environ=environ)
    assert config.policy.groups[1].description == read


def test_rules_and_networks_are_filled_in_but_keys_are_not(load: Load, problems: Problems) -> None:
    text = "policy: {lists: [{name: a, block: ['${D}']}], groups: [{name: b, networks: ['${N}']}]}\n"
    policy = load(text, environ={"D": "Example.COM", "N": "10.0.0.0/8"}).policy
    assert (policy.lists[0].block, policy.groups[1].networks) == (("example.com",), ("10.0.0.0/8",))
    (problem,) = problems("'${K}': 2\n", environ={"K": "workers"})
    assert problem.startswith("1: '${K}': is not a known key")


def test_a_variable_that_is_not_set_is_named_once(problems: Problems) -> None:
    assert problems("cache:\n  max_mib: ${MOAT_MIB}\n") == [
        "2: cache.max_mib: the environment variable MOAT_MIB is not set: "
        "set it, or give a default as in ${MOAT_MIB:-default}"
    ]


@pytest.mark.parametrize("written", ["${}", "${1A}", "${A-b}", "${A b}"])
def test_a_malformed_reference_is_told(problems: Problems, written: str) -> None:
    assert problems(f"workers: '{written}'\n", environ={"A": "1"}) == [
        f"1: workers: '{written}' is not a reference to a variable: "
        "write ${NAME} or ${NAME:-default}, or $${ for a literal ${"
    ]


def test_a_reference_that_is_not_closed_is_told(problems: Problems) -> None:
    (problem,) = problems("workers: '${A'\n", environ={"A": "1"})
    assert problem.startswith("1: workers: '${A' is not a reference to a variable")


def test_what_is_filled_in_is_checked_like_what_is_written(problems: Problems) -> None:
    assert problems("cache: {max_mib: '${A}'}\n", environ={"A": "much"}) == [
        "1: cache.max_mib: should be a whole number, is 'much'"
    ]
