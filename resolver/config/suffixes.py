"""Public suffixes: names such as ``com`` and ``co.uk``, below which everybody may register.

The registries' part of the Public Suffix List only: companies put domains of their own into the other part (github.io,
claudeusercontent.com), and those may be blocked whole. The list is the one that the package `publicsuffixlist` brings;
its own look-up takes five microseconds, and lists have millions of names.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

import publicsuffixlist

_END = "// ===END ICANN DOMAINS==="


class _Suffixes(NamedTuple):
    names: frozenset[str]
    parents: frozenset[str]  # of wildcards: each is a suffix, and each name directly below
    exceptions: frozenset[str]


def is_public_suffix(name: str) -> bool:
    """Whether a name, in lower case and A-labels, is a public suffix. An unknown top-level domain is none."""
    suffixes = _suffixes()
    if name in suffixes.names:
        return True
    return name.partition(".")[2] in suffixes.parents and name not in suffixes.exceptions


@functools.cache
def _suffixes() -> _Suffixes:
    names: set[str] = set()
    parents: set[str] = set()
    exceptions: set[str] = set()
    text = Path(publicsuffixlist.PSLFILE).read_text(encoding="utf-8")
    for line in text.partition(_END)[0].splitlines():
        rule = line.partition(" ")[0].lower()
        if not rule or rule.startswith("//"):
            continue
        found = exceptions if rule[0] == "!" else parents if rule.startswith("*.") else names
        found.add(rule.removeprefix("!").removeprefix("*.").encode("idna").decode())
    return _Suffixes(frozenset(names | parents), frozenset(parents), frozenset(exceptions))
