"""Sources, groups and references of a policy: what it is compiled from, out of the catalogue and its lists."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from blocklists.catalogue import BYPASS, SERVICE_KINDS, Catalogue
from resolver.config.references import ALL_LISTS, KIND_PREFIX, SETS, KnownReferences
from resolver.policy.compiled_format import FORMAT
from resolver.policy.compiler import CompiledRules, RuleSource, SourceRule, compile_groups, compile_rules
from resolver.policy.groups import CompiledGroup, ResponsePolicy, Watch
from resolver.policy.rule_layer import Rank, Source
from resolver.policy.rule_syntax import is_plain, parse_rule, plain_key

_KINDS = tuple(KIND_PREFIX + kind for kind in SERVICE_KINDS)

PlainPolicy = Mapping[str, Any]
"""A policy as JSON has it: a config's `policy` dumped, or the store's in the same form."""


def known_references(catalogue: Catalogue) -> KnownReferences:
    """Names that a config's `block` and `allow` may use, beside its own lists. A set without a service is unknown."""
    sets = {name for name in SETS if name == ALL_LISTS or catalogue.services_of(name)}
    closed = set(catalogue.services_of(BYPASS))
    return KnownReferences(
        sets=frozenset(sets),
        vendors=frozenset(catalogue.vendors),
        services=frozenset(catalogue.services),
        kinds=frozenset(name for name in _KINDS if catalogue.services_of(name)),
        ways_round=tuple(domain.rule for domain in catalogue.every_domain if domain.service in closed),
    )


