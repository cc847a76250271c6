"""The rule of the catalogue that a name falls under: the longest one in force, as the policy decides it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from blocklists.catalogue import Catalogue, CatalogueDomain
from resolver.policy.rule_syntax import RuleForm, RuleKind, compile_regex
from resolver.wire.names import key_of, parse_name


class Coverage:
    """Rules in force by key, for looking up many names without compiling a policy."""

    def __init__(self, catalogue: Catalogue, sets: Collection[str]) -> None:
        services = {service for name in sets for service in catalogue.services_of(name)}
        self._names: dict[bytes, list[CatalogueDomain]] = {}
        self._patterns: list[tuple[re.Pattern[str], CatalogueDomain]] = []
        for domain in catalogue.domains:
            if domain.service not in services:
                continue
            if domain.rule.kind is RuleKind.NAME:
                self._names.setdefault(domain.rule.key, []).append(domain)
            else:
                self._patterns.append((compile_regex(domain.rule.regex), domain))

    def of(self, name: str) -> CatalogueDomain | None:
        """The longest rule that covers a name; a pattern where no name does. Raises RuleError if it is no name."""
        found = None
        key = key_of(parse_name(name))
        for prefix in _prefixes(key):
            for domain in self._names.get(prefix, ()):
                if _covers(domain.rule.form, at_name=prefix == key):
                    found = domain
        if found:
            return found
        return next((domain for pattern, domain in self._patterns if pattern.search(name.lower().rstrip("."))), None)


def _prefixes(key: bytes) -> Iterator[bytes]:
    """The keys of a name's parents, the shortest first, and its own: labels with their lengths, in reverse order."""
    end = 0
    while end < len(key):
        end += 1 + key[end]
        yield key[:end]


def _covers(form: RuleForm, *, at_name: bool) -> bool:
    return form is RuleForm.SUBTREE or (form is RuleForm.EXACT) is at_name
