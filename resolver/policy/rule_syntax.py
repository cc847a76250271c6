"""The syntax of rules: what an admin, the catalogue and a list may write, and what it covers. No I/O.

=================================  ================================================================
``example.com``                    the name and all below
``=example.com``                   only the name
``*.example.com``                  only what is below
``bedrock-runtime.*.example.com``  a pattern: ``*`` is one or more characters within one label; takes the same prefixes
``ip:192.0.2.0/24``                answers that hold an address of this network, or this address
``/^gpt[0-9]+\\./``                a regular expression (RE2 syntax), searched for in the whole name, lower-case
=================================  ================================================================

Rules of lists that other programs read may have ``**`` as well: any run of characters, none and dots among them, as
``*`` is in filters of ad blockers and at the beginning of a dnsmasq domain. There it may end within a label.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from resolver.errors import RuleError
from resolver.wire.ip_keys import is_ip_key, key_of_network, network_of_key
from resolver.wire.names import key_of, parse_name, to_text, wire_of_key

MAX_REGEXES = 1000  # in one policy: every name that is not in the answer table is searched for all of them
MAX_PATTERNS = 10_000  # in one policy: names below a pattern's literal end are searched for the patterns there
MAX_REGEX_OCTETS = 200
MAX_REGEX_PROGRAM = 2000  # instructions of the compiled expression: what it may cost a query, in RE2's own measure
_MAX_SET_PROGRAM = 20_000  # instructions of expressions that are searched for together
_MAX_REGEX_BYTES = 64 << 20  # for RE2's automaton, hundreds of its largest states of such a program
_STAR = "*"
_IP = "ip:"
_MAPPED_BITS = 96  # before an IPv4 address that is mapped into IPv6
_LEAST_BITS = {4: 8, 6: 16}  # of a network that a rule may name
_STAR_REGEX = "[^.]+"
RUN = "**"  # in lists of other programs: any run of characters
_RUN_REGEX = ".*"
_OCTET = [bytes((number,)) for number in range(64)]
_MAX_PLAIN = 254  # characters of a name that has 255 octets at most
_PLAIN_LABEL = "[a-z0-9_-]{1,63}"
_PLAIN = re.compile(rf"{_PLAIN_LABEL}(?:\.{_PLAIN_LABEL})*\Z")
_PATTERN_LABEL = re.compile(r"[a-z0-9_*-]+\Z")
_MAX_STARS = 8  # in one pattern


class RuleForm(enum.IntEnum):
    """Names that a rule covers, relative to the name or pattern that it is written with."""

    SUBTREE = 0  # example.com: the name and all below
    EXACT = 1  # =example.com: only the name
    BELOW = 2  # *.example.com: only what is below


class RuleKind(enum.IntEnum):
    """Ways to match a rule. At the same rank, names speak before patterns, and patterns before expressions."""

    NAME = 0
    PATTERN = 1
    REGEX = 2


_PREFIX = {RuleForm.SUBTREE: "", RuleForm.EXACT: "=", RuleForm.BELOW: "*."}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `key` is the key of its name, or of what stands behind the last ``*`` of a pattern; empty for a regex.

    `written` is a pattern or an expression as it is written, without the form's prefix or the slashes.
    """

    form: RuleForm
    key: bytes
    kind: RuleKind = RuleKind.NAME
    written: str | None = None

    @property
    def text(self) -> str:
        """The rule as it is written in a list."""
        if self.kind is RuleKind.REGEX:
            return f"/{self.written}/"
        if is_ip_key(self.key):
            network = network_of_key(self.key)
            return f"{_IP}{network.network_address if network.prefixlen == network.max_prefixlen else network}"
        return _PREFIX[self.form] + (self.written or to_text(wire_of_key(self.key)))

    def covers(self, key: bytes) -> bool:
        """Whether a rule that is a name covers the name of that key."""
        if not key.startswith(self.key):
            return False
        return self.form is RuleForm.SUBTREE or (len(key) == len(self.key)) is (self.form is RuleForm.EXACT)

    @property
    def regex(self) -> str:
        """The expression that a pattern stands for, over the whole name; a regex's own."""
        written = self.written or ""
        if self.kind is RuleKind.REGEX:
            return written
        runs = [_STAR_REGEX.join(map(re.escape, run.split(_STAR))) for run in written.split(RUN)]
        name = _RUN_REGEX.join(runs)
        return {
            RuleForm.SUBTREE: rf"^(?:.*\.)?{name}$",
            RuleForm.EXACT: rf"^{name}$",
            RuleForm.BELOW: rf"\.{name}$",
        }[self.form]


def is_plain(text: str) -> bool:
    """Whether a rule is a name and all below it, written in its one normal form."""
    return len(text) < _MAX_PLAIN and _PLAIN.match(text) is not None


def plain_key(text: str) -> bytes:
    """The key of a plain rule's name."""
    labels = text.encode().split(b".")
    labels.reverse()
    return b"".join([_OCTET[len(label)] + label for label in labels])


