"""Response policy zones: master files (RFC 1035, section 5) whose names and records say what is to be done.

After draft-vixie-dnsop-dns-rpz: triggers by name are read; those by address or name server are counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from blocklists.formats.content import EVERYTHING, Action, Collector
from blocklists.formats.names import Lines
from resolver.policy.rule_syntax import is_plain

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?')
_CLASSES = frozenset({"IN", "CH", "HS", "ANY"})
_TYPES = frozenset({"A", "AAAA", "CNAME", "SOA", "NS", "TXT", "DNAME", "MX", "PTR", "SRV", "RRSIG", "NSEC", "DNSKEY"})
_TRIGGERS = {
    ".rpz-client-ip": "triggers by client address: create a group with those networks",
    ".rpz-ip": "triggers by the answer's address",
    ".rpz-nsdname": "triggers by name server",
    ".rpz-nsip": "triggers by name server",
}
_LITERAL = "zones have wildcards only as the first label; elsewhere '*' is a character"
_ACTIONS: Final[tuple[Action, ...]] = ("block", "allow")
_MOST_HELD = 4096  # characters between parentheses


class _Names:
    """Owner names as the zone means them: `origin` completes them, `zone` (the SOA's owner) is taken off.

    They differ in zones that a server wrote: BIND writes ``$ORIGIN com.rpz.example.`` and then ``bad CNAME .``
    """

    def __init__(self) -> None:
        self._zone = ""
        self._origin: str | None = None  # until it is said, names are taken as they are
        self.are_plain = True  # whether relative names mean just themselves

    def origin(self, text: str) -> None:
        """$ORIGIN; itself relative unless it ends in a dot (RFC 1035, section 5.1)."""
        is_first = self._origin is None
        self._origin = self._whole(text.lower())
        if is_first:
            self._zone = self._origin
        self.are_plain = self._origin == self._zone

    def start_of_authority(self, owner: str) -> None:
        """The SOA's owner is the zone."""
        self._zone = self._whole(owner.lower())
        if self._origin is None:
            self._origin = self._zone
        self.are_plain = self._origin == self._zone

    def trigger(self, owner: str) -> str:
        """The name that an owner name is about; empty for the zone's own."""
        name = owner.lower()
        if self.are_plain and not name.endswith("."):
            return "" if name == "@" else name
        whole = self._whole(name)
        return "" if whole == self._zone else whole.removesuffix(f".{self._zone}") if self._zone else whole

    def _whole(self, name: str) -> str:
        origin = self._origin or ""
        if name == "@":
            return origin
        return name[:-1] if name.endswith(".") else f"{name}.{origin}".removesuffix(".")


def read_rpz(lines: Lines, into: Collector) -> None:
    """The zone's records. Owner names are taken without the zone's own name."""
    names = _Names()
    owner = ""
    number = 0
    for number, line in _joined(lines, into):
        words = line.split()
        if (
            words[1:] == ["CNAME", "."]
            and names.are_plain
            and is_plain(words[0])
            and "rpz-" not in words[0]
            and not line[0].isspace()
        ):
            owner = words[0]  # nearly all, in large zones
            into.name(number, owner, "=")
            continue
        if words[0].startswith("$"):
            _read_directive(number, words, names, into)
            continue
        if not line[0].isspace():
            owner = words.pop(0)
        while words and (words[0].upper() in _CLASSES or words[0][0].isdigit()):
            words.pop(0)
        if not words or words[0].upper() not in _TYPES or not owner:
            into.problem(number, line, "it should be a record, as in 'example.com CNAME .'")
            continue
        kind, data = words[0].upper(), words[1:]
        if kind == "SOA":
            names.start_of_authority(owner)
        if kind in ("SOA", "NS"):
            into.comments += 1
            continue
        _read_record(number, names.trigger(owner), kind, data, into)
    _end_wildcards(number, into)


def _read_directive(number: int, words: list[str], names: _Names, into: Collector) -> None:
    what = words[0].upper()
    if what in ("$GENERATE", "$INCLUDE"):
        into.inexpressible(number, f"{what}: write the records out")
        return
    into.comments += 1
    if what == "$ORIGIN" and len(words) > 1:
        names.origin(words[1])


def _joined(lines: Lines, into: Collector) -> Iterator[tuple[int, str]]:
    """Lines without comments, each with a word at least; those between parentheses are one. Quoted text is left out."""
    held = ""
    held_at = 0
    for number, line in lines:
        text = _QUOTED.sub('""', line) if '"' in line else line  # a ';' or '(' there is text
        text = text.partition(";")[0]
        if not text.strip():
            into.comments += bool(line.strip())
            continue
        if held or "(" in text:
            held, held_at = (held + " " + text, held_at) if held else (text, number)
            if ")" in text:
                record = held.replace("(", " ").replace(")", " ")
                if record.strip():
                    yield held_at, record
                held = ""
            elif len(held) > _MOST_HELD:
                into.problem(held_at, held, "its parenthesis is not closed")
                held = ""
            continue
        yield number, text
    if held:
        into.problem(held_at, held, "its parenthesis is not closed")


def _end_wildcards(number: int, into: Collector) -> None:
    """Let no wildcard reach below a name that the zone has (RFC 4592 section 2.2.1), unless it has one of its own.

    What is between two names that the zone has is no such name: servers are not of one mind there, and we block.
    """
    owners = [rule for action in _ACTIONS for rule in into.taken(action)]
    wild = {owner[2:] for owner in owners if owner.startswith("*.")}
    if not wild:
        return
    ended = set()
    for owner in owners:
        if owner[0] == "=" and (node := owner[1:]) not in wild:
            while node := node.partition(".")[2]:
                if node in wild:
                    ended.add(owner[1:])
                    break
    for name in sorted(ended):
        into.foreign(number, f"*.{name}", "allow")


def _read_record(number: int, name: str, kind: str, data: list[str], into: Collector) -> None:
    for ending, reason in _TRIGGERS.items():
        if name.endswith(ending):
            into.inexpressible(number, reason)
            return
    if not name:
        into.comments += 1  # a record of the zone itself
        return
    target = data[0].lower() if data else ""
    if kind == "CNAME" and target in ("rpz-passthru.", "rpz-passthru", f"{name}.", name):
        action = "allow"
    elif kind == "CNAME" and target.startswith("rpz-tcp-only"):
        into.inexpressible(number, "answers that force TCP")
        return
    elif kind in ("CNAME", "A", "AAAA"):
        action = "block"  # no data, another name or another address: the name's own is not to be reached
    else:
        into.inexpressible(number, "records other than CNAME, A and AAAA")
        return
    form = "*." if name.startswith("*.") else "="
    if "*" in name.removeprefix("*."):
        into.inexpressible(number, _LITERAL if len(name) > 1 else EVERYTHING)
        return
    into.name(number, name.removeprefix("*."), form, "allow" if action == "allow" else "block")
