"""The compiler's process: reads the config, and compiles its policy with the bundled catalogue into a snapshot on disk.

Run by the supervisor as ``python -m resolver.build``. Lines of JSON on stdin and stdout:

* ``{"read": PATH | null}`` → ``{"ground": …}`` or ``{"problems": […]}``: touches nothing but the config
* ``{"plan": true}`` → ``{"plan": …}`` or ``{"problems": […]}``, of what was read; writes to the state directory
* ``{"compile": FOLDER}`` → ``{"manifest", "revision", "seconds"}`` or ``{"error"}``

Started as root, it reads the file as root and nothing else: before it opens what the config names (secrets,
certificates, the state directory) it becomes the user that the config names.

Its memory and its time are nobody else's, and a crash in it leaves the old snapshot in force.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from blocklists.catalogue import BYPASS, Catalogue
from blocklists.loading import load_catalogue
from blocklists.versions import choose, load_kept
from resolver.config.file_policy import file_policy, write_contents
from resolver.config.load import checked, placed, read_document
from resolver.config.places import Document
from resolver.config.references import Known
from resolver.config.schema import Config
from resolver.errors import CatalogueError, ConfigError, MoatdnsError
from resolver.plan import ground_of, plan_of
from resolver.policy.compiler import FORMAT, CompiledRules, RuleSource, SourceRule, compile_groups, compile_rules
from resolver.policy.groups import Group, ResponsePolicy
from resolver.policy.rules import Rank, Source
from resolver.privileges import Account
from resolver.rules import is_plain, parse_rule, plain_key
from resolver.snapshot_file import Origin, write_snapshot

SETS = ("ai", "gateways", "bypass", "lists")  # names that stand for many sources
_ALL_LISTS = "lists"
_NICE = 10  # serving comes first


def known_references(catalogue: Catalogue) -> Known:
    """What a config's `block` and `allow` may name, apart from its own lists. A set without a service is unknown."""
    sets = {name for name in SETS if name == _ALL_LISTS or catalogue.services_of(name)}
    closed = set(catalogue.services_of(BYPASS))
    return Known(
        sets=frozenset(sets),
        vendors=frozenset(catalogue.vendors),
        services=frozenset(catalogue.services),
        ways_round=tuple(domain.rule for domain in catalogue.domains if domain.service in closed),
    )


def fingerprint_of(policy: dict[str, Any], catalogue: str) -> str:
    """What stands for a config's policy (`file_policy`), the catalogue (its fingerprint) and the compiler together."""
    content = json.dumps([FORMAT, catalogue, policy], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def base_text(contents: Mapping[str, str], catalogue: str) -> str:
    """What the lowest layer holds beside the store's rules: catalogue and compiler, and contents of lists by key."""
    made_by = hashlib.sha256(json.dumps([FORMAT, catalogue]).encode()).hexdigest()
    return json.dumps({"made_by": made_by, "contents": dict(sorted(contents.items()))}, separators=(",", ":"))


def compile_policy(policy: dict[str, Any], catalogue: Catalogue) -> tuple[CompiledRules, bytes]:
    """Compile a policy (`Config.policy`, dumped as JSON) with the catalogue: the rules, and the groups."""
    rules = compile_rules([*bundled_sources(catalogue), *_own(policy["lists"])])
    groups = compile_groups(groups_of(policy, catalogue), policy["own_vendors"], scopes_of(policy, catalogue))
    return rules, groups


def bundled_sources(catalogue: Catalogue) -> Iterator[RuleSource]:
    """The catalogue's services, each a source."""
    for service in catalogue.services:
        rules = [
            SourceRule(domain.rule, needed_by=domain.needed_by, response=domain.response)
            for domain in catalogue.domains
            if domain.service == service
        ]
        yield RuleSource(Source(service, Rank.BUNDLED), rules)


def _own(lists: Iterable[dict[str, Any]]) -> Iterator[RuleSource]:
    for entry in lists:
        block, allow = entry["block"], entry["allow"]
        rules = [SourceRule(parse_rule(text)) for text in block if not is_plain(text)]
        rules += [SourceRule(parse_rule(text), allow=True) for text in allow]
        names = (plain_key(text) for text in block if is_plain(text))
        rank = Rank.SUBSCRIPTION if entry["url"] else Rank.OWN
        yield RuleSource(Source(entry["name"], rank), rules, names)


def groups_of(policy: dict[str, Any], catalogue: Catalogue) -> Iterator[Group]:
    """The groups of a policy, with every reference resolved to keys of sources.

    A list may say its `key` (its name unless given), and whether it is `enabled` (unless it is, nothing names it).
    """
    lists = _keys_of_lists(policy)

    def expanded(references: Iterable[str]) -> frozenset[str]:
        keys: set[str] = set()
        for reference in references:
            if reference == _ALL_LISTS:
                keys.update(lists.values())
            elif services := catalogue.services_of(reference):
                keys.update(services)
            elif reference in lists:
                keys.add(lists[reference])
        return frozenset(keys)

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
            schedule_plain=group.get("schedule"),
            client_names=tuple(group.get("client_names", ())),
        )


