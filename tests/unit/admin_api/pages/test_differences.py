"""What changed, in lines: nothing is missed, nothing is told twice, and what stayed is not told."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from admin_api.pages.policy.differences import Line, differences

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def test_only_what_differs_is_told() -> None:
    before = {"name": "legal", "mode": "monitor", "networks": ["a", "b"], "response": {"mode": "nodata", "ttl": 7}}
    after = {"name": "legal", "mode": "enforce", "networks": ["b", "c"], "response": {"mode": "nodata", "ttl": 9}}
    assert differences(before, after) == [
        Line("-", "mode", "monitor"),
        Line("+", "mode", "enforce"),
        Line("-", "networks", "a"),
        Line("+", "networks", "c"),
        Line("-", "response › ttl", "7"),
        Line("+", "response › ttl", "9"),
    ]


def test_what_is_not_set_of_a_new_thing_is_not_told() -> None:
    assert differences(None, {"name": "x", "block": [], "note": None, "exempt": False}) == [
        Line("+", "name", "x"),
        Line("+", "exempt", "no"),
    ]


def test_a_value_that_is_unset_is_told_on_both_sides() -> None:
    assert differences({"note": "x", "kept": 1}, {"note": None, "kept": 1}) == [
        Line("-", "note", "x"),
        Line("+", "note", "not set"),
    ]


def test_another_order_is_a_difference() -> None:
    assert differences({"of": [1, 2]}, {"of": [2, 1]}) == [Line("-", "of", "1, 2"), Line("+", "of", "2, 1")]


def test_of_long_lists_what_differs_is_found_without_comparing_each_with_each() -> None:
    compared = 0

    class Item(str):
        """Text that counts how often it is compared."""

        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

    before = [Item(f"10.{number >> 8}.{number & 255}.0/24") for number in range(5000)]
    after = [*(Item(item) for item in before[1:]), Item("192.0.2.0/24")]
    assert differences({"networks": before}, {"networks": after}) == [
        Line("-", "networks", "10.0.0.0/24"),
        Line("+", "networks", "192.0.2.0/24"),
    ]
    assert compared <= 2 * len(before)


def test_items_that_are_things_themselves_are_told_once() -> None:
    before = [{"days": ["mon"], "from": "08:00"}, {"days": ["tue"]}]
    after = [{"from": "08:00", "days": ["mon"]}, {"days": ["wed"]}]
    assert differences({"at": before}, {"at": after}) == [
        Line("-", "at", '{"days": ["tue"]}'),
        Line("+", "at", '{"days": ["wed"]}'),
    ]


def test_very_much_is_cut() -> None:
    lines = differences(None, {str(number): number + 1 for number in range(1000)})
    assert len(lines) == 201
    assert lines[-1].text == "and more"
    assert len(differences("", "x" * 100_000)[-1].text) < 3000


@given(VALUES)
def test_what_stayed_is_never_told(value: Any) -> None:
    assert differences(value, value) == []


@given(VALUES, VALUES)
def test_lines_of_the_way_back_are_those_of_the_way_with_the_signs_changed(before: Any, after: Any) -> None:
    other = {"+": "-", "-": "+", "": ""}
    there = sorted((line.sign, line.key, line.text) for line in differences(before, after))
    back = sorted((other[line.sign], line.key, line.text) for line in differences(after, before))
    assert there == back
