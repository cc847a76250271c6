"""Commitments in audit rows, with any texts; and whom a text names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admin_api.persons import normal_form
from admin_api.store.columns import canonical
from admin_api.store.commitments import PERSONAL, commitment_of, commitments_in, committed, opened
from admin_api.store.naming import Naming
from tests.support.examples import examples

KINDS = st.sampled_from([*PERSONAL, "groups", "config", "", "people/x"])
NAMES = st.sampled_from(sorted({name for names in PERSONAL.values() for name in names} | {"id", "commitment", ""}))
TEXTS = st.text() | st.sampled_from(['{"commitment":"' + "ab" * 32 + '"}', '"', "\\", "\ud800", "\0"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


def texts_below(value: Any, names: frozenset[str], *, counts: bool = False) -> set[str]:
    if isinstance(value, str):
        return {value} if counts else set()
    if isinstance(value, list):
        return set().union(*(texts_below(one, names, counts=counts) for one in value))
    if isinstance(value, dict):
        return set().union(*(texts_below(one, names, counts=counts or key in names) for key, one in value.items()))
    return set()


@settings(max_examples=examples(300))
@given(kind=KINDS, before=st.none() | VALUES, after=st.none() | VALUES)
def test_what_is_opened_is_what_was_committed_and_nothing_else_is(kind: str, before: Any, after: Any) -> None:
    states = [None if value is None else canonical(value) for value in (before, after)]
    first, second, texts = committed(f"{kind}/x", *states)
    by = {one.commitment: one.text for one in texts}
    assert [opened(first, by), opened(second, by)] == states
    names = PERSONAL.get(kind.partition("/")[0], frozenset())
    assert {json.loads(one.text) for one in texts} == texts_below([before, after], names)
    assert set(commitments_in(first, second)) == by.keys()
    assert all(commitment_of(one.salt, one.text) == one.commitment for one in texts)
    assert len({one.salt for one in texts}) == len(texts)


@pytest.mark.parametrize(
    ("name", "text", "is_named"),
    [
        ("ana", "Ana", True),
        ("ana", "for Ana.", True),
        ("ana", "Ana's trip, ANA again", True),
        ("ana", "(ana)", True),
        ("ana", "ana@corp.example", False),
        ("ana", "ana-maria", False),
        ("ana", "ana.schmidt", False),
        ("ana", "joana", False),
        ("ana", "ana_1", False),
        ("ana@corp.example", "asked by ana@corp.example.", True),
        ("ana@corp.example", "ana@corp.example.org", False),
        ("ana@corp.example", "Ana@Corp.Example (not verified)", True),
        ("Ana Schmidt", "ana  schmidt", True),
        ("Ana Schmidt", "Ana\u200b Schmidt", True),
        ("Ana Schmidt", "\uff21na Schmidt", True),
        ("Ana Schmidt (not verified)", "Ana Schmidt", True),
        ("Jürgen Groß", "for JÜRGEN GROSS, today", True),
        ("Ana <https://login.corp.example 7>", "Anna <https://login.corp.example 7>", True),
        ("Ana <https://login.corp.example 7>", "Anna <https://login.corp.example 77>", False),
        ("Ana <https://login.corp.example 7>", "ana", True),
        ("Ana <https://login.corp.example 7; a@corp.example>", "Anna <https://login.corp.example 7>", True),
        ("Ana <https://login.corp.example 7>", "Anna <https://login.corp.example 7; anna@corp.example>", True),
        ("Ana <https://login.corp.example 7>", "Anna <https://login.corp.example 77; anna@corp.example>", False),
        ("zoë d.", "Z. <https://login.corp.example 7; z@corp.example; zoë d.>", True),
        ("it", "it runs", False),
        ("it", "IT", True),
        ("a.*b", "a.*b", True),
        ("a.*b", "axxb", False),
        ("ana", "", False),
    ],
)
def test_a_text_names_whom_people_would_read_in_it(name: str, text: str, *, is_named: bool) -> None:
    assert Naming(name).is_in(text) is is_named


@settings(max_examples=examples(300))
@given(name=st.text(), around=st.text(max_size=5))
def test_a_name_is_found_in_any_of_its_spellings(name: str, around: str) -> None:
    if not normal_form(name.removesuffix(" (not verified)")):
        with pytest.raises(ValueError, match="nobody's"):
            Naming(name)
        return
    naming = Naming(name)
    assert naming.is_in(name)
    assert naming.is_in(f"\u200b{name}\u200d")
    assert naming.is_in(normal_form(name))
    naming.is_in(around)


@pytest.mark.parametrize("blank", ["", " ", "\u200b", "\0"])
def test_a_name_that_shows_nothing_is_nobodys(blank: str) -> None:
    with pytest.raises(ValueError, match="nobody's"):
        Naming(blank)
