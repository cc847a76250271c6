"""References within a policy: names that must be unique, and references that must lead somewhere.

Works on plain data, as YAML or JSON gives it, so that these mistakes are told together with all others: what is not of
the right shape is passed over here, for the schema has already said so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from resolver.config.addresses import read_client_name, read_network
from resolver.config.wording import KeyPath, nearest, shown
from resolver.errors import RuleError
from resolver.policy.rule_syntax import MAX_PATTERNS, MAX_REGEXES, Rule

ALL_LISTS: Final = "lists"
"""The set of all lists of one's own and all subscriptions."""

SETS: Final = ("ai", "vendors", "resellers", "clouds", "gateways", "bypass", ALL_LISTS)
"""Sets of services and lists that groups may name."""

KIND_PREFIX: Final = "kind:"
"""Beginning of a reference to all services of a kind: ``kind:assistant``."""

_REFERENCE = re.compile(r"(?:kind:)?[a-z0-9][a-z0-9._-]*(?:/[a-z0-9][a-z0-9._-]*)?\Z")
_MOST_SUGGESTIONS = 100  # comparing with the whole catalogue takes about a millisecond


@dataclass(frozen=True, slots=True)
class KnownReferences:
    """Names that references may use, beside the lists of the policy itself."""

    sets: frozenset[str]  # of SETS
    vendors: frozenset[str]  # "anthropic"
    services: frozenset[str]  # "anthropic/claude"
    kinds: frozenset[str] = frozenset()  # "kind:assistant"
    ways_round: tuple[Rule, ...] = ()  # names of ways round the resolver, which no exemption opens


def contradictions(policy: Any, known: KnownReferences | None, at: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Each mistake as its key path (below `at`) and what is wrong.

    Without `known`, any vendor or service may be named.
    """
    if not isinstance(policy, dict):
        return
    lists = list(_named(policy.get("lists")))
    groups = list(_named(policy.get("groups")))
    for path, text in (
        *_twice("list", lists, ("lists",)),
        *_twice("group", groups, ("groups",)),
        *_taken_names(lists, known),
        *_too_many_searches(lists),
        *_claimed_twice(groups),
        *_unknown_own_vendors(policy, known),
        *_unknown_references(groups, {name for _, name, _ in lists if name}, known),
    ):
        yield (*at, *path), text


_Named = tuple[int, str | None, Mapping[str, object]]  # index, name, the thing


def _named(things: Any) -> Iterator[_Named]:
    for index, thing in enumerate(things if isinstance(things, list) else []):
        if isinstance(thing, dict):
            name = thing.get("name")
            yield index, name if isinstance(name, str) else None, thing


def _texts(value: Any) -> Iterator[tuple[int, str]]:
    for index, entry in enumerate(value if isinstance(value, list) else []):
        if isinstance(entry, str):
            yield index, entry.strip()


def _twice(what: str, things: list[_Named], at: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    first: dict[str, int] = {}
    for index, name, _ in things:
        if name is not None and first.setdefault(name, index) != index:
            yield (
                (*at, index, "name"),
                f"another {what}, {at[0]}[{first[name]}], is already called {shown(name)}: rename one",
            )


def _taken_names(lists: list[_Named], known: KnownReferences | None) -> Iterator[tuple[KeyPath, str]]:
    for index, name, _ in lists:
        if name in SETS:
            yield ("lists", index, "name"), f"{name!r} is the name of a set: give the list another"
        elif known and name in known.vendors:
            yield ("lists", index, "name"), f"{name!r} is the name of a vendor: give the list another"


def _too_many_searches(lists: list[_Named]) -> Iterator[tuple[KeyPath, str]]:
    """Names are looked up, however many; patterns and expressions are searched for one after the other."""
    counts = {"regular expressions": 0, "patterns": 0}
    most = {"regular expressions": MAX_REGEXES, "patterns": MAX_PATTERNS}
    for index, _, entry in lists:
        for side in ("block", "allow"):
            for place, text in _texts(entry.get(side)):
                if "*" not in text and not text.startswith("/"):
                    continue
                name = text.removeprefix("=").removeprefix("*.")
                kind = "regular expressions" if text.startswith("/") else "patterns" if "*" in name else None
                if kind is None:
                    continue
                counts[kind] += 1
                if counts[kind] == most[kind] + 1:
                    yield (
                        ("lists", index, side, place),
                        f"is one too many: a policy has at most {most[kind]} {kind}; write plain names where you can",
                    )


def _claimed_twice(groups: list[_Named]) -> Iterator[tuple[KeyPath, str]]:
    for field, what, read in _CLAIMS:
        claims: dict[str, tuple[int, str | None]] = {}
        for index, name, group in groups:
            for entry, text in _texts(group.get(field)):
                try:
                    claimed = read(text)
                except RuleError:
                    continue
                other, other_name = claims.setdefault(claimed, (index, name))
                if other != index:
                    yield (
                        ("groups", index, field, entry),
                        f"{claimed} belongs to the group {shown(other_name)} and to {shown(name)}: "
                        f"a {what} has one group, so remove it from one",
                    )


_CLAIMS = (("networks", "network", read_network), ("client_names", "client name", read_client_name))


def _unknown_own_vendors(policy: Mapping[str, object], known: KnownReferences | None) -> Iterator[tuple[KeyPath, str]]:
    if known is None:
        return
    for index, text in _texts(policy.get("own_vendors")):
        if text not in known.vendors:
            meant = nearest(text.partition("/")[0], known.vendors)
            yield ("own_vendors", index), f"{shown(text)} is not a known vendor{_did_you_mean(meant)}"


def _unknown_references(
    groups: list[_Named], own_lists: set[str], known: KnownReferences | None
) -> Iterator[tuple[KeyPath, str]]:
    names = own_lists | known.sets | known.kinds | known.vendors | known.services if known else set()
    short = {service.partition("/")[2]: service for service in sorted(known.services)} if known else {}
    suggestions = 0
    for index, _, group in groups:
        for side in ("block", "allow", "monitor"):
            for entry, text in _texts(group.get(side)):
                if text in names or (known is None and _REFERENCE.match(text) and "." not in text):
                    continue
                suggestions += 1
                meant = None
                if suggestions <= _MOST_SUGGESTIONS:
                    meant = short.get(text.lower()) or nearest(text, names)
                yield ("groups", index, side, entry), _unknown_reference(text, meant)


def _unknown_reference(text: str, meant: str | None) -> str:
    if meant is None and "." in text:
        return f"{shown(text)} looks like a domain name: put it in a list under policy.lists, and name that list here"
    if meant is None and text in SETS:
        return f"{shown(text)} has nothing in it here: remove it"
    any_of = f"one of the sets {', '.join(SETS)}, a kind such as kind:assistant, a vendor, a vendor/service or a list"
    return f"{shown(text)} is not known{_did_you_mean(meant) or f': name {any_of}'}"


def _did_you_mean(meant: str | None) -> str:
    return f": did you mean {meant!r}?" if meant else ""
