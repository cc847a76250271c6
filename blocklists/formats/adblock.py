"""Filter lists of ad blockers, as far as DNS can do what they say (AdGuard's "DNS filtering rules syntax")."""

from __future__ import annotations

import re

from blocklists.formats.content import Action, Collector
from blocklists.formats.names import Lines, is_address, read_hosts_line
from resolver.rules import is_plain

_COSMETIC = re.compile(r"#[@?$%]*#|\$\$|#@?\$?\?#")
_SCHEME = re.compile(r"\A[a-z*]+://")
_END = "^|"
_HARMLESS = frozenset(
    {"important", "all", "document", "doc"}
)  # $third-party is meant for names that must work elsewhere
_ACTION: dict[bool, Action] = {False: "block", True: "allow"}


def read_adblock(lines: Lines, into: Collector) -> None:
    """``||name^`` blocks the name and all below, ``@@`` allows; a bare name is that name alone."""
    bad: list[tuple[str, Action]] = []
    for number, line in lines:
        text = line.strip()
        if text.startswith("||") and text.endswith("^") and is_plain(name := text[2:-1].lower()):
            into.name(number, name)
        elif not text or text.startswith(("!", "[Adblock", "[uBlock", "[AdGuard")):
            into.comments += bool(text)
        elif _COSMETIC.search(text):
            into.inexpressible(number, "parts of pages are hidden by browsers, not by DNS")
        elif text.startswith("#"):
            into.comments += 1
        elif not (" " in text and read_hosts_line(number, text.partition("#")[0].split(), into)):
            _read_filter(number, text, into, bad)
    for rule, action in bad:
        into.cancel(rule, action)


def _read_filter(number: int, line: str, into: Collector, bad: list[tuple[str, Action]]) -> None:
    text = line
    is_allow = text.startswith("@@")
    text = text.removeprefix("@@")
    if text.startswith("/") and text.rstrip().endswith("/") and len(text) > 2:
        into.rule(number, text, _ACTION[is_allow])
        return
    text, _, options = text.partition("$")
    denied: list[str] = []
    is_bad = False
    for option in filter(None, options.split(",")):
        key, _, value = option.partition("=")
        key = key.strip().lower()
        if key == "denyallow":
            denied = [name for name in value.split("|") if name]
        elif key == "badfilter":
            is_bad = True
        elif key not in _HARMLESS:
            into.inexpressible(number, f"the option ${key.removeprefix('~')[:40]} is not known to DNS")
            return
    rule = _rule_of(text)
    if is_bad:
        if rule is not None:
            bad.append((rule, _ACTION[is_allow]))
            bad += [(name, _ACTION[not is_allow]) for name in denied]
    elif rule is None:
        into.inexpressible(number, "addresses of pages (paths, ports, parts of names) are not known to DNS")
    elif is_address(rule.removeprefix("=")):
        into.inexpressible(number, "an address is no name: DNS cannot block it")
    else:
        action = _ACTION[is_allow]
        if "*" in rule:
            into.rule(number, rule, action)
        else:
            into.name(number, rule.removeprefix("="), "=" if rule.startswith("=") else "", action)
        for name in denied:
            into.name(number, name, "", _ACTION[not is_allow])


def _rule_of(text: str) -> str | None:
    """The rule that a filter's pattern stands for; None where it means more than a name."""
    is_tree = text.startswith("||")
    name = text.removeprefix("||").removeprefix("|") if not is_tree else text[2:]
    if not is_tree:
        name = _SCHEME.sub("", name, count=1)
    name = name.rstrip("*") if name.endswith(("^*", "/*")) else name
    name = name.removesuffix("/") if not is_tree else name
    bare = name.rstrip(_END)
    if not bare or any(char in bare for char in "/:^|?=&~%,() "):
        return None
    if is_tree and bare == name and not text.endswith(tuple(_END)) and "." not in bare:
        return None
    bare = bare.removesuffix(".")
    if not text.startswith("|") and (bare[:1] in (".", "-") or "." not in bare):
        return None  # a part of an address, anywhere in it
    if bare.startswith("*."):
        return bare
    return bare if is_tree else f"={bare}"
