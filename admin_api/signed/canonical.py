"""Canonical JSON (RFC 8785), as far as signed files need it: all but numbers that are not whole."""

from __future__ import annotations

import json
from typing import Any, Final

MOST_NUMBER: Final = 2**53 - 1
"""The largest whole number that every reader of JSON has exactly (RFC 8785 section 3.2.2.3, RFC 7493 section 2.2)."""


def writable(value: Any) -> Any:
    """A value whose text is all valid: lone surrogates, which no UTF-8 can hold, are question marks."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {writable(name): writable(each) for name, each in value.items()}
    return [writable(each) for each in value] if isinstance(value, list | tuple) else value


def canonical_octets(value: object) -> bytes:
    """The one text of a value, as UTF-8. Raises ValueError for what has none: fractions, lone surrogates."""
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts).encode("utf-8")  # of a lone surrogate: UnicodeEncodeError, a ValueError


def _write(value: object, parts: list[str]) -> None:
    if value is None or isinstance(value, bool):
        parts.append({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, str):
        parts.append(json.dumps(value, ensure_ascii=False))  # escapes what RFC 8785 section 3.2.2.2 does, and alike
    elif isinstance(value, int):
        if abs(value) > MOST_NUMBER:
            raise ValueError(f"{value} is a number that not every reader of JSON has exactly")
        parts.append(str(value))
    elif isinstance(value, list | tuple):
        parts.append("[")
        for index, each in enumerate(value):
            parts.append("," if index else "")
            _write(each, parts)
        parts.append("]")
    elif isinstance(value, dict):
        _write_object(value, parts)
    else:
        raise ValueError(f"{str(value)[:100]} is not of a kind that signed files have")


def _write_object(value: dict[object, object], parts: list[str]) -> None:
    parts.append("{")
    # By UTF-16 code units (section 3.2.3), which is not the order of code points.
    for index, name in enumerate(sorted(value, key=lambda name: str(name).encode("utf-16-be", "surrogatepass"))):
        if not isinstance(name, str):
            raise ValueError(f"{name!r} is no name of an object's member")  # noqa: TRY004 (as of all that is refused)
        parts.append("," if index else "")
        _write(name, parts)
        parts.append(":")
        _write(value[name], parts)
    parts.append("}")
