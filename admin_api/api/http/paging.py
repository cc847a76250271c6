"""Cursors: where a listing goes on. Opaque to clients, and checked when they come back."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel

from admin_api.api.http.call import ApiReply
from admin_api.api.models.common import Listing
from admin_api.editing.refusals import BadRequest

Row = TypeVar("Row")
Part = TypeVar("Part")


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


def part_of(cursor: str | None, kind: type[Part]) -> Part | None:
    """The one part of a cursor's place; None for the beginning. Raises BadRequest for one that we did not give."""
    place = place_of(cursor, kind)
    return place[0] if place else None


def moment_of(cursor: str | None) -> tuple[datetime, str] | None:
    """The place of a cursor by time and id. Raises BadRequest for one that we did not give."""
    place = place_of(cursor, str, str)
    try:
        return (datetime.fromisoformat(place[0]), place[1]) if place else None
    except ValueError:
        raise bad_cursor() from None


def page_reply(
    model: type[Listing[Any]],
    rows: Sequence[Row],
    limit: int,
    *columns: str,
    item: Callable[[Row], BaseModel] | None = None,
) -> ApiReply:
    """The first `limit` of rows, each as `item` makes it, or as it is; the cursor is of the last one's columns."""
    shown, following = rows[:limit], None
    if len(rows) > limit:
        place = [getattr(shown[-1], column) for column in columns]
        following = cursor_of(*(part.isoformat() if isinstance(part, datetime) else part for part in place))
    items = shown if item is None else [item(row) for row in shown]
    return ApiReply(model.model_validate({"items": items, "next": following}, from_attributes=True))


def bad_cursor() -> BadRequest:
    """The refusal (422) of an invalid cursor."""
    return BadRequest(422, "the cursor is invalid", [("/cursor", "is not a cursor: use `next` of the last page")])


def bad_after() -> BadRequest:
    """The refusal (422) of an invalid `after`."""
    return BadRequest(422, "`after` is invalid", [("/after", "is invalid: use `newest` of an earlier page")])
