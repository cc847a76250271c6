"""What is wrong with what was asked for."""

from __future__ import annotations

from collections.abc import Iterable

from resolver.config.wording import KeyPath
from resolver.errors import MoatdnsError


class Invalid(MoatdnsError):
    """What was asked for cannot be. `errors` are pairs of a JSON pointer into it (RFC 6901) and what is wrong there."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{pointer}: {text}" if pointer else text for pointer, text in errors))
        self.errors = errors


def pointer(path: Iterable[str | int]) -> str:
    """A key path as a JSON pointer."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def raise_invalid(mistakes: Iterable[tuple[KeyPath, str]]) -> None:
    """Raise Invalid when there is a mistake among these."""
    errors = [(pointer(path), text) for path, text in mistakes]
    if errors:
        raise Invalid(errors)
