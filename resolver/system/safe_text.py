"""Text from elsewhere made harmless: what a terminal, a browser or a spreadsheet would obey is written out.

The one place that says which characters act. Everything that shows text to a person goes through here: the commands,
the log, the web pages, CSV. Text that people give as one line (owners, reasons, identities) is refused with it.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from resolver.errors import RuleError

# Control (C0, C1, ESC), format (writing directions, zero widths, tags), private use, surrogates, line and paragraph
# separators.
_ACTING: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
# Letters that show nothing, so that two texts look like one (Default_Ignorable_Code_Point, and the blank of Braille).
_BLANKS: Final = "\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
# Persian and Indic words are spelled with them (RFC 5892 appendix A); next to ASCII they only hide.
_JOINERS: Final = "\u200c\u200d"
_OF_PROSE: Final = _JOINERS + "\u200e\u200f\u061c"  # emoji, and marks between words of two directions; no overrides
# Signs that have a spreadsheet work out what follows; tabs and line breaks are written out before.
_FORMULA: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


# Each is compiled when the first text comes that is not plain: that takes milliseconds, and most processes see none.
@functools.cache
def _looked_at() -> re.Pattern[str]:
    """Of one line: all that may act, and what has to be looked at for that."""
    return re.compile(rf"[^\w -~]|[{_BLANKS}]")


@functools.cache
def _looked_at_in_lines() -> re.Pattern[str]:
    """Likewise of several lines; a bare CR writes over its line."""
    return re.compile(rf"\r(?!\n)|[^\w\n\r\t -~]|[{_BLANKS}]")


@functools.cache
def _beyond_ascii() -> re.Pattern[str]:
    return re.compile("[\x7f-\U0010ffff]")


def acts(character: str) -> bool:
    """Whether a character does something to its surroundings, or nothing at all, instead of being seen."""
    return unicodedata.category(character) in _ACTING or character in _BLANKS


def _is_plain(text: str) -> bool:
    """Whether no character has to be looked at. Cheap for ASCII."""
    return text.isprintable() and (text.isascii() or not any(blank in text for blank in _BLANKS))


def visible(text: str) -> str:
    r"""Text on one line, with every character that acts written out, as in ``\u{1b}``."""
    return text if _is_plain(text) else _looked_at().sub(_written_out, text)


def visible_lines(text: str) -> str:
    """The same for text that has lines of its own: line breaks and tabs stay."""
    return text if _is_plain(text) else _looked_at_in_lines().sub(_written_out, text)


def visible_json(text: str) -> str:
    r"""JSON with every character that acts as ``\uXXXX`` in it, which means the same (RFC 8259 section 7).

    JSON's own rules write out C0 only: C1 and writing directions would act where somebody prints a reply.
    """
    return text if text.isascii() and "\x7f" not in text else _beyond_ascii().sub(_as_json, text)


def visible_fields(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields of a log line, however deep their text is."""
    return {visible(name): _visible_value(value) for name, value in fields.items()}


def cell(text: str) -> str:
    """Text as a spreadsheet's cell that is only ever read."""
    seen = visible(text)
    return f"'{seen}" if seen.lstrip().startswith(_FORMULA) else seen


def refuse_acting(text: str) -> None:
    """Raise RuleError where a text that is one line holds a character that acts."""
    if _is_plain(text):
        return
    for found in _looked_at().finditer(text):
        if acts(found[0]) and not (found[0] in _JOINERS and _joins(text, found.start())):
            raise RuleError(f"{_told(found)}; it is one line")


def refuse_acting_in_prose(text: str) -> None:
    """Raise RuleError where a note for people holds a character that acts: all but line breaks, tabs and joiners."""
    if _is_plain(text):
        return
    for found in _looked_at_in_lines().finditer(text):
        if acts(found[0]) and found[0] not in _OF_PROSE:
            raise RuleError(_told(found))


def _told(found: re.Match[str]) -> str:
    return (
        f"holds {_written_out(found)} at character {found.start() + 1}, which is invisible but changes the text "
        "around it: remove control characters, writing directions and zero-width characters"
    )


def _joins(text: str, place: int) -> bool:
    around = text[max(place - 1, 0) : place + 2]
    return 0 < place < len(text) - 1 and not any(letter.isascii() or acts(letter) for letter in (around[0], around[2]))


def _written_out(found: re.Match[str]) -> str:
    character = found[0]
    return f"\\u{{{ord(character):x}}}" if acts(character) else character


def _as_json(found: re.Match[str]) -> str:
    character = found[0]
    if not acts(character):
        return character
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000  # a surrogate pair (RFC 8259 section 7)
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def _visible_value(value: object) -> object:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return visible_fields({str(name): part for name, part in value.items()})
    if isinstance(value, list | tuple | set | frozenset):
        return [_visible_value(part) for part in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return visible(str(value))
