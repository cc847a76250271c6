"""Where a search of the query log goes on, and what was newest at a moment. Opaque to clients, and checked."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class BadCursor(ValueError):
    """A `cursor` that we did not give."""


class BadAfter(ValueError):
    """An `after` that we did not give."""


class SearchPlace(NamedTuple):
    """All queries of a day's blocks that are lower by time (Unix milliseconds) and then by id, and no higher than the
    last; all of its rows, where an older version has written some; and all older days.

    Without a time: all rows of that day whose ids are below, and all older days.
    """

    day: str
    below: int
    at: int | None = None
    last: int = 0


MOST_ID: Final = 1 << 62
START: Final = SearchPlace("9", MOST_ID)
"""All there is."""

Marks = Mapping[str, int]
"""The newest days of a moment, each with its last id: what has a higher one, or a newer day, was written later."""


def place_of(cursor: str | None) -> SearchPlace:
    """The place of a cursor; of None, the start. Raises BadCursor."""
    if cursor is None:
        return START
    match _decoded(cursor):
        case [str(day), int(below), *more] if _are_numbers(below, *more):
            match more:
                case []:
                    return SearchPlace(day, below)
                case [int(at), int(last)]:
                    return SearchPlace(day, below, at, last)
    raise BadCursor("an invalid cursor")


def marks_of(after: str | None) -> Marks | None:
    """The marks that a text holds; None of None. Raises BadAfter."""
    if after is None:
        return None
    marks = _decoded(after)
    if not isinstance(marks, dict) or not all(type(mark) is int and 0 <= mark <= MOST_ID for mark in marks.values()):
        raise BadAfter("an invalid `after`")
    return marks


def text_of(value: tuple[str | int | None, ...] | Marks) -> str:
    """The cursor of a place, or the text of marks."""
    if isinstance(value, SearchPlace) and value.at is None:
        value = value[:2]
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


def _are_numbers(*values: object) -> bool:
    return all(type(value) is int and 0 <= value <= MOST_ID for value in values)


def _decoded(text: str) -> Any:
    try:
        return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, TypeError, RecursionError):
        return None
