"""Configurations of other resolvers: dnsmasq(8) and unbound.conf(5)."""

from __future__ import annotations

import re

from blocklists.formats.content import EVERYTHING, OWN_ADDRESS, Collector
from blocklists.formats.names import Lines, is_sinkhole
from resolver.policy.rule_syntax import is_plain

_DNSMASQ = re.compile(r"(address|server|local)\s*=\s*/(.+)/([^/]*)\Z")
_SETTING = re.compile(r"[a-z][a-z0-9-]+(?:\s*=.*)?\Z")
_USUAL = "address=/"
_NOWHERE = frozenset({"", "#", "0.0.0.0", "::"})  # noqa: S104
_OPTION = re.compile(r"(?!local-zone:)[a-z][a-z0-9-]*:(?:\s.*)?\Z")
_COMMENT = re.compile(r"\s#")
_ZONE = re.compile(r"local-zone:\s*[\"']?([^\"'\s]+)[\"']?\s+[\"']?([a-z_]+)[\"']?\s*(?:#.*)?\Z")
_DATA = re.compile(r"local-data:\s*[\"'](\S+)\s+(?:\d+\s+)?(?:IN\s+)?(A|AAAA)\s+(\S+)[\"']\s*(?:#.*)?\Z", re.IGNORECASE)
_STATEMENTS = re.compile(r"\s+(?=local-(?:zone|data):)")
_BLOCKING = frozenset(
    (
        *("deny", "refuse", "static", "redirect", "inform_deny", "inform_redirect", "block_a", "always_deny"),
        *("always_refuse", "always_nxdomain", "always_nodata", "always_null"),
    )
)
_ALLOWING = frozenset({"transparent", "typetransparent", "always_transparent", "inform", "noview"})
_NO_ZONE = "nodefault"  # takes back what unbound has built in, and nothing else
_NO_BLOCK = "a setting that blocks no name"
_LITERAL = "'*' is a wildcard only at the beginning of a dnsmasq name; unbound's names have none"
_NO_NAMES = "it matches names of one label"
_WEAK = "an exception that is not stronger than a wildcard or a block of the same list"
_BELOW = "a wildcard that a less specific exception of the same list overrides"


class _Dnsmasq:
    """The rules of a list, weighed as dnsmasq does: what names more is stronger, whatever it says.

    ``*`` at the beginning of a name is any run of characters; what follows it counts as the name's length. At the same
    length a name is stronger than a wildcard, and an address than an exception.
    """

    def __init__(self, into: Collector) -> None:
        self._into = into
        self._wild: list[tuple[int, str]] = []  # that are blocked: line, what names end with
        self._open: list[tuple[int, str]] = []  # exceptions
        self._open_wild: list[tuple[int, str]] = []

    def read(self, number: int, what: str, name: str, value: str) -> None:
        """One name of a line."""
        is_open = what != "address" and value == "#"
        text = name.strip().lower().lstrip(".").removesuffix(".")
        if text in ("#", "*"):
            self._into.inexpressible(number, EVERYTHING)
        elif not text:
            self._into.inexpressible(number, _NO_NAMES)
        elif "*" in text[1:]:
            self._into.inexpressible(number, _LITERAL)
        elif text.startswith("*"):
            (self._open_wild if is_open else self._wild).append((number, text[1:]))
        elif is_open:
            self._open.append((number, text))
        else:
            self._into.name(number, text)

    def finish(self) -> None:
        """Take wildcards and exceptions, now that all is known."""
        into = self._into
        names = [name for _, name in self._open]
        wild = {end for _, end in self._wild}
        blocked = into.taken("block")
        for number, name in self._open:
            if name in blocked:
                into.inexpressible(number, _WEAK)
            else:
                into.foreign(number, f"={name}" if f".{name}" in wild else name, "allow")
        for number, end in self._wild:
            if any(end.endswith(f".{name}") and end != f".{name}" for name in names):
                into.inexpressible(number, _BELOW)
            else:
                into.foreign(number, _ending(end))
        for number, end in self._open_wild:
            is_weaker = not end.startswith(".") and any(name.endswith(end) for name in blocked)
            if is_weaker or any(other.endswith(end) for other in wild):
                into.inexpressible(number, _WEAK)
            else:
                into.foreign(number, _ending(end), "allow")


