r"""The lease file of ISC dhcpd (dhcpd.leases(5)): a block for each change of a lease, the last of an address counts.

``lease 192.0.2.20 { ends 4 2026/11/26 22:00:00; binding state active; client-hostname "printer"; }``, and of DHCPv6
``ia-na "…" { iaaddr 2001:db8::20 { … } }``. The name that dhcpd put into DNS (``set ddns-fwd-name = "…";``) comes
before that by which the client calls itself. Strings have escapes: ``\"``, ``\\``, and ``\303`` for an octet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from admin_api.host_names.found import FoundNames

FIRST_WORDS: Final = (b"lease", b"ia-na", b"ia-ta", b"ia-pd", b"server-duid", b"authoring-byte-order", b"failover")
"""Words with which one may begin."""

_TOKEN = re.compile(rb'"((?:[^"\\\n]|\\[^\n])*)"|([{};])|(\n)|#[^\n]*|([^\s{};"#]+)|(")')
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|(.))", re.DOTALL)
_LEASES: Final = ("lease", "iaaddr")
_DEEPEST: Final = 8  # blocks within blocks; dhcpd writes two
_MOST_WORDS: Final = 32  # of a statement that are looked at
_STATEMENT = list[str]


@dataclass(slots=True)
class _Block:
    """An open block. `address` is that of a lease; None for what only has others in it."""

    line: int
    address: str | None
    told: dict[str, _STATEMENT] = field(default_factory=dict)


def read_dhcpd(content: bytes, found: FoundNames) -> None:
    """Note the names of a lease file of dhcpd."""
    blocks: list[_Block] = []
    words: _STATEMENT = []
    line = 1
    for kind, text in _tokens(content):
        match kind:
            case "\n":
                line += 1
            case "{":
                if len(blocks) == _DEEPEST:
                    found.pass_over(line, "has blocks within blocks, deeper than leases have")
                    return
                address = words[1] if len(words) > 1 and words[0] in _LEASES else None
                blocks.append(_Block(line, address))
                words = []
            case ";":
                if blocks and words:
                    _note(blocks[-1], words)
                words = []
            case "}":
                if not blocks:
                    found.pass_over(line, "ends a block that has not begun")
                    return
                _close(blocks.pop(), found)
                words = []
            case "bad":
                found.pass_over(line, "a string without its end")
            case _:
                if len(words) < _MOST_WORDS:
                    words.append(text)
    if blocks:
        found.pass_over(blocks[0].line, "a block without its end")


def _tokens(content: bytes) -> Iterator[tuple[str, str]]:
    """The kind and the text of each word, mark and line break."""
    for match in _TOKEN.finditer(content):
        string, mark, end, word, stray = match.groups()
        if word is not None:
            yield "word", word.decode("utf-8", "replace")
        elif string is not None:
            yield "word", _ESCAPE.sub(_octet, string).decode("utf-8", "replace")
        elif mark is not None:
            yield mark.decode(), ""
        elif end is not None:
            yield "\n", ""
        elif stray is not None:
            yield "bad", ""


def _octet(match: re.Match[bytes]) -> bytes:
    digits, other = match.groups()
    return bytes((int(digits, 8) & 0xFF,)) if digits is not None else bytes(other)


def _note(block: _Block, words: _STATEMENT) -> None:
    """Remember a statement under what it is about: ``ends``, ``state``, ``client-hostname``, a variable's name."""
    match words:
        case ["binding", "state", *said]:
            block.told["state"] = said
        case ["set", name, "=", *said]:
            block.told[name] = said
        case [name, *said]:
            block.told[name] = said


def _close(block: _Block, found: FoundNames) -> None:
    if block.address is None:
        return
    told = block.told
    name = next((told[key][0] for key in ("ddns-fwd-name", "client-hostname") if told.get(key)), "")
    if told.get("state", ["active"]) != ["active"] or not name.strip(". "):
        found.forget(block.address)
        return
    try:
        until = _time(told.get("ends", ["never"]))
    except ValueError:
        found.pass_over(block.line, f"its end {' '.join(told['ends'])!r} is no time")
        return
    found.add(block.line, block.address, name, until)


def _time(words: _STATEMENT) -> float | None:
    """Seconds since 1970 of ``4 2026/11/26 22:00:00`` (UTC), ``epoch 1795730400`` or ``never``. Raises ValueError."""
    match words:
        case ["never"]:
            return None
        case ["epoch", seconds]:
            return float(int(seconds[:18]))
        case [_, date, time]:
            return datetime.strptime(f"{date} {time}", "%Y/%m/%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
        case _:
            raise ValueError(words)
