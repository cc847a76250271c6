"""Dataclasses by way of JSON: what comes back is what went in, and what does not fit is told."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import pytest

from resolver.system.typed_json import MisfitError, read_as, write_json


class Colour(enum.Enum):
    RED = "red"


class Row(TypedDict):
    name: str


@dataclass(frozen=True)
class Inner:
    place: Path
    seconds: float


@dataclass(frozen=True)
class Outer:
    inner: Inner | None
    names: tuple[str, ...]
    pair: tuple[int, str]
    by_name: Mapping[str, Inner]
    either: bool | str
    colour: Colour
    rules: frozenset[tuple[str, str]]
    steps: list[int]
    order: Sequence[float]
    row: Row
    anything: object
    more: dict[str, Any]


WHOLE = Outer(
    inner=Inner(Path("/a"), 2.5),
    names=("a", "b"),
    pair=(1, "x"),
    by_name={"one": Inner(Path("b"), 1.0)},
    either="always",
    colour=Colour.RED,
    rules=frozenset({("block", "a.example"), ("allow", "b.example")}),
    steps=[1, 2],
    order=[0.5],
    row={"name": "x"},
    anything=[1, None, {"deep": True}],
    more={"x": [1]},
)


def test_what_is_written_is_read_again() -> None:
    assert read_as(Outer, json.loads(write_json(WHOLE))) == WHOLE


def test_an_integer_will_do_for_seconds_and_a_truth_value_for_no_number() -> None:
    assert read_as(Inner, {"place": "/a", "seconds": 2}) == Inner(Path("/a"), 2.0)
    for kind in (int, float):
        with pytest.raises(MisfitError):
            read_as(kind, True)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"inner": {"place": 1, "seconds": 1}}, "inner: place: str expected, int found; NoneType expected, dict found"),
        ({"names": "ab"}, "names: list expected, str found"),
        ({"pair": [1]}, "pair: 2 values expected, 1 found"),
        ({"colour": "blue"}, "colour: 'blue' is not a valid Colour"),
        ({"extra": 1}, "Outer has fields too few or too many: extra"),
        ({"steps": [1, "2"]}, "steps: int expected, str found"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(changed: dict[str, Any], told: str) -> None:
    plain = json.loads(write_json(WHOLE))
    with pytest.raises(MisfitError, match=told.replace("(", "\\(")):
        read_as(Outer, {**plain, **changed})


def test_a_field_that_is_missing_is_told() -> None:
    with pytest.raises(MisfitError, match="too few or too many: seconds"):
        read_as(Inner, {"place": "/a"})


def test_what_has_no_form_in_json_is_not_written() -> None:
    with pytest.raises(TypeError, match="bytes cannot be written"):
        write_json(Inner(b"x", 1.0))  # type: ignore[arg-type]
