"""Domain names and rule syntax, used by all. No I/O.

A name is kept in one of three shapes:

* *text*: ``api.anthropic.com``, for people.
* *wire*: length-prefixed labels ending in the root's zero octet (RFC 1035 section 3.1), as in a message.
* *key*: the wire labels lower-cased and in reverse order, without the root: ``\\x03com\\x09anthropic\\x03api``.
  One key is a prefix of another exactly when its name is an ancestor (or the name itself): the length octets keep
  ``notexample.com`` from ending in ``example.com`` and a dot octet within a label from looking like a boundary.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from resolver.errors import RuleError

_MAX_LABEL = 63  # RFC 1035 section 2.3.4
_MAX_NAME = 255
_LABEL = re.compile(rb"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\Z")
_PLAIN_OCTET = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_*=+/")
_DOTS = re.compile("[。．｡]")  # the ideographic full stops that people type (RFC 3490 section 3.1)


def parse_name(text: str) -> bytes:
    """Read a name written by a person: `text` to lower-case wire form. Unicode becomes A-labels (IDNA 2008, UTS 46).

    Raises RuleError when it is no host or service name.
    """
    plain = _DOTS.sub(".", text.strip()).rstrip(".")
    if not plain:
        raise RuleError(f"{text!r} is not a domain name: it has no label")
    wire = bytearray()
    for label in plain.split("."):
        octets = _label(label, text)
        wire.append(len(octets))
        wire += octets
    wire.append(0)
    if len(wire) > _MAX_NAME:
        raise RuleError(f"{text!r} is {len(wire)} octets long: a domain name has at most {_MAX_NAME}")
    return bytes(wire)


def _label(label: str, name: str) -> bytes:
    if not label:
        raise RuleError(f"{name!r} has an empty label: write one dot between labels")
    octets = label.lower().encode("ascii") if label.isascii() else _a_label(label, name)
    if len(octets) > _MAX_LABEL:
        raise RuleError(f"{name!r} has a label of {len(octets)} octets: {_MAX_LABEL} is the most")
    if not _LABEL.match(octets):
        raise RuleError(
            f"{name!r} is not a domain name: a label is letters, digits, '-' and '_', and begins and ends without '-'"
        )
    return octets


def _a_label(label: str, name: str) -> bytes:
    import idna  # noqa: PLC0415 (its tables are 4 MB, and no worker needs them)

    try:
        return idna.encode(label, uts46=True)
    except (idna.IDNAError, UnicodeError) as error:
        raise RuleError(f"{name!r} is not a domain name: {error}") from error


def to_text(wire: bytes) -> str:
    """The presentation form of a wire name, without the last dot; odd octets escaped (RFC 1035 section 5.1)."""
    labels = []
    at = 0
    while at < len(wire) and (length := wire[at]):
        label = wire[at + 1 : at + 1 + length]
        labels.append("".join(chr(o) if o in _PLAIN_OCTET else "\\." if o == 0x2E else f"\\{o:03d}" for o in label))
        at += 1 + length
    return ".".join(labels) or "."


def key_of(wire: bytes) -> bytes:
    """The key of a wire name (see the module's docstring)."""
    lowered = wire.lower()  # bytes.lower touches A to Z only, and no length octet reaches 65
    key = b""
    at = 0
    while length := lowered[at]:
        end = at + 1 + length
        key = lowered[at:end] + key
        at = end
    return key


def wire_of_key(key: bytes) -> bytes:
    """The lower-case wire name of a key."""
    wire = b"\x00"
    at = 0
    while at < len(key):
        end = at + 1 + key[at]
        wire = key[at:end] + wire
        at = end
    return wire


class RuleForm(enum.IntEnum):
    """What a rule covers, relative to the name that it is written with."""

    SUBTREE = 0  # example.com: the name and all below
    EXACT = 1  # =example.com: only the name
    BELOW = 2  # *.example.com: only what is below


_PREFIX = {RuleForm.SUBTREE: "", RuleForm.EXACT: "=", RuleForm.BELOW: "*."}


@dataclass(frozen=True, slots=True)
class NameRule:
    """A rule on one name. `key` is the name's key."""

    form: RuleForm
    key: bytes

    @property
    def text(self) -> str:
        """The rule as it is written."""
        return rule_text(self.form, self.key)


def rule_text(form: RuleForm, key: bytes) -> str:
    """A rule as it is written in a list."""
    return _PREFIX[form] + to_text(wire_of_key(key))


def parse_rule(text: str) -> NameRule:
    """Read one rule of a list: ``example.com``, ``=example.com`` or ``*.example.com``. Raises RuleError."""
    written = text.strip()
    form, name = RuleForm.SUBTREE, written
    if written.startswith("="):
        form, name = RuleForm.EXACT, written[1:]
    elif written.startswith("*."):
        form, name = RuleForm.BELOW, written[2:]
    if "*" in name:
        raise RuleError(f"{written!r}: a '*' may stand only as the whole first label, as in '*.example.com'")
    if "/" in name or ":" in name:
        raise RuleError(f"{written!r} is not a domain name: leave out scheme, port and path, as in 'example.com'")
    return NameRule(form, key_of(parse_name(name)))