def scopes_of(policy: dict[str, Any], catalogue: Catalogue) -> dict[str, Iterable[str]]:
    """The sets, vendors and lists of a policy that an exemption may name, with the keys of their sources."""
    lists = _keys_of_lists(policy)
    names = [name for name in (*SETS, *catalogue.vendors) if name not in (_ALL_LISTS, BYPASS)]
    scopes: dict[str, Iterable[str]] = {name: catalogue.services_of(name) for name in names}
    return {**scopes, **{name: (key,) for name, key in lists.items()}, _ALL_LISTS: lists.values()}


def _keys_of_lists(policy: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry.get("key", entry["name"]) for entry in policy["lists"] if entry.get("enabled", True)}


class _Build:
    """One config, from its file to its snapshot."""

    def __init__(self) -> None:
        self._catalogue = load_catalogue()
        self._policy: dict[str, Any] = {}
        self._fingerprint = ""
        self._contents: dict[str, str] = {}
        self._path: Path | None = None
        self._document: Document | None = None
        self._config: Config | None = None

    def read(self, path: str | None) -> dict[str, Any]:
        """Read a config: where it stands, or its mistakes."""
        self._path = Path(path) if path else None
        try:
            self._document = read_document(self._path)
            _become_its_user(self._document)
            # References are checked against the bundled catalogue, which is the newest.
            self._config = checked(self._path, self._document, known_references(self._catalogue))
        except ConfigError as error:
            return {"problems": error.problems}
        except MoatdnsError as error:
            return {"problems": [self._placed(error)]}
        return {"ground": ground_of(self._config).to_plain()}

    def plan(self) -> dict[str, Any]:
        """The plan of what was read, or mistakes."""
        config = self._config
        if config is None:
            return {"problems": ["no config has been read"]}
        try:
            choice = choose(config.state_dir, review=config.policy.catalogue == "review")
            if choice.folder is not None:  # what only the new one knows cannot be named yet
                config = checked(self._path, self._document, known_references(load_kept(choice.folder)))
        except ConfigError as error:
            return {"problems": error.problems}
        except CatalogueError as error:
            return {"problems": [str(error)]}
        self._catalogue = load_kept(choice.folder)
        policy, contents = file_policy(config)
        self._policy = config.policy.model_dump(mode="json")
        self._fingerprint = fingerprint_of(policy, self._catalogue.fingerprint)
        self._contents = {entry["name"]: entry["content"] for entry in policy["lists"] if "content" in entry}
        try:
            write_contents(config.state_dir, contents)
            plan = plan_of(config, policy, self._fingerprint, catalogue=choice)
        except MoatdnsError as error:
            return {"problems": [self._placed(error)]}
        if plan.certificate_trouble:
            plan = replace(plan, certificate_trouble=placed(self._path, self._document, plan.certificate_trouble))
        return {"plan": plan.to_plain()}

    def _placed(self, error: MoatdnsError) -> str:
        return placed(self._path, self._document, str(error))

    def compile(self, folder: str) -> dict[str, Any]:
        """Compile the policy of what was read."""
        began = time.monotonic()
        try:
            rules, groups = compile_policy(self._policy, self._catalogue)
            origin = Origin(self._fingerprint, base_text(self._contents, self._catalogue.fingerprint))
            manifest = write_snapshot(Path(folder), rules, groups, origin)
        except MoatdnsError as error:
            return {"error": str(error)}
        seconds = round(time.monotonic() - began, 3)
        return {"manifest": str(manifest.path), "revision": manifest.revision, "seconds": seconds}


def _become_its_user(document: Document | None) -> None:
    """As root: be the user that a config names, if it names one. Raises MoatdnsError."""
    data = document.data if document is not None else None
    user = data.get("user") if isinstance(data, dict) else None
    if os.geteuid() == 0 and user and isinstance(user, str):
        try:
            Account.named(user).take_over()
        except OSError as error:
            raise MoatdnsError(f"user: cannot become {user!r}: {error.strerror or error}") from error


def main() -> None:
    """Obey the supervisor, order by order, until it closes the channel."""
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)  # a terminal sends them to all; the supervisor decides
    os.nice(_NICE)
    gc.disable()  # a million rules make no cycles, and the process ends soon
    build = _Build()
    for line in sys.stdin:
        order = json.loads(line)
        if "read" in order:
            outcome = build.read(order["read"])
        else:
            outcome = build.compile(order["compile"]) if "compile" in order else build.plan()
        sys.stdout.write(json.dumps(outcome) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
