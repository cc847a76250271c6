"""Persons as their names are compared: owners of tokens, who asked, who decides. The one place of it.

People have no accounts yet, so a name is all there is. Two spellings that look the same on a screen must not count as
two persons.
"""

from __future__ import annotations

import unicodedata
from typing import Final

BLOCK_PAGE: Final = "block-page"
"""Actor of requests that are made on the block page. Nobody has verified what they say of a person."""

NOT_VERIFIED: Final = " (not verified)"
"""Stands behind the name that was typed into the block page's form."""

# Letters that show nothing, beside category Cf (Unicode's Default_Ignorable_Code_Point, and the blank of Braille).
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2065\u2800\u3164\uffa0")
_SELECTORS = ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0000, 0xE0FFF))


def normal_form(name: str) -> str:
    """A name as it is compared: NFKC, case folded, white space collapsed and stripped, what shows nothing left out."""
    before = None
    while name != before:  # one turn may make what the next one folds further
        before = name
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        seen = "".join(letter for letter in folded if letter.isspace() or _is_seen(letter))
        name = " ".join(seen.split())
    return name


def is_same_person(one: str, other: str) -> bool:
    """Whether two names are of one person. A name that shows nothing is nobody's, and so never of another person."""
    first, second = normal_form(one), normal_form(other)
    return first == second or not first or not second


def _is_seen(letter: str) -> bool:
    code = ord(letter)
    is_selector = any(first <= code <= last for first, last in _SELECTORS)
    return not is_selector and letter not in _UNSEEN and unicodedata.category(letter) not in ("Cf", "Cc")