def fingerprint_of(policy: Mapping[str, object], catalogue: str) -> str:
    """Fingerprint of a config's policy (`file_policy`), the catalogue (its fingerprint) and the compiler together."""
    content = json.dumps([FORMAT, catalogue, policy], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def base_text(contents: Mapping[str, str], catalogue: str) -> str:
    """Text of the lowest layer's parts beside the store's rules: catalogue, compiler, contents of lists by key."""
    made_by = hashlib.sha256(json.dumps([FORMAT, catalogue]).encode()).hexdigest()
    return json.dumps({"made_by": made_by, "contents": dict(sorted(contents.items()))}, separators=(",", ":"))


def compile_policy(policy: PlainPolicy, catalogue: Catalogue) -> tuple[CompiledRules, bytes]:
    """Compile a policy (`Config.policy`, dumped as JSON) with the catalogue: the rules, and the groups."""
    rules = compile_rules([*bundled_sources(catalogue), *_own(policy["lists"])])
    groups = compile_groups(groups_of(policy, catalogue), policy["own_vendors"], scopes_of(policy, catalogue))
    return rules, groups


def bundled_sources(catalogue: Catalogue) -> Iterator[RuleSource]:
    """The catalogue's services, each a source, and what a feed adds."""
    by_service: dict[str, list[SourceRule]] = {service: [] for service in catalogue.services}
    for domain in catalogue.domains:
        rule = SourceRule(domain.rule, needed_by=domain.needed_by, response=domain.response)
        by_service[domain.service].append(rule)
    for service, rules in by_service.items():
        yield RuleSource(Source(service, Rank.BUNDLED), rules)
    fed: defaultdict[FedSource, list[SourceRule]] = defaultdict(list)
    for domain in catalogue.fed:
        fed[FedSource(domain.service, domain.needed_by)].append(SourceRule(domain.rule, response=domain.response))
    for source, rules in fed.items():
        yield RuleSource(Source(source.service, Rank.FEED, source.key), rules)


@dataclass(frozen=True, slots=True)
class FedSource:
    """Source of a feed's rules: those of one service that the same others need.

    Where a group allows any of them, none of these rules is in force for it.
    """

    service: str
    needed_by: tuple[str, ...]

    @property
    def key(self) -> str:
        """The key of the source."""
        return "feed:" + ",".join((self.service, *self.needed_by))

    @property
    def users(self) -> frozenset[str]:
        """The services whose names these are."""
        return frozenset((self.service, *self.needed_by))

    @classmethod
    def all_of(cls, catalogue: Catalogue) -> frozenset[FedSource]:
        """Those of a catalogue."""
        return frozenset(cls(domain.service, domain.needed_by) for domain in catalogue.fed)


def _own(lists: Iterable[Mapping[str, Any]]) -> Iterator[RuleSource]:
    for entry in lists:
        names: list[bytes] = []
        others: list[SourceRule] = []
        for action in ("block", "allow"):
            sort_rules(((action, text) for text in entry[action]), names, others)
        rank = Rank.SUBSCRIPTION if entry["url"] else Rank.OWN
        yield RuleSource(Source(entry["name"], rank), others, names)


def sort_rules(
    pairs: Iterable[tuple[str, str]], names: list[bytes], others: list[SourceRule], *, is_foreign: bool = False
) -> None:
    """Sort pairs of action and rule: nearly all of a large list are names to block, which go a shorter way."""
    for action, text in pairs:
        if action == "block" and is_plain(text):
            names.append(plain_key(text))
        else:
            others.append(SourceRule(parse_rule(text, is_foreign=is_foreign), allow=action == "allow"))


def groups_of(policy: PlainPolicy, catalogue: Catalogue) -> Iterator[CompiledGroup]:
    """The groups of a policy, with every reference resolved to keys of sources.

    A list may say its `key` (its name unless given), and whether it is `enabled` (unless it is, nothing names it).
    """
    lists = _keys_of_lists(policy)

    def expanded(references: Iterable[str]) -> frozenset[str]:
        keys: set[str] = set()
        for reference in references:
            if reference == ALL_LISTS:
                keys.update(lists.values())
            elif reference in lists:  # first: no vendor of a feed takes the place of a list that has its name
                keys.add(lists[reference])
            else:
                keys.update(catalogue.services_of(reference))
        return frozenset(keys)

    fed = FedSource.all_of(catalogue)

    def closed(references: Iterable[str], allow: frozenset[str]) -> frozenset[str]:
        keys = expanded(references)
        return keys | {source.key for source in fed if source.service in keys and source.users.isdisjoint(allow)}

    for group in policy["groups"]:
        allow = expanded(group["allow"])
        response = group["response"] or policy["response"]
        until = group.get("monitor_until")
        yield CompiledGroup(
            name=group["name"],
            networks=tuple(group["networks"]),
            exempt=group["exempt"],
            monitor=group["mode"] == "monitor",
            block=closed(group["block"], allow),
            allow=allow,
            response=ResponsePolicy(response["mode"], response["ttl_seconds"], response["ipv4"], response["ipv6"]),
            schedule_plain=group.get("schedule"),
            client_names=tuple(group.get("client_names", ())),
            watch=Watch(
                tuple((name, closed((name,), allow)) for name in group.get("monitor", ())),
                None if until is None else datetime.fromisoformat(until).timestamp(),
            ),
        )


def scopes_of(policy: PlainPolicy, catalogue: Catalogue) -> dict[str, Iterable[str]]:
    """The sets, kinds, vendors and lists that an exemption may name, with the keys of their sources."""
    lists = _keys_of_lists(policy)
    names = [name for name in (*SETS, *_KINDS, *catalogue.vendors) if name not in (ALL_LISTS, BYPASS)]
    scopes: dict[str, Iterable[str]] = {name: catalogue.services_of(name) for name in names}
    fed = FedSource.all_of(catalogue)
    scopes |= {name: (name,) for source in fed for name in source.users}  # else a service stands for itself
    scopes = {name: (*of, *(source.key for source in fed if source.users & {*of})) for name, of in scopes.items()}
    return {**scopes, **{name: (key,) for name, key in lists.items()}, ALL_LISTS: lists.values()}


def _keys_of_lists(policy: PlainPolicy) -> dict[str, str]:
    return {entry["name"]: entry.get("key", entry["name"]) for entry in policy["lists"] if entry.get("enabled", True)}
