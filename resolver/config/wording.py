"""Words for people: how a value, a key path and a suggestion read in an error. No I/O, no state."""

from __future__ import annotations

import re
from collections.abc import Iterable

KeyPath = tuple[str | int, ...]
"""Path of a value in the file: keys and list indexes from the top, as in ``("policy", "groups", 0)``."""

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")
_LONGEST_SHOWN = 80  # characters of a value that an error repeats
_LONGEST_SUGGESTED = 128  # characters of a word that is looked up: difflib's cost grows with its square


def shown(value: object) -> str:
    """A value of the file as an error names it: short, on one line."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a section of keys"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


def path_text(path: KeyPath) -> str:
    """A key path as it is written in errors: ``policy.groups[1].networks[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _PLAIN_KEY.match(part) else shown(part))
    return text


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be, or None when none is close."""
    if len(word) > _LONGEST_SUGGESTED:
        return None
    import difflib  # noqa: PLC0415 (for whoever made a mistake, and not in every process)

    close = difflib.get_close_matches(word.lower(), list(known), n=1)
    return close[0] if close else None


def either(words: Iterable[str]) -> str:
    """The words as a choice: ``'a', 'b' or 'c'``."""
    *others, last = [repr(word) for word in words]
    return f"{', '.join(others)} or {last}" if others else last
