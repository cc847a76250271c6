"""Persons as their names are compared: owners of tokens, who asked, who decides. The one place of it.

A token's owner is free text: a name is all there is. Who signs in at an OpenID provider has a subject, too, written
behind the name: "Ada <https://login.corp.example 248289761001>". Two spellings that look the same on a screen must not
count as two persons.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import quote

BLOCK_PAGE: Final = "block-page"
"""Actor of requests that are made on the block page. Nobody has verified what they say of a person."""

NOT_VERIFIED: Final = " (not verified)"
"""Stands behind the name that was typed into the block page's form."""

LONGEST_NAME: Final = 100
"""Characters of the name of who signs in."""

_WITH_SUBJECT = re.compile(r"(?P<name>.*) <(?P<subject>https?://[^\s<>]+ [^\s<>]+)>\Z", re.DOTALL)

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


def person_text(name: str, issuer: str, subject: str) -> str:
    """A person with a subject, as owners and the audit trail have it. The subject is percent-encoded (RFC 3986)."""
    plain = " ".join("".join(letter for letter in name if letter not in "<>" and letter.isprintable()).split())
    return f"{plain[:LONGEST_NAME].strip()} <{issuer} {quote(subject, safe='|@:')}>"


def name_of(person: str) -> str:
    """The name alone, as people are shown it."""
    found = _WITH_SUBJECT.match(person)
    return person if found is None else found["name"]


def keys_of(person: str) -> tuple[str, ...]:
    """Marks that a person is known by: the normal form of the name, and the subject where there is one."""
    found = _WITH_SUBJECT.match(person)
    return (normal_form(person),) if found is None else (normal_form(found["name"]), f"<{found['subject']}>")


def is_same_person(one: str, other: str) -> bool:
    """Whether two are one person: of the same subject, compared exactly, or the same normal form of the name.

    A name that shows nothing is nobody's, and so never of another person.
    """
    first, second = keys_of(one), keys_of(other)
    return not first[0] or not second[0] or not set(first).isdisjoint(second)


def _is_seen(letter: str) -> bool:
    code = ord(letter)
    is_selector = any(first <= code <= last for first, last in _SELECTORS)
    return not is_selector and letter not in _UNSEEN and unicodedata.category(letter) not in ("Cf", "Cc")
