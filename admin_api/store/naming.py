"""Whether a text names a person: as a whole, or as a word of it. For striking what was written about somebody."""

from __future__ import annotations

import re
from typing import Final

from admin_api.persons import NOT_VERIFIED, keys_of, normal_form

SHORTEST_WORD: Final = 3
"""Characters of the shortest name that is looked for within a text: shorter ones are words of their own too often."""


class Naming:
    """A person's name, as texts are looked at for it. Raises ValueError for a name that shows nothing.

    A word is the name if no letter, digit, `@` or `_` touches it, nor a mark (`.`, `-`, `+`, `'`) with one behind:
    "ana" is not named by "ana@corp.example" or "ana-maria", but by "for Ana.".
    """

    def __init__(self, name: str) -> None:
        form, *subject = keys_of(name.removesuffix(NOT_VERIFIED))
        if not form:
            raise ValueError("a name that shows nothing is nobody's")
        self._form = form
        self._subjects = tuple(f"{subject[0].removesuffix('>')}{end}" for end in ">;") if subject else ()
        self._word = re.compile(rf"(?<![\w@])(?<!\w[.\-+']){re.escape(form)}(?![\w@])(?![.\-+']\w)")

    def is_in(self, text: str) -> bool:
        """Whether the text is the name, by normal form or subject, or has it as a word."""
        form = _form_of(text.removesuffix(NOT_VERIFIED))
        if form == self._form or any(subject in text for subject in self._subjects):
            return True
        return len(self._form) >= SHORTEST_WORD and self._form in form and self._word.search(form) is not None


def _form_of(text: str) -> str:
    # Of most texts: what `normal_form` makes of them, without looking at each letter.
    return " ".join(text.casefold().split()) if text.isascii() and text.isprintable() else normal_form(text)
