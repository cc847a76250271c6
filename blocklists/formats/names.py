"""Lists of names, one a line, and hosts files."""

from __future__ import annotations

import re
from collections.abc import Iterable

from blocklists.formats.content import AN_ADDRESS, OWN_ADDRESS, Collector
from resolver.policy.rule_syntax import is_plain

SINKHOLES = frozenset({"0.0.0.0", "127.0.0.1", "::", "::1", "0", "127.0.1.1", "0:0:0:0:0:0:0:0", "0:0:0:0:0:0:0:1"})  # noqa: S104
_OWN_NAMES = frozenset(
    (
        *("localhost", "localhost.localdomain", "localhost4", "localhost6", "local", "broadcasthost", "0.0.0.0"),  # noqa: S104
        *("ip6-localhost", "ip6-loopback", "ip6-localnet", "ip6-mcastprefix", "ip6-allnodes", "ip6-allrouters"),
        "ip6-allhosts",
    )
)
_COMMENT = ("#", "!", ";", "//")
_TRAILING = re.compile(r"#|\s(?:!|;|//)")
_ADDRESS = re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){3}|0|[0-9a-fA-F]{0,4}:[0-9a-fA-F:.]*(?:%\w+)?)\Z")

Lines = Iterable[tuple[int, str]]


def is_address(word: str) -> bool:
    """Whether a word has the form of an IP address."""
    return _ADDRESS.match(word) is not None


def read_domains(lines: Lines, into: Collector) -> None:
    """``example.com`` is the name and all below; our own syntax (``=name``, ``*.name``, patterns) is understood."""
    name = into.name
    for number, line in lines:
        if is_plain(line):  # nearly all, in large lists
            name(number, line)
            continue
        text = line.strip()
        if not text or text.startswith(_COMMENT):
            into.comments += bool(text)
            continue
        if not text.startswith("/"):
            text = _TRAILING.split(text, maxsplit=1)[0].rstrip()
        if text.startswith("."):
            text = text[1:]
        if text.startswith(("=", "*", "/")) or "*" in text:
            into.rule(number, text if text.startswith("/") else text.removesuffix("."))
        elif len(words := text.split()) > 1:
            if not read_hosts_line(number, words, into):
                into.problem(number, text, "it should be one name a line")
        elif is_address(text):
            into.inexpressible(number, AN_ADDRESS)
        else:
            name(number, text)


def read_hosts(lines: Lines, into: Collector) -> None:
    """hosts(5): each name behind a sinkhole address is blocked, and nothing below it."""
    for number, line in lines:
        words = line.partition("#")[0].split()
        if not words or words[0][0] in "!;":
            into.comments += bool(line.strip())
        elif not read_hosts_line(number, words, into):
            into.problem(number, line, "it should be an address and names, as in '0.0.0.0 example.com'")


def read_hosts_line(number: int, words: list[str], into: Collector) -> bool:
    """Take the line of a hosts file; False if it is none."""
    if len(words) < 2 or not is_address(words[0]):
        return False
    names = [word for word in words[1:] if "." in word and word.lower() not in _OWN_NAMES]
    if not names:
        into.comments += 1  # the machine's own names
    elif not is_sinkhole(words[0]):
        into.inexpressible(number, OWN_ADDRESS)
    for name in names if is_sinkhole(words[0]) else ():
        if "*" in name:
            into.inexpressible(number, "hosts files have no wildcards: no name has a '*'")
        else:
            into.name(number, name, "=")
    return True


def is_sinkhole(address: str) -> bool:
    """Whether a name that has this address is blocked: it leads nowhere, or to the asking machine itself."""
    return address in SINKHOLES or (address.startswith("127.") and is_address(address))
