"""Differences between two states of a thing, in lines that people can read: only what differs, old before new."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from admin_api.api import models
from admin_api.pages.shared.templates import grouped

_MOST_LINES = 200
_MOST_CHARACTERS = 2000  # of a value
_MISSING = object()


@dataclass(frozen=True, slots=True)
class Line:
    """`sign` is '-' (was), '+' (is) or '' (told beside)."""

    sign: str
    key: str
    text: str


def differences(before: Any, after: Any) -> list[Line]:
    """The lines between two plain JSON values; None stands for nothing at all."""
    lines: list[Line] = []
    for line in _between("", _MISSING if before is None else before, _MISSING if after is None else after):
        if len(lines) == _MOST_LINES:
            lines.append(Line("", "", "and more"))
            break
        lines.append(line)
    return lines


def planned_lines(item: models.PlannedItem) -> list[Line]:
    """Those of a planned change, with the rules that come and go."""
    lines = differences(item.before, item.after)
    for sign, side in (("+", item.added), ("-", item.removed)):
        lines += [Line(sign, "rule", rule) for rule in side.some]
        if side.count > len(side.some):
            lines.append(Line(sign, "", f"and {grouped(side.count - len(side.some))} more rules"))
    return lines


def _between(key: str, before: Any, after: Any) -> Iterator[Line]:
    if before == after and type(before) is type(after):
        return
    if isinstance(before, Mapping) or isinstance(after, Mapping):
        yield from _of_mappings(key, before, after)
        return
    if isinstance(before, list) and isinstance(after, list):
        gone, come = _only_in(before, after), _only_in(after, before)
        if gone or come:  # else the lists differ by the order of what is in them
            yield from (Line("-", key, _text(item)) for item in gone)
            yield from (Line("+", key, _text(item)) for item in come)
            return
    if before is not _MISSING:
        yield Line("-", key, _text(before))
    if after is not _MISSING:
        yield Line("+", key, _text(after))


def _of_mappings(key: str, before: Any, after: Any) -> Iterator[Line]:
    """Key by key; what is no mapping on one side stands there whole."""
    old, new = (value if isinstance(value, Mapping) else {} for value in (before, after))
    if not isinstance(before, Mapping) and before not in (_MISSING, None):
        yield Line("-", key, _text(before))
    for name in [*old, *(name for name in new if name not in old)]:
        inner = f"{key} › {name}" if key else str(name)
        was, now = (side.get(name, _MISSING) for side in (old, new))
        # Of a thing that comes or goes as a whole, what is not set says nothing.
        if not old or not new:
            was, now = (_MISSING if value in (None, "", [], {}) else value for value in (was, now))
        yield from _between(inner, was, now)
    if not isinstance(after, Mapping) and after not in (_MISSING, None):
        yield Line("+", key, _text(after))


def _only_in(these: list[Any], others: list[Any]) -> list[Any]:
    """Those items that are not among the others, in their order; in time that grows with the number of items alone."""
    known = {_as_key(item) for item in others}
    return [item for item in these if _as_key(item) not in known]


def _as_key(item: Any) -> str:
    return json.dumps(item, sort_keys=True)  # items may be lists and mappings, which no set takes


def _text(value: Any) -> str:
    text = _said(value)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


def _said(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str | int) for item in value):
        return ", ".join(map(str, value)) or "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