def _ending(end: str) -> str:
    """The rule for all names that end so."""
    return f"*{end}" if end.startswith(".") else f"=**{end}"


def read_dnsmasq(lines: Lines, into: Collector) -> None:
    """``address=/name/`` with no address or a sinkhole, and ``server=/name/`` and ``local=/name/`` without a server.

    ``server=/name/#`` takes a name out of what is blocked above it.
    """
    rules = _Dnsmasq(into)
    take = into.name
    for number, line in lines:
        if line.startswith(_USUAL):  # nearly all, in large lists
            name, _, value = line[len(_USUAL) :].partition("/")
            if value in _NOWHERE and is_plain(name):
                take(number, name)
                continue
        text = line.strip()
        if not text or text.startswith("#"):
            into.comments += bool(text)
            continue
        text = _COMMENT.split(text, maxsplit=1)[0].rstrip().replace('"', "")
        found = _DNSMASQ.match(text)
        if found is None:
            if _SETTING.match(text) and not text.startswith(("address", "local=", "local ")):
                into.inexpressible(number, _NO_BLOCK)
            else:
                into.problem(number, line, "it should be as in 'address=/example.com/0.0.0.0'")
            continue
        what, names, value = found.groups()
        value = value.strip()
        if what != "address" and value not in ("", "#"):
            into.inexpressible(number, "a server for a name is not a block: see upstream.zones")
        elif what == "address" and value and value != "#" and not is_sinkhole(value):
            into.inexpressible(number, OWN_ADDRESS)
        else:
            for name in names.split("/"):
                rules.read(number, what, name, value)
    rules.finish()


def read_unbound(lines: Lines, into: Collector) -> None:
    """local-zone and local-data. Data of a transparent zone's own name speaks before the zone, as in unbound."""
    transparent: dict[str, int] = {}  # with its line
    with_data: set[str] = set()
    for number, line in lines:
        text = line.strip()
        if not text or text.startswith("#") or text.partition("#")[0].strip() in ("server:", "view:"):
            into.comments += bool(text)
            continue
        for statement in _STATEMENTS.split(text) if text.count("local-") > 1 else (text,):
            _read_statement(number, statement, into, transparent, with_data)
    for name, number in transparent.items():
        into.name(number, name, "*." if name in with_data else "", "allow")


def _read_statement(number: int, text: str, into: Collector, transparent: dict[str, int], with_data: set[str]) -> None:
    if found := _ZONE.match(text):
        name, kind = found.groups()
        name = name.removesuffix(".").lower()
        if kind == _NO_ZONE:
            into.inexpressible(number, _NO_BLOCK)
        elif kind not in _BLOCKING and kind not in _ALLOWING:
            into.problem(number, text, f"{kind!r} is not a known type of local-zone")
        elif not name or "*" in name:
            into.inexpressible(number, _LITERAL if name else EVERYTHING)
        elif kind in _BLOCKING:
            transparent.pop(name, None)  # of one zone what is said last holds
            into.name(number, name)
        elif kind == "always_transparent":
            into.name(number, name, "", "allow")
        else:
            transparent[name] = number
    elif found := _DATA.match(text):
        name, _, address = found.groups()
        name = name.removesuffix(".").lower()
        if not is_sinkhole(address):
            into.inexpressible(number, OWN_ADDRESS)
        elif "*" in name:
            into.inexpressible(number, _LITERAL)
        else:
            with_data.add(name)
            into.name(number, name, "=")
    elif text.startswith("local-data"):
        into.inexpressible(number, "own records are not a block")
    elif _OPTION.match(text):
        into.inexpressible(number, _NO_BLOCK)
    else:
        into.problem(number, text, "it should be as in 'local-zone: \"example.com\" always_nxdomain'")
