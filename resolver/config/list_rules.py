"""Rules of a list that an admin writes: read with `policy.rule_syntax`, refused where they would block the world."""

from __future__ import annotations

from resolver.config.suffixes import is_public_suffix
from resolver.errors import RuleError
from resolver.policy.rule_syntax import RuleForm, RuleKind, compile_regex, is_plain, parse_rule
from resolver.wire.ip_keys import is_ip_key
from resolver.wire.names import to_text, wire_of_key

# Names that nobody means; an expression that is found in one of them is found in nearly all.
_PROBES = tuple(f"qzjxvkwq.{suffix}" for suffix in ("com", "org", "net", "ai", "io", "co.uk", "de"))


def read_allow_rule(text: str) -> str:
    """The rule in its one normal form. Raises RuleError."""
    return text if is_plain(text) else parse_rule(text).text


def read_block_rule(text: str) -> str:
    """The rule in its one normal form; one that covers all of a public suffix is refused. Raises RuleError."""
    if is_plain(text):
        _refuse_public_suffix(text)
        return text
    rule = parse_rule(text)
    if is_ip_key(rule.key):
        return rule.text
    name = to_text(wire_of_key(rule.key))
    if rule.kind is RuleKind.REGEX:
        found = next((probe for probe in _PROBES if compile_regex(rule.regex).search(probe)), None)
        if found:
            raise RuleError(f"{rule.text} covers a whole top-level domain, such as {found!r}: write more of the names")
    elif rule.kind is RuleKind.PATTERN:
        free = (rule.written or "").removesuffix(name)
        if not free.strip("*.") and is_public_suffix(name):
            raise RuleError(
                f"{rule.text!r} covers every name below the public suffix {name!r}: write more of the names"
            )
    elif rule.form is not RuleForm.EXACT:
        _refuse_public_suffix(name)
    return rule.text


def _refuse_public_suffix(name: str) -> None:
    if is_public_suffix(name):
        raise RuleError(
            f"{name!r} is a public suffix: a rule for it would block every name below; "
            f"block the names you mean, or write '={name}' for this name alone"
        )
