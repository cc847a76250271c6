"""Domain names, used by all. No I/O.

A name is kept in one of three shapes:

* *text*: ``api.anthropic.com``, for people.
* *wire*: length-prefixed labels ending in the root's zero octet (RFC 1035 section 3.1), as in a message.
* *key*: the wire labels lower-cased and in reverse order, without the root: ``\\x03com\\x09anthropic\\x03api``.
  One key is a prefix of another exactly when its name is an ancestor (or the name itself): the length octets keep
  ``notexample.com`` from ending in ``example.com`` and a dot octet within a label from looking like a boundary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from resolver.errors import RuleError
from resolver.wire.codes import MAX_LABEL, MAX_NAME

_LABEL = re.compile(rb"[a-z0-9_-]+\Z")  # browsers open names whose labels begin or end with '-'
_PLAIN_OCTET = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_*=+/")
_TOKEN = re.compile(r"\\(?:(\d{3})|(.))|(.)", re.DOTALL)  # an escaped octet, or a plain one
# Below a country's top-level domain these are mostly the registry's; with their length, as in a key.
_REGISTRIES = frozenset(
    bytes((len(label),)) + label
    for label in (b"ac", b"co", b"com", b"edu", b"go", b"gob", b"gouv", b"gov", b"mil", b"ne", b"net", b"or", b"org")
)
_COUNTRY = 2  # octets of its label
_REVERSE = {b"\x04arpa\x07in-addr": 2, b"\x04arpa\x03ip6": 8}  # labels below: networks of 16 and of 32 bits
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
    if len(wire) > MAX_NAME:
        raise RuleError(f"{text!r} is {len(wire)} octets long: a domain name has at most {MAX_NAME}")
    return bytes(wire)


def _label(label: str, name: str) -> bytes:
    if not label:
        raise RuleError(f"{name!r} has an empty label: write one dot between labels")
    octets = label.lower().encode("ascii") if label.isascii() else _a_label(label, name)
    if len(octets) > MAX_LABEL:
        raise RuleError(f"{name!r} has a label of {len(octets)} octets: at most {MAX_LABEL} are allowed")
    if not _LABEL.match(octets):
        raise RuleError(f"{name!r} is not a domain name: a label is letters, digits, '-' and '_'")
    return octets


def parse_any_name(text: str) -> bytes:
    """Read any name that a query may hold, as dig shows it: ``\\.`` and ``\\032`` are octets, ``.`` is the root.

    Gives lower-case wire form. Raises RuleError.
    """
    if text in ("", "."):
        return b"\x00"
    if not text.isascii():
        return parse_name(text)
    wire = bytearray()
    labels = _labels(text)
    if not labels[-1]:
        labels.pop()  # behind the last dot
    for octets in labels:
        if not 0 < len(octets) <= MAX_LABEL:
            raise RuleError(f"{text!r} has a label of {len(octets)} octets: 1 to {MAX_LABEL} are possible")
        wire.append(len(octets))
        wire += octets.lower()
    wire.append(0)
    if len(wire) > MAX_NAME:
        raise RuleError(f"{text!r} is {len(wire)} octets long: a domain name has at most {MAX_NAME}")
    return bytes(wire)


def _labels(text: str) -> list[bytes]:
    """The labels of a name in presentation form, its escapes read (RFC 1035 section 5.1)."""
    labels = [bytearray()]
    for match in _TOKEN.finditer(text):
        digits, escaped, plain = match.groups()
        if plain == ".":
            labels.append(bytearray())
        elif digits is None:
            labels[-1] += (escaped or plain).encode("ascii")
        elif int(digits) > 255:
            raise RuleError(f"'\\\\{digits}' is not an octet: 000 to 255 are possible")
        else:
            labels[-1].append(int(digits))
    return [bytes(label) for label in labels]


def _a_label(label: str, name: str) -> bytes:
    import idna  # noqa: PLC0415 (its tables are 4 MB, and no worker needs them)

    try:
        mapped = idna.uts46_remap(label)
        if mapped.isascii():
            return mapped.encode("ascii")
        if mapped.strip("-") != mapped:  # as UTS 46 has it without CheckHyphens
            idna.check_label(mapped.strip("-"))
            return b"xn--" + mapped.encode("punycode")
        return idna.encode(label, uts46=True)
    except (idna.IDNAError, UnicodeError) as error:
        raise RuleError(f"{name!r} is not a domain name: {error}") from error


def to_text(wire: bytes) -> str:
    """The presentation form of a wire name, without the last dot; odd octets escaped (RFC 1035 section 5.1)."""
    labels = []
    at = 0
    while at < len(wire) and (length := wire[at]):
        label = wire[at + 1 : at + 1 + length]
        if label.isalnum():  # most labels; for octets this means ASCII
            labels.append(label.decode("ascii"))
            at += 1 + length
            continue
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


def parent_of(key: bytes) -> bytes:
    """The key of the name one label above; the root has none above it, and is its own."""
    at = parent = 0
    size = len(key)
    while at < size:
        parent = at
        at += 1 + key[at]
    return key[:parent]


def ancestors_of(key: bytes) -> Iterator[bytes]:
    """The keys of a name's ancestors, the top-level one first, then the name's own."""
    at = 0
    while at < len(key):
        at += 1 + key[at]
        yield key[:at]


def domain_of(key: bytes) -> bytes:
    """The key of the domain that somebody has registered, and the name with this key is below; a good guess.

    What floods and failures are bounded by: names of one domain have servers in common. The Public Suffix List would
    know better, and cost each worker a megabyte.
    """
    if not key:
        return key
    size = len(key)
    first = 1 + key[0]
    if first >= size:
        return key
    end = first + 1 + key[first]
    more = 1 if key[0] == _COUNTRY and key[first:end] in _REGISTRIES else _REVERSE.get(key[:end], 0)
    while more and end < size:
        end += 1 + key[end]
        more -= 1
    return key[:end]
