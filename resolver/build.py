"""The compiler's process: the config's policy and the bundled catalogue in, a snapshot on disk out, then it ends.

Run as ``python -m resolver.build FOLDER`` with the policy as JSON on stdin; one line of JSON on stdout says how it
went. Its memory and its time are nobody else's, and a crash in it leaves the old snapshot in force.
"""

from __future__ import annotations

import gc
import hashlib
import itertools
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from blocklists.catalogue import Catalogue, catalogue_fingerprint, load_catalogue
from resolver.config.references import Known
from resolver.errors import MoatdnsError
from resolver.policy.compiler import FORMAT, CompiledRules, RuleSource, SourceRule, compile_groups, compile_rules
from resolver.policy.groups import Group, ResponsePolicy
from resolver.policy.rules import Rank, Source
from resolver.rules import parse_rule
from resolver.snapshot_file import write_snapshot

SETS = ("ai", "gateways", "bypass", "lists")  # names that stand for many sources
_ALL_LISTS = "lists"
_NICE = 10  # serving comes first


def known_references(catalogue: Catalogue) -> Known:
    """What a config's `block` and `allow` may name, apart from its own lists. A set without a service is unknown."""
    sets = {name for name in SETS if name == _ALL_LISTS or catalogue.services_of(name)}
    return Known(sets=frozenset(sets), vendors=frozenset(catalogue.vendors), services=frozenset(catalogue.services))


def fingerprint_of(policy: dict[str, Any]) -> str:
    """What stands for a policy (`Config.policy`, dumped as JSON), the catalogue and the compiler together."""
    content = json.dumps([FORMAT, catalogue_fingerprint(), policy], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def compile_policy(policy: dict[str, Any], catalogue: Catalogue) -> tuple[CompiledRules, bytes]:
    """Compile a policy (`Config.policy`, dumped as JSON) with the catalogue: the rules, and the groups."""
    rules = compile_rules([*_bundled(catalogue), *_own(policy["lists"])])
    groups = compile_groups(_groups(policy, catalogue), policy["own_vendors"])
    return rules, groups


def _bundled(catalogue: Catalogue) -> Iterator[RuleSource]:
    for service in catalogue.services:
        rules = [
            SourceRule(domain.rule, needed_by=domain.needed_by, response=domain.response)
            for domain in catalogue.domains
            if domain.service == service
        ]
        yield RuleSource(Source(service, Rank.BUNDLED), rules)


def _own(lists: Iterable[dict[str, Any]]) -> Iterator[RuleSource]:
    for entry in lists:
        rules = (SourceRule(parse_rule(text)) for text in entry["block"])
        allowed = (SourceRule(parse_rule(text), allow=True) for text in entry["allow"])
        yield RuleSource(Source(entry["name"], Rank.OWN), itertools.chain(rules, allowed))


def _groups(policy: dict[str, Any], catalogue: Catalogue) -> Iterator[Group]:
    lists = [entry["name"] for entry in policy["lists"]]

    def expanded(references: Iterable[str]) -> frozenset[str]:
        names: set[str] = set()
        for reference in references:
            if reference == _ALL_LISTS:
                names.update(lists)
            else:
                names.update(catalogue.services_of(reference) or [reference])
        return frozenset(names)

    for group in policy["groups"]:
        response = group["response"] or policy["response"]
        yield Group(
            name=group["name"],
            networks=tuple(group["networks"]),
            exempt=group["exempt"],
            monitor=group["mode"] == "monitor",
            block=expanded(group["block"]),
            allow=expanded(group["allow"]),
            response=ResponsePolicy(response["mode"], response["ttl_seconds"], response["ipv4"], response["ipv6"]),
        )


def main(folder: str) -> int:
    """Compile the policy on stdin into a snapshot in `folder`; 0 when it is there, 1 with the reason when it is not."""
    os.nice(_NICE)
    gc.disable()  # a million rules make no cycles, and the process ends soon
    began = time.monotonic()
    policy = json.load(sys.stdin)
    try:
        rules, groups = compile_policy(policy, load_catalogue())
        manifest = write_snapshot(Path(folder), rules, groups, fingerprint_of(policy))
    except MoatdnsError as error:
        _say({"error": str(error)})
        return 1
    seconds = round(time.monotonic() - began, 3)
    _say({"manifest": str(manifest.path), "revision": manifest.revision, "seconds": seconds})
    return 0


def _say(outcome: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(outcome) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
