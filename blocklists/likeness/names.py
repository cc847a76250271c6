"""Evidence in a name itself: words in its labels, names of listed services within them, its top-level domain."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from blocklists.likeness.evidence import Evidence
from blocklists.likeness.words import (
    ANYWHERE,
    BRAND_POINTS,
    ENDS,
    HOSTS,
    NO_AI_BEGINS,
    NO_AI_ENDS,
    PARTS,
    SHORT_BRANDS,
    TOP_LEVEL,
)
from resolver.config.suffixes import is_public_suffix

_PARTS: Final = re.compile(r"[a-z]+")
_ANYWHERE: Final = re.compile("|".join(sorted(ANYWHERE, key=len, reverse=True)))
_ENDS_LONGEST_FIRST: Final = "|".join(sorted(ENDS, key=len, reverse=True))
_BEGINS: Final = re.compile(_ENDS_LONGEST_FIRST)
_ENDS: Final = re.compile(f"(?:{_ENDS_LONGEST_FIRST})\\Z")
LEAST_BRAND: Final = 4  # characters
_LEAST_BEHIND: Final = 3  # letters that are left of a part beside a word at its end
_ENDS_IN_AI, _BEGINS_WITH_AI = 24, 10
_BELOW: Final = 0.2  # of its points has a word in a label in front of the registrable domain: everybody calls hosts so
_AT_A_HOSTER: Final = 0.5  # the same of a customer's label below a hoster's domain
_MOST_LABELS: Final = 6
_LONGEST_LABEL: Final = 40  # characters; what is longer is nobody's word


class Brands:
    """Names of listed services, found within labels: hundreds of them, so that an expression would try each."""

    def __init__(self, names: Iterable[str]) -> None:
        """Each has LEAST_BRAND characters or more; others are left out."""
        found: dict[str, list[str]] = {}
        for name in sorted({*names, *SHORT_BRANDS}, key=len, reverse=True):
            if len(name) >= LEAST_BRAND:
                found.setdefault(name[:LEAST_BRAND], []).append(name)
        self._by_begin = found

    def within(self, label: str) -> tuple[str, int] | None:
        """The first of them that is in a label, with its points; None where there is none."""
        by_begin = self._by_begin
        for start in range(len(label) - LEAST_BRAND + 1):
            for name in by_begin.get(label[start : start + LEAST_BRAND], ()):
                if label.startswith(name, start):
                    return name, BRAND_POINTS[0 if name == label else 1 if start == 0 else 2]
        return None


def evidence_in_name(registrable: str, hosts: Iterable[str], brands: Brands) -> Iterator[Evidence]:
    """Evidence in a registrable domain and hosts below it, all in lower case. `brands` finds listed services' names."""
    own, _, suffix = registrable.partition(".")
    if points := TOP_LEVEL.get(suffix, 0):
        yield Evidence("top-level", f".{suffix}", points)
    seen: set[str] = set()
    part = 1.0 if is_public_suffix(suffix) else _AT_A_HOSTER
    for word, points in _words(own, brands):
        seen.add(word)
        yield Evidence("word", word, round(points * part))
    for label in _labels_below(registrable, hosts):
        if points := HOSTS.get(label, 0):
            yield Evidence("host", label, points)
            continue
        for word, points in _words(label, brands):
            if word not in seen:
                seen.add(word)
                yield Evidence("host", word, round(points * _BELOW))


def _labels_below(registrable: str, hosts: Iterable[str]) -> list[str]:
    labels: dict[str, None] = {}
    for host in hosts:
        if host.endswith(f".{registrable}"):
            labels.update(dict.fromkeys(host[: -len(registrable) - 1].split(".")))
    return list(labels)[:_MOST_LABELS]


def _words(label: str, brands: Brands) -> Iterator[tuple[str, int]]:
    """Words of one label with their points, each once."""
    if len(label) > _LONGEST_LABEL:
        return
    found: dict[str, int] = {}
    for match in _ANYWHERE.finditer(label):
        found[match[0]] = ANYWHERE[match[0]]
    brand = brands.within(label)
    if brand is not None:
        found.setdefault(*brand)
    for part in _PARTS.findall(label):
        if points := PARTS.get(part, 0):
            found.setdefault(part, points)
        elif part not in found:
            found.update({word: points for word, points in _at_ends(part) if word not in found})
    yield from found.items()


def _at_ends(part: str) -> Iterator[tuple[str, int]]:
    if part.endswith("ai") and len(part) - 2 >= _LEAST_BEHIND and not part.endswith(NO_AI_ENDS):
        yield "…ai", _ENDS_IN_AI
    elif part.startswith("ai") and len(part) - 2 >= _LEAST_BEHIND - 1 and not part.startswith(NO_AI_BEGINS):
        yield "ai…", _BEGINS_WITH_AI
    for found in (_BEGINS.match(part), _ENDS.search(part)):
        if found is not None and len(part) - len(found[0]) >= _LEAST_BEHIND - 1:
            yield found[0], ENDS[found[0]]
