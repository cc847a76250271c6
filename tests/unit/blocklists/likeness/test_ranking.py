"""Ranking of AI services' domains among a hundred times as many innocent ones, by names alone and with company."""

from __future__ import annotations

import dataclasses
import functools
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from blocklists.likeness.evidence import MOST_POINTS, Evidence, score_of
from blocklists.likeness.judge import Company, Likeness, read_register
from resolver.wire.names import to_text, wire_of_key
from tests.innocents.gather import read_names
from tests.unit.bundled import bundled_catalogue

pytestmark = pytest.mark.slow

_FRESH = Path(__file__).parents[4] / "blocklists" / "samples" / "fresh-2026-11.tsv"
_MADE_UP = "t"  # names that imitate a listed one, and are nobody's: the inbox should show them
_TIMES = 100
_FIRST = 0.05

Domains = Mapping[str, set[str]]


def _by_domain(names: Iterator[str], likeness: Likeness) -> dict[str, set[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        if domain := likeness.registrable(name):
            found[domain].add(name)
    return dict(found)


@functools.cache
def _world() -> tuple[Likeness, Domains, Domains]:
    """Likeness by a catalogue without the fresh names, these by domain, and innocent ones."""
    whole = Likeness(bundled_catalogue())
    lines = [line.split("\t")[0] for line in _FRESH.read_text().splitlines() if not line.startswith("#")]
    fresh = _by_domain(iter(lines), whole)
    catalogue = bundled_catalogue()
    others = tuple(
        entry for entry in catalogue.domains if whole.registrable(to_text(wire_of_key(entry.rule.key))) not in fresh
    )
    assert len(others) < len(catalogue.domains), "they are in the catalogue by now, and taken out"
    innocent = _by_domain((name for name, kind in read_names().items() if kind != _MADE_UP), whole)
    without = Likeness(dataclasses.replace(catalogue, domains=others))
    return without, fresh, {domain: hosts for domain, hosts in innocent.items() if domain not in fresh}


def _share_in_first(fresh: Mapping[str, int], innocent: Mapping[str, int], rounds: int = 25) -> float:
    """The share of fresh domains in the first part of a ranking; of equal scores, fresh ones come last."""
    chance = random.Random(18)
    many = len(innocent) // _TIMES
    found = 0
    for _ in range(rounds):
        some = chance.sample(sorted(fresh), many)
        ranked = sorted([(-score, 0) for score in innocent.values()] + [(-fresh[one], 1) for one in some])
        found += sum(is_fresh for _, is_fresh in ranked[: round(_FIRST * len(ranked))])
    return found / (rounds * many)


def _scores(likeness: Likeness, domains: Domains) -> dict[str, int]:
    return {domain: score_of(likeness.by_name(domain, sorted(hosts)[:6])) for domain, hosts in domains.items()}


def test_by_names_alone_three_fifths_of_fresh_domains_are_in_the_first_twentieth() -> None:
    likeness, fresh, innocent = _world()
    assert len(fresh) > 190
    assert len(innocent) > 9_000
    share = _share_in_first(_scores(likeness, fresh), _scores(likeness, innocent))
    print(f"by names alone: {share:.1%} in the first {_FIRST:.0%}")  # noqa: T201 (the figure of docs/unlisted.md)
    assert share >= 0.6


def test_company_brings_fresh_domains_up_that_have_no_word_in_their_names() -> None:
    """Of a day in which one query in twenty comes within seconds of a listed name, and of fresh ones one in four."""
    likeness, fresh, innocent = _world()
    chance = random.Random(5)

    def with_company(domains: Domains, share: float) -> dict[str, int]:
        scores = {}
        for domain, score in _scores(likeness, domains).items():
            queries = chance.randint(5, 60)
            near = sum(chance.random() < share for _ in range(queries))
            piece = likeness.by_company(Company(queries, near, min(near, 12), 0.05))
            scores[domain] = min(MOST_POINTS, score + (piece.points if piece else 0))
        return scores

    by_names = _share_in_first(_scores(likeness, fresh), _scores(likeness, innocent))
    by_both = _share_in_first(with_company(fresh, 0.25), with_company(innocent, 0.05))
    print(f"by names alone {by_names:.1%}, with company {by_both:.1%}")  # noqa: T201 (likewise)
    assert by_both >= by_names + 0.15


@pytest.mark.parametrize(
    ("company", "is_evidence"),
    [
        (Company(10, 8, 5, 0.05), True),
        (Company(10, 8, 2, 0.05), False),
        (Company(100, 6, 5, 0.05), False),
        (Company(10, 10, 9, 0.5), False),
        (Company(0, 0, 0, 0.0), False),
    ],
)
def test_company_counts_from_three_clients_on_and_only_far_above_the_usual(company: Company, is_evidence: bool) -> None:
    likeness, _, _ = _world()
    assert (likeness.by_company(company) is not None) is is_evidence


def test_evidence_says_where_it_is_from() -> None:
    likeness, _, _ = _world()
    found = {(piece.kind, piece.what) for piece in likeness.by_name("my-gpt.ai", ["api.my-gpt.ai", "llm.my-gpt.ai"])}
    assert {("top-level", ".ai"), ("word", "gpt"), ("host", "api"), ("host", "llm")} <= found
    assert all(piece.points > 0 for piece in likeness.by_name("plain.example.com", []))


@pytest.mark.parametrize("name", ["shanghai.com", "airbnb.com", "samurai.org", "mumbai.in", "bonsai.org", "air.co.uk"])
def test_ai_within_an_ordinary_word_says_nothing(name: str) -> None:
    likeness, _, _ = _world()
    assert [piece for piece in likeness.by_name(name, [name]) if piece.kind == "word"] == []


@pytest.mark.parametrize("name", ["com", "localhost", "2.0.192.in-addr.arpa", "www.google.com", "x.notatopleveldomain"])
def test_what_nobody_could_block_has_no_registrable_domain(name: str) -> None:
    likeness, _, _ = _world()
    assert likeness.registrable(name) is None


def test_the_register_names_registrable_domains_each_with_a_provider(tmp_path: Path) -> None:
    from blocklists.likeness.judge import REGISTER

    likeness, _, _ = _world()
    register = read_register(REGISTER)
    assert len(register) > 100
    assert [domain for domain in register if likeness.registrable(domain) != domain] == []
    (tmp_path / "r").write_text("# a remark\nbrandnew.com brandnew\n")
    other = Likeness(bundled_catalogue(), tmp_path / "r")
    assert other.by_lists("brandnew.com") == (Evidence("register", "brandnew", 50),)
