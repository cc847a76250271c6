"""Persons as their names are compared: owners of tokens, who asked, who decides. The one place of it.

A token's owner is free text: a name is all there is. Who signs in at an OpenID provider has a subject, too, written
behind the name, and behind that the other names that the provider knows: "Ada <https://login.corp.example 248289761001;
ada@corp.example>". Two spellings that look the same on a screen must not count as two persons.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, unquote

from resolver.system.identities import folded

BLOCK_PAGE: Final = "block-page"
"""Actor of requests that are made on the block page. Nobody has verified what they say of a person."""

NOT_VERIFIED: Final = " (not verified)"
"""Stands behind the name that was typed into the block page's form."""

FIRST_OWNER: Final = "whoever installed moatdns"
"""Owner of the first token and of login links: a person without a name, who may sign in as well."""

LONGEST_NAME: Final = 100
"""Characters of the name of who signs in."""

_LONGEST_OTHER = 254  # of another name: a mail address (RFC 5321 section 4.5.3.1.3)
_PLAIN = "|@:"  # of what is percent-encoded

_WITH_SUBJECT = re.compile(
    r"(?P<name>.*) <(?P<subject>https?://[^\s<>]+ (?P<id>[^\s<>;]+))(?P<others>(?:; [^<>;]+)*)>\Z", re.DOTALL
)

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


def identity_form(identity: str) -> str:
    """An identity, as leases and certificates have it, as erasures compare it: the same for every way to write it."""
    return normal_form(folded(identity))


def person_text(name: str, issuer: str, subject: str, others: Iterable[str] = ()) -> str:
    """A person with a subject, as owners and the audit trail have it. The subject is percent-encoded (RFC 3986).

    `others` are further names of the provider's, such as a mail address, which stand there in their normal form; those
    that say nothing new are left out.
    """
    shown = _shown(name)
    # Where a person's name is the subject, a further name that is the same says that it is a name.
    forms = set() if shown == _shown(subject) else {normal_form(shown)}
    behind = [f"{issuer} {quote(subject, safe=_PLAIN)}"]
    for other in others:
        form = normal_form(other)
        if form and form not in forms and len(form) <= _LONGEST_OTHER:
            forms.add(form)
            behind.append("".join(map(_within, form)))
    return f"{shown} <{'; '.join(behind)}>"


def _within(letter: str) -> str:
    """A letter of a name as it stands between marks, percent-encoded where it is one itself."""
    return letter if letter.isprintable() and letter not in "%;<>" else quote(letter, safe="", errors="replace")


def _shown(name: str) -> str:
    """A name as people are shown it: in one line, not too long, without the marks that a subject stands in."""
    plain = " ".join("".join(letter for letter in name if letter not in "<>" and letter.isprintable()).split())
    return plain[:LONGEST_NAME].strip()


def name_of(person: str) -> str:
    """The name alone, as people are shown it."""
    found = _WITH_SUBJECT.match(person)
    return person if found is None else found["name"]


def keys_of(person: str) -> tuple[str, ...]:
    """Marks that a person is known by: the normal form of the name; where there is a subject, that and all names."""
    found = _WITH_SUBJECT.match(person)
    if found is None:
        return (normal_form(person),)
    others = (normal_form(unquote(other)) for other in found["others"].split("; ")[1:])
    return normal_form(found["name"]), f"<{found['subject']}>", *(form for form in others if form)


def is_same_person(one: str, other: str) -> bool:
    """Whether two are one person: of the same subject, compared exactly, or the same normal form of a name.

    A name that shows nothing is nobody's, and so never of another person. Nor is a free text told apart from a subject
    that has no name, or the first owner from anybody who signs in.
    """
    first, second = keys_of(one), keys_of(other)
    if not first[0] or not second[0] or not set(first).isdisjoint(second):
        return True
    subjects = [person for person in (one, other) if _WITH_SUBJECT.match(person)]
    if len(subjects) != 1:
        return False
    return _is_nameless(subjects[0]) or normal_form(FIRST_OWNER) in (first[0], second[0])


def _is_nameless(person: str) -> bool:
    """Whether a subject is all that is known of a person."""
    found = _WITH_SUBJECT.match(person)
    return found is not None and not found["others"] and found["name"] == _shown(unquote(found["id"]))


def _is_seen(letter: str) -> bool:
    code = ord(letter)
    is_selector = any(first <= code <= last for first, last in _SELECTORS)
    return not is_selector and letter not in _UNSEEN and unicodedata.category(letter) not in ("Cf", "Cc")
