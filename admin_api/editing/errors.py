"""Mistakes in what was asked for, and JSON pointers to them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from resolver.config.wording import KeyPath
from resolver.errors import MoatdnsError

_INDEX = re.compile(r"(0|[1-9][0-9]{0,8})\Z")


class Invalid(MoatdnsError):
    """Invalid input. `errors` are pairs of a JSON pointer into it (RFC 6901) and what is wrong there."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{pointer}: {text}" if pointer else text for pointer, text in errors))
        self.errors = errors


def pointer(path: Iterable[str | int]) -> str:
    """A key path as a JSON pointer."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def path_of(pointer: str) -> KeyPath:
    """A JSON pointer as a key path; what looks like a list's index is one."""
    parts = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
    return tuple(int(part) if _INDEX.match(part) else part for part in parts)


def raise_invalid(mistakes: Iterable[tuple[KeyPath, str]]) -> None:
    """Raise Invalid when there is a mistake among these."""
    errors = [(pointer(path), text) for path, text in mistakes]
    if errors:
        raise Invalid(errors)
