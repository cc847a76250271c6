"""The store's policy, compiled: a whole base, or what changed since as a layer over others."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store import rules
from admin_api.store.lists import ListRow
from admin_api.store.policy import PolicyDocument, read_file_policy, read_policy
from blocklists.catalogue import Catalogue
from blocklists.sources import base_text, bundled_sources, groups_of, scopes_of, sort_rules
from resolver.config.file_policy import content_path
from resolver.errors import SnapshotError
from resolver.policy.compiler import CompiledRules, RuleSource, SourceRule, compile_groups, compile_rules
from resolver.policy.overlay import RuleChange, overlay
from resolver.policy.rule_layer import Rank, Source
from resolver.policy.rule_syntax import parse_rule
from resolver.policy.stack import RuleStack
from resolver.snapshot.local_file import pack_local
from resolver.system.state_files import reading

_RANKS = {"own": Rank.OWN, "subscription": Rank.SUBSCRIPTION}


@dataclass(frozen=True, slots=True)
class Lack:
    """Lacks of a base: something that nothing goes on without, or lists fetched anew, from a revision on."""

    must_wait: bool = False
    since: int | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WantedPolicy:
    """The policy as the store has it at one moment. `fingerprint` is the config's, `base` what a base should hold."""

    document: PolicyDocument
    fingerprint: str
    base: str

    @property
    def revision(self) -> int:
        """The store's policy revision."""
        return self.document.revision

    def lacks_of(self, base: str) -> Lack:
        """Contents that a compiled base does not have, or has of an older state."""
        try:
            have = json.loads(base)
            contents = have["contents"]
            if have["made_by"] != json.loads(self.base)["made_by"]:
                return Lack(must_wait=True)
        except (ValueError, TypeError, KeyError):  # of an earlier version
            return Lack(must_wait=True)
        differ = [row for row in self.document.lists if contents.get(row.key) != row.content]
        fetched = [row for row in differ if row.kind == "subscription"]
        since = min((row.rules_revision for row in fetched), default=None)
        return Lack(len(fetched) < len(differ), since, tuple(row.name for row in fetched))

    @property
    def rules(self) -> int:
        """How many rules there are beside the catalogue's."""
        return sum(row.rules for row in self.document.lists)

    @property
    def local(self) -> bytes:
        """The local names, packed."""
        return pack_local(row.record for row in self.document.local)

    def groups(self, catalogue: Catalogue) -> bytes:
        """The groups, compiled."""
        document = self.document
        plain = {
            "response": document.response,
            "lists": [{"name": row.name, "key": row.key, "enabled": row.enabled} for row in document.lists],
            "groups": [row.plain() for row in document.groups],
        }
        return compile_groups(groups_of(plain, catalogue), document.own_vendors, scopes_of(plain, catalogue))


async def read_wanted(connection: AsyncConnection, catalogue: Catalogue) -> WantedPolicy:
    """The policy that this connection sees."""
    document = await read_policy(connection)
    of_file = await read_file_policy(connection)
    contents = {row.key: row.content for row in document.lists if row.content is not None}
    return WantedPolicy(document, of_file.get("fingerprint", ""), base_text(contents, catalogue.fingerprint))


def has_catalogue(base: str, fingerprint: str) -> bool:
    """Whether a compiled base was made with a catalogue, by this version's compiler."""
    try:
        return bool(json.loads(base)["made_by"] == json.loads(base_text({}, fingerprint))["made_by"])
    except (ValueError, TypeError, KeyError):
        return False


async def base_rules(
    connection: AsyncConnection, wanted: WantedPolicy, catalogue: Catalogue, state_dir: Path
) -> CompiledRules:
    """Everything, compiled into one layer. Raises SnapshotError when a content file cannot be read."""
    sources = list(bundled_sources(catalogue))
    for row in wanted.document.lists:
        names: list[bytes] = []
        others: list[SourceRule] = []
        if row.content is not None:
            # Under no name of their own: a million pairs must be gone when the rules are compiled.
            sort_rules(await asyncio.to_thread(_read_content, state_dir, row), names, others, is_foreign=True)
        else:
            async for batch in rules.stream(connection, row.id):
                sort_rules(batch, names, others, is_foreign=True)
        sources.append(RuleSource(_source(row), others, names))
    return await asyncio.to_thread(compile_rules, sources)


async def overlay_rules(
    connection: AsyncConnection, wanted: WantedPolicy, below: RuleStack, since: int
) -> CompiledRules:
    """Compile the changes after the revision `since`, as a layer over `below`."""
    changes = await rules.changes_since(connection, since)
    sources = {row.key: _source(row) for row in wanted.document.lists}

    def compiled() -> CompiledRules:
        return overlay(below, sources, _changes(changes.removed), _changes(changes.added))

    return await asyncio.to_thread(compiled)


def _source(row: ListRow) -> Source:
    return Source(row.name, _RANKS[row.kind], "" if row.key == row.name else row.key)


def _changes(triples: Sequence[tuple[str, str, str]]) -> Iterator[RuleChange]:
    return (RuleChange(key, action == "allow", parse_rule(text)) for key, action, text in triples)


def _read_content(state_dir: Path, row: ListRow) -> list[tuple[str, str]]:
    path = content_path(state_dir, row.content or "")
    try:
        with reading(path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            with io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="\n") as lines:
                found = [(line[:5].rstrip(), line[6:-1]) for line in lines]
    except OSError as error:
        why = f"the rules of list {row.name!r}, {path}, cannot be read: {error.strerror}; reload the config (SIGHUP)"
        raise SnapshotError(why) from error
    if digest != row.content or len(found) != row.rules:
        raise SnapshotError(f"the rules of list {row.name!r}, {path}, are damaged; remove the file and reload (SIGHUP)")
    return found
