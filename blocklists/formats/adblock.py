"""Filter lists of ad blockers, as far as DNS can do what they say (AdGuard's "DNS filtering rules syntax")."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field

from blocklists.formats.content import AN_ADDRESS, REGEX, Action, Collector
from blocklists.formats.names import Lines, read_hosts_line
from resolver.errors import RuleError
from resolver.policy.rule_syntax import is_plain, parse_rule

_COSMETIC = re.compile(r"(?<!\s)(?:#[@?$%]*#|\$\$|#@?\$?\?#)")  # behind white space it is a comment of a hosts line
_HEADERS = ("!", "[Adblock", "[uBlock", "[AdGuard")
_HARMLESS = frozenset({"all", "document", "doc"})  # $third-party is meant for names that must work elsewhere
_OTHER: dict[Action, Action] = {"block": "allow", "allow": "block"}
_BARE = re.compile(r"[^\W-][\w.-]*\Z")
_PATTERN = re.compile(
    r"(?P<start>\|\||\|?(?:[a-z*]+)?://|\|)?"
    r"(?P<body>[\w.*-]*?)"
    r"(?P<end>\*|[\^|]\|?\*?|/\*?)?\Z"
)
_LONGEST = 300  # characters of a pattern: names have 253
_STARS = re.compile(r"\*+")
_PARTS = "parts of URLs (paths, ports, parts of names) do not exist in DNS"
_OPEN = "it is the beginning of names, without an end"


@dataclass(slots=True)
class _Said:
    """Facts beside the rules of a list, in their normal form as far as names go."""

    bad: list[tuple[str, Action]] = field(default_factory=list)  # taken back by $badfilter
    important: set[str] = field(default_factory=set)  # blocked whatever is excepted
    weak: set[str] = field(default_factory=set)  # not blocked by one filter ($denyallow), and by others still


def read_adblock(lines: Lines, into: Collector) -> None:
    """``||name^`` blocks the name and all below, ``@@`` allows; a bare name is that name alone.

    An exception is stronger than any filter but an $important one, whichever names more.
    """
    said = _Said()
    for number, line in lines:
        text = line.strip()
        if text.startswith("||") and text.endswith("^") and is_plain(name := text[2:-1].lower()):
            into.name(number, name)
        elif not text or text.startswith(_HEADERS):
            into.comments += bool(text)
        elif _COSMETIC.search(text):
            into.inexpressible(number, "parts of pages are hidden by browsers, not by DNS")
        elif text.startswith("#"):
            into.comments += 1
        elif not _read_hosts(number, text, into):
            _read_filter(number, text, into, said)
    for rule, action in said.bad:
        into.cancel(rule, action)
    into.let_exceptions_win(weak=said.weak, important=said.important)


def _read_hosts(number: int, text: str, into: Collector) -> bool:
    """Take a line of a hosts file, or a name by itself; False if it is neither."""
    words = text.partition("#")[0].split()
    if len(words) > 1:
        return read_hosts_line(number, words, into)
    if words and _BARE.match(words[0]) and "." in words[0].strip("."):
        into.name(number, words[0], "=")
        return True
    return False


def _read_filter(number: int, line: str, into: Collector, said: _Said) -> None:
    action: Action = "allow" if line.startswith("@@") else "block"
    text = line.removeprefix("@@")
    if (end := _end_of_regex(text)) is not None:
        if end == len(text):
            into.rule(number, text, action)
        else:
            into.inexpressible(number, REGEX)
        return
    text, _, options = text.partition("$")
    denied: list[str] = []
    flags = set()
    for option in filter(None, options.split(",")):
        key, _, value = option.partition("=")
        key = key.strip().lower()
        if key == "denyallow":
            denied = [name for name in value.split("|") if name]
        elif key in ("badfilter", "important"):
            flags.add(key)
        elif key not in _HARMLESS:
            into.inexpressible(number, f"the option ${key.removeprefix('~')[:40]} does not exist in DNS")
            return
    rule, why_not = _rule_of(text)
    if "badfilter" in flags:
        into.comments += 1
        if rule:
            said.bad.append((rule, action))
            said.bad += [(name, _OTHER[action]) for name in denied]
    elif not rule:
        into.inexpressible(number, why_not)
    else:
        into.foreign(number, rule, action)
        for name in denied:
            into.foreign(number, name, _OTHER[action])
        if action == "block":
            said.weak |= {normal for name in denied if (normal := _normal(name))}
            if "important" in flags and (normal := _normal(rule)):
                said.important.add(normal)


def _end_of_regex(text: str) -> int | None:
    """The end of an expression between slashes; None where the filter is none."""
    if not text.startswith("/"):
        return None
    end = len(text) if text.endswith("/") else text.rfind("/$") + 1
    return end if end > 2 else None


def _normal(rule: str) -> str | None:
    with suppress(RuleError):
        return parse_rule(rule, is_foreign=True).text
    return None


def _rule_of(text: str) -> tuple[str, str]:
    """The rule that a filter's pattern stands for; "" and the reason where it means more than names.

    ``||`` is the beginning of any label of a name, ``|`` and ``://`` that of the name, ``^`` its end, ``*`` any run of
    characters. A name of two labels or more that lacks its end is taken as if it had one.
    """
    text = _STARS.sub("*", text)
    found = _PATTERN.match(text) if len(text) <= _LONGEST else None
    if found is None:
        return "", _PARTS
    start, body, end = found["start"] or "", found["body"], found["end"] or ""
    has_end = end[:1] in ("^", "|", "/") and end != ""
    last = body.rpartition(".")[2]
    if not body or (end.startswith("/") and start in ("", "|")):
        return "", _PARTS  # a path is seen by what begins with the page's whole address only
    if not last or "*" in last or end.startswith("*"):
        return "", _OPEN
    if last.isdigit():
        return "", AN_ADDRESS
    if not has_end and not (start or body.startswith("*.")):
        return "", _PARTS
    if not has_end and ("." not in body.strip(".") or body.endswith("-")):
        return "", _OPEN
    if start == "||":
        if body.startswith("."):
            return "", _PARTS  # no label is empty
        return body if "*" not in body else _from_start(body, ""), ""
    return _from_start(body if start or body.startswith("*") else f"*{body}", "="), ""


def _from_start(body: str, form: str) -> str:
    """The rule for a pattern that begins where names begin, or (without `form`) where any of their labels does."""
    if body.startswith("*."):
        return body if "*" not in body[2:] else "=" + body.replace("*", "**")
    return ("=" if body.startswith("*") else form) + body.replace("*", "**")