def parse_rule(text: str, *, is_foreign: bool = False) -> Rule:
    """Read one rule; what `is_foreign` was made of a list in another program's format. Raises RuleError."""
    if is_plain(text):  # most rules, by far, in lists of a million
        return Rule(RuleForm.SUBTREE, plain_key(text))
    written = text.strip()
    if len(written) > 1 and written.startswith("/") and written.endswith("/"):
        return _regex(written[1:-1])
    if written.lower().startswith(_IP):
        return _addresses(written[len(_IP) :].strip())
    form, name = RuleForm.SUBTREE, written
    if written.startswith("="):
        form, name = RuleForm.EXACT, written[1:]
    elif written.startswith("*."):
        form, name = RuleForm.BELOW, written[2:]
    if "/" in name or ":" in name:
        raise RuleError(f"{written!r} is not a domain name: remove scheme, port and path, as in 'example.com'")
    if _STAR in name:
        return _pattern(form, name.lower().rstrip("."), written, is_foreign=is_foreign)
    return Rule(form, key_of(parse_name(name)))


def _addresses(text: str) -> Rule:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        why = f"{_IP}{text} is not an address or network: write it as in '{_IP}192.0.2.0/24' ({error})"
        raise RuleError(why) from None
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is not None and network.prefixlen >= _MAPPED_BITS:
        network = ipaddress.ip_network((mapped, network.prefixlen - _MAPPED_BITS))
    if network.prefixlen < _LEAST_BITS[network.version]:
        raise RuleError(
            f"{_IP}{network} covers too much of the Internet: use networks of /{_LEAST_BITS[network.version]} or longer"
        )
    return Rule(RuleForm.SUBTREE, key_of_network(network))


def _pattern(form: RuleForm, name: str, written: str, *, is_foreign: bool) -> Rule:
    labels = name.split(".")
    if labels[-1].count(_STAR):
        raise RuleError(f"{written!r}: the last label must be written out: a '*' there would be every top-level domain")
    parts = name.split(RUN) if is_foreign else [name]
    stars = _STAR * (2 - (len(parts) > 1))  # not both kinds in one pattern
    if name.count(_STAR) > _MAX_STARS * (2 if is_foreign else 1) or any(stars in part for part in parts):
        raise RuleError(f"{written!r}: at most {_MAX_STARS} '*' in a pattern, and no two next to each other")
    for label in labels:
        if len(label) > 63 or not _PATTERN_LABEL.match(label):
            raise RuleError(
                f"{written!r}: {label!r} is not a label: letters, digits, '-', '_', and '*' for any of these"
            )
    last = max(place for place, label in enumerate(labels) if _STAR in label)
    suffix = parse_name(".".join(labels[last + 1 :]))
    return Rule(form, key_of(suffix), RuleKind.PATTERN, name)


def _regex(expression: str) -> Rule:
    if not expression or len(expression.encode()) > MAX_REGEX_OCTETS:
        raise RuleError(f"/{expression[:40]}…/: a regular expression has 1 to {MAX_REGEX_OCTETS} octets")
    compiled = compile_regex(expression)
    if compiled.programsize > MAX_REGEX_PROGRAM:
        raise RuleError(
            f"/{expression}/ costs too much: it compiles to {compiled.programsize} instructions, "
            f"at most {MAX_REGEX_PROGRAM} are allowed; use fewer or smaller repetitions"
        )
    if compiled.search(""):
        raise RuleError(f"/{expression}/ matches every name, even the empty one: write what must be there")
    return Rule(RuleForm.SUBTREE, b"", RuleKind.REGEX, expression)


def compile_regex(expression: str) -> Any:
    """A compiled expression with `search`, in time linear in the name whatever the expression. Raises RuleError."""
    import re2  # noqa: PLC0415 (a worker without patterns does without it)

    try:
        return re2.compile(expression, _quiet_options())
    except re2.error as error:
        why = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise RuleError(f"/{expression}/ is not a regular expression of RE2: {why}") from error


def search_many(expressions: Sequence[str]) -> Callable[[str], list[int]]:
    """A search that gives, in one pass over a text, the numbers of the expressions that are found in it, in order."""
    import re2  # noqa: PLC0415

    sets: list[tuple[int, Any]] = []
    room = 0
    for number, expression in enumerate(expressions):
        cost = compile_regex(expression).programsize
        if cost > room:
            # Several bounded automata: one that outgrew its memory would find nothing, in silence.
            room = _MAX_SET_PROGRAM
            sets.append((number, re2.Set.SearchSet(_quiet_options())))
        room -= cost
        sets[-1][1].Add(expression)
    for _, automaton in sets:
        automaton.Compile()

    def found(text: str) -> list[int]:
        return [first + number for first, automaton in sets for number in sorted(automaton.Match(text) or ())]

    return found


def _quiet_options() -> Any:
    import re2  # noqa: PLC0415

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_REGEX_BYTES
    return options
