"""Cursors: where a listing goes on. Opaque to clients, and checked when they come back."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from admin_api.editing.refusals import BadRequest

Row = TypeVar("Row")


def cursor_of(*place: Any) -> str:
    """The cursor of a place."""
    return base64.urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).decode().rstrip("=")


def place_of(cursor: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """The place of a cursor; None for the beginning. Raises BadRequest for one that we did not give."""
    if cursor is None:
        return None
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        place = None
    if not isinstance(place, list) or [type(part) for part in place] != list(kinds):
        raise bad_cursor()
    return tuple(place)


def moment_of(cursor: str | None) -> tuple[datetime, str] | None:
    """The place of a cursor by time and id. Raises BadRequest for one that we did not give."""
    place = place_of(cursor, str, str)
    try:
        return (datetime.fromisoformat(place[0]), place[1]) if place else None
    except ValueError:
        raise bad_cursor() from None


def page_of(rows: Sequence[Row], limit: int, *columns: str) -> tuple[Sequence[Row], str | None]:
    """The first `limit` of rows, and where there are more, the cursor behind the last: the values of its columns."""
    if len(rows) <= limit:
        return rows, None
    place = [getattr(rows[limit - 1], column) for column in columns]
    return rows[:limit], cursor_of(*(part.isoformat() if isinstance(part, datetime) else part for part in place))


def bad_cursor() -> BadRequest:
    """The refusal (422) of a cursor that we did not give."""
    return BadRequest(
        422, "the cursor is none of ours", [("/cursor", "is not a cursor: take `next` of the page before")]
    )


def bad_after() -> BadRequest:
    """The refusal (422) of an `after` that we did not give."""
    return BadRequest(422, "`after` is none of ours", [("/after", "is not ours: take `newest` of an earlier page")])
