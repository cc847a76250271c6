"""Search for patterns with ``**`` (any run of characters), as lists for other programs have them, without automata.

A name is looked up by how it ends, in a table of what patterns end with. Of a pattern that ends so, the pieces are
searched for from the left, each at its first place: that takes time linear in the name, whatever the pattern.
"""

from __future__ import annotations

from collections.abc import Sequence

from resolver.policy.rule_syntax import RUN, RuleForm

_BOUNDARY = "."


class RunSearch:
    """Patterns, known by their numbers."""

    def __init__(self, patterns: Sequence[tuple[int, RuleForm, str]]) -> None:
        """Number, form, and pattern without the form's prefix."""
        self._by_end: dict[str, list[tuple[int, RuleForm, list[str]]]] = {}
        for number, form, written in patterns:
            pieces = written.split(RUN)
            self._by_end.setdefault(pieces.pop(), []).append((number, form, pieces))
        self._lengths = sorted({len(end) for end in self._by_end})

    def found(self, text: str) -> list[int]:
        """The numbers of the patterns that a name matches, in lower-case presentation form."""
        numbers: list[int] = []
        size = len(text)
        for length in self._lengths:
            if length > size:
                break
            alike = self._by_end.get(text[size - length :])
            if alike is not None:
                end = size - length
                numbers += [number for number, form, pieces in alike if _begins(text, end, form, pieces)]
        return numbers


def _begins(text: str, end: int, form: RuleForm, pieces: list[str]) -> bool:
    """Whether the pieces are in the text before `end`, in order, the first one where the form has it."""
    first = pieces[0]
    if form is not RuleForm.BELOW and text.startswith(first):
        at = 0
    elif form is RuleForm.EXACT:
        return False
    else:
        at = text.find(_BOUNDARY + first) + 1
        if at == 0:
            return False
    at += len(first)
    for piece in pieces[1:]:
        at = text.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return at <= end
