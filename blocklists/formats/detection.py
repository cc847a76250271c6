"""Format of a list, told by its first lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from blocklists.formats.names import is_address

SAMPLE_LINES: Final = 200  # that say something

_RECORD = r"\S*(?:\s+(?:[0-9]\w*|IN|CH|HS))*\s+(?:{})\s+\S"  # owner, TTL and class, type, data
_RPZ = re.compile(_RECORD.format("CNAME|DNAME|NS|AAAA|A|TXT"), re.IGNORECASE)
_ZONE_FILE = re.compile(r"\$(?:TTL|ORIGIN)\s|" + _RECORD.format("SOA"), re.IGNORECASE)  # nothing else has these
_UNBOUND = re.compile(r"(?:local-zone|local-data|server):")
_DNSMASQ = re.compile(r"(?:address|server|local)\s*=\s*\"?/")
_ADBLOCK = re.compile(r"(?:@@)?\|\|?|@@|[a-z*]*://[^/\s]*\^|\S*\^(?:\$|\Z)|\[(?:Adblock|uBlock|AdGuard)", re.IGNORECASE)
_COSMETIC = re.compile(r"[^\s#]*#[@?$%]*##?[^\s#]")  # and no banner: "#####", "## names of others"
_TRAILING = re.compile(r"\s(?:#|;|//)")


def says_something(line: str) -> bool:
    """Whether a line is neither empty nor a comment in every format."""
    text = line.strip()
    return bool(text) and not text.startswith(("!", ";", "//")) and (text[0] != "#" or bool(_COSMETIC.match(text)))


def detect(sample: Sequence[str]) -> str:
    """The format of most lines of the sample; a single filter among names makes a list of filters."""
    if any(_ZONE_FILE.match(line) for line in sample):
        return "rpz"  # although the numbers of its SOA may stand on more lines than its rules
    votes = Counter(_vote(line) for line in sample)
    if not votes:
        return "domains"
    if votes["adblock"] and votes["adblock"] + votes["domains"] + votes["hosts"] == votes.total():
        return "adblock"
    return max(votes, key=lambda name: (votes[name], name))


def _vote(line: str) -> str:
    said = _TRAILING.split(line, maxsplit=1)[0] if line[:1].strip() else line  # English looks like records: "is a b"
    text = said.strip()
    if _DNSMASQ.match(text):
        return "dnsmasq"
    if _UNBOUND.match(text):
        return "unbound"
    words = text.split(maxsplit=1)
    if len(words) > 1 and is_address(words[0]):
        return "hosts"
    if _ADBLOCK.match(text) or _COSMETIC.match(text):
        return "adblock"
    return "rpz" if _RPZ.match(said) else "domains"
