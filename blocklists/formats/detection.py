"""Which format a list has, by its first lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from blocklists.formats.names import is_address

SAMPLE_LINES: Final = 200  # that say something

_RPZ = re.compile(r"\$(?:TTL|ORIGIN)\b|.*\s(?:CNAME|SOA|NS|AAAA|A)\s+\S", re.IGNORECASE)
_UNBOUND = re.compile(r"(?:local-zone|local-data|server):")
_DNSMASQ = re.compile(r"(?:address|server|local)=/")
_ADBLOCK = re.compile(r"(?:@@)?\|\|?|@@|.*(?:##|#@#|\^\$|\^$)|\[(?:Adblock|uBlock|AdGuard)", re.IGNORECASE)


def says_something(line: str) -> bool:
    """Whether a line is neither empty nor a comment in every format."""
    text = line.strip()
    return bool(text) and not (text[0] in "!;#" and "##" not in text[:3])


def detect(sample: Sequence[str]) -> str:
    """The format of most lines of the sample; a single filter among names makes a list of filters."""
    votes = Counter(_vote(line) for line in sample)
    if not votes:
        return "domains"
    if votes["adblock"] and votes["adblock"] + votes["domains"] + votes["hosts"] == votes.total():
        return "adblock"
    return max(votes, key=lambda name: (votes[name], name))


def _vote(line: str) -> str:
    text = line.strip()
    if _DNSMASQ.match(text):
        return "dnsmasq"
    if _UNBOUND.match(text):
        return "unbound"
    first, _, rest = text.partition(" ") if " " in text else text.partition("\t")
    if rest and is_address(first):
        return "hosts"
    if _ADBLOCK.match(text):
        return "adblock"
    return "rpz" if _RPZ.match(line) else "domains"
