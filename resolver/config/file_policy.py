"""The policy that a config file gives, as the store takes it: groups and lists, the lists' rules in files of their own.

A list's rules are in a *content file*, ``state_dir/lists/SHA256.rules``: one rule a line, ``block example.com`` or
``allow ok.example.com``. They are named by what is in them, so a list that did not change is not written again, and a
list of a million rules never passes through the store.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resolver.errors import SnapshotError
from resolver.policy.rule_syntax import RuleKind, is_plain, parse_rule
from resolver.system.state_files import make_folder, read_own, write_whole

if TYPE_CHECKING:
    from resolver.config.policy_schema import OwnList
    from resolver.config.schema import Config

CONTENTS = "lists"
"""The folder of content files, below state_dir."""

_FETCHING = {"url", "format", "refresh_seconds", "allow_private", "sha256"}
_YOUNG_SECONDS = 600.0


def content_path(state_dir: Path, digest: str) -> Path:
    """The path of the content file with that SHA-256."""
    return state_dir / CONTENTS / f"{digest}.rules"


def file_policy(config: Config) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The policy as plain data, without rules, and the contents of its lists by their SHA-256."""
    contents: dict[str, bytes] = {}
    lists: list[Mapping[str, object]] = []
    for entry in config.policy.lists:
        if entry.url is not None:
            lists.append({"name": entry.name, "kind": "subscription", **entry.model_dump(include=_FETCHING)})
            continue
        content = "".join(f"{action} {rule}\n" for action, rule in _rules(entry)).encode()
        digest = hashlib.sha256(content).hexdigest()
        contents[digest] = content
        kinds = [parse_rule(rule).kind for _, rule in _rules(entry) if not is_plain(rule)]
        lists.append(
            {
                "name": entry.name,
                "kind": "own",
                "content": digest,
                "rules": len(entry.block) + len(entry.allow),
                "patterns": kinds.count(RuleKind.PATTERN),
                "regexes": kinds.count(RuleKind.REGEX),
            }
        )
    groups = [
        {**group.model_dump(mode="json"), **({"block": None} if group.follows_default else {})}
        for group in config.policy.groups
        if not group.is_built_in
    ]
    policy = {
        "own_vendors": list(config.policy.own_vendors),
        "response": config.policy.response.model_dump(mode="json"),
        "lists": lists,
        "groups": groups,
    }
    return policy, contents


def write_contents(state_dir: Path, contents: dict[str, bytes]) -> None:
    """Write the content files that are not there yet. Raises SnapshotError."""
    for digest, content in contents.items():
        path = content_path(state_dir, digest)
        with contextlib.suppress(OSError):
            if read_own(path) == content:  # not by its size alone: what was damaged is written anew
                continue
        try:
            make_folder(path.parent)
            write_whole(path, content)
        except OSError as error:
            raise SnapshotError(f"cannot write the rules of the config's lists to {path}: {error.strerror}") from error


def has_contents(state_dir: Path, policy: Mapping[str, Any]) -> bool:
    """Whether every content file of a policy is there."""
    return all(content_path(state_dir, entry["content"]).is_file() for entry in policy["lists"] if "content" in entry)


def forget_contents(state_dir: Path, needed: Collection[str]) -> None:
    """Remove content files that nobody needs; young ones may belong to a config that is just being read."""
    old = time.time() - _YOUNG_SECONDS
    with contextlib.suppress(OSError):
        for path in (state_dir / CONTENTS).iterdir():
            if path.stem.partition(".")[0] not in needed and path.stat().st_mtime < old:
                path.unlink()


def _rules(entry: OwnList) -> Iterator[tuple[str, str]]:
    for rule in entry.block:
        yield "block", rule
    for rule in entry.allow:
        yield "allow", rule
