"""Response policy zones: master files (RFC 1035, section 5) whose names and records say what is to be done.

After draft-vixie-dnsop-dns-rpz: triggers by name are read; those by address or name server are counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from blocklists.formats.content import Collector
from blocklists.formats.names import Lines
from resolver.rules import is_plain

_COMMENT = re.compile(r"\s*;.*")
_CLASSES = frozenset({"IN", "CH", "HS", "ANY"})
_TYPES = frozenset({"A", "AAAA", "CNAME", "SOA", "NS", "TXT", "DNAME", "MX", "PTR", "SRV", "RRSIG", "NSEC", "DNSKEY"})
_TRIGGERS = {
    ".rpz-client-ip": "triggers by client address: make a group with those networks",
    ".rpz-ip": "triggers by the answer's address",
    ".rpz-nsdname": "triggers by name server",
    ".rpz-nsip": "triggers by name server",
}


def read_rpz(lines: Lines, into: Collector) -> None:
    """The zone's records. Owner names are taken without the zone's own name."""
    origin = ""
    owner = ""
    for number, line in _joined(lines, into):
        words = line.split()
        if words[1:] == ["CNAME", "."] and is_plain(words[0]) and "rpz-" not in words[0] and not line[0].isspace():
            owner = words[0]  # nearly all, in large zones
            into.name(number, owner, "=")
            continue
        if words[0].upper() == "$ORIGIN" and len(words) > 1:
            origin = words[1].rstrip(".").lower()
            continue
        if words[0].startswith("$"):
            into.comments += 1
            continue
        if not line[0].isspace():
            owner = words.pop(0)
        while words and (words[0].upper() in _CLASSES or words[0][0].isdigit()):
            words.pop(0)
        if not words or words[0].upper() not in _TYPES or not owner:
            into.problem(number, line, "it should be a record, as in 'example.com CNAME .'")
            continue
        kind, data = words[0].upper(), words[1:]
        if kind in ("SOA", "NS"):
            if kind == "SOA" and owner not in ("@", ".") and not origin:
                origin = owner.rstrip(".").lower()
            into.comments += 1
            continue
        _read_record(number, _relative(owner, origin), kind, data, into)


def _joined(lines: Lines, into: Collector) -> Iterator[tuple[int, str]]:
    """Lines without comments; those between parentheses are one."""
    held = ""
    held_at = 0
    for number, line in lines:
        text = _COMMENT.sub("", line) if ";" in line else line
        if not text.strip():
            into.comments += bool(line.strip())
            continue
        if held or "(" in text:
            held, held_at = (held + " " + text, held_at) if held else (text, number)
            if ")" in text:
                yield held_at, held.replace("(", " ").replace(")", " ")
                held = ""
            elif len(held) > 4096:
                into.problem(held_at, held, "its parenthesis is not closed")
                held = ""
            continue
        yield number, text
    if held:
        into.problem(held_at, held, "its parenthesis is not closed")


def _relative(owner: str, origin: str) -> str:
    name = owner.lower()
    if not name.endswith("."):
        return name
    name = name[:-1]
    return name.removesuffix(f".{origin}") if origin else name


def _read_record(number: int, owner: str, kind: str, data: list[str], into: Collector) -> None:
    for ending, reason in _TRIGGERS.items():
        if owner.endswith(ending):
            into.inexpressible(number, reason)
            return
    if owner == "@":
        into.comments += 1
        return
    target = data[0].lower() if data else ""
    if kind == "CNAME" and target in ("rpz-passthru.", "rpz-passthru", f"{owner}.", owner):
        action = "allow"
    elif kind == "CNAME" and target.startswith("rpz-tcp-only"):
        into.inexpressible(number, "answers that force TCP")
        return
    elif kind in ("CNAME", "A", "AAAA", "DNAME"):
        action = "block"  # no data, another name or another address: the name's own is not to be reached
    else:
        into.inexpressible(number, "records other than CNAME, A and AAAA")
        return
    form = "*." if owner.startswith("*.") else "="
    into.name(number, owner.removeprefix("*."), form, "allow" if action == "allow" else "block")
