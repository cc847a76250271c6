"""Bring the config file's lists and groups into the store, as `origin: file`: made, changed, and removed with the file.

A name or a network that an object made through the API has already is a contradiction, and then nothing changes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, cast

from admin_api.store import documents, groups, lists
from admin_api.store.change import Change
from admin_api.store.groups import GroupRow
from admin_api.store.lists import FETCHING, ListRow
from admin_api.store.policy import DEFAULT_BLOCK, DEFAULT_GROUP, FILE_POLICY
from admin_api.store.rules import KIND_BOUNDS
from admin_api.store.states import UNWATCHED, GroupState
from resolver.errors import MoatdnsError

_CONTENT = ("content", "rules", "patterns", "regexes")
_NOTHING: dict[str, object] = {
    **dict.fromkeys(("url", "format", "refresh_seconds", "sha256", "content", "fetched", "report")),
    **dict.fromkeys(("last_success_at", "last_error", "last_attempt_at")),
    **{"allow_private": False, "rules": 0, "patterns": 0, "regexes": 0},
}
_NOTED = ("fingerprint", "own_vendors", "response", "source")


class ProvisionError(MoatdnsError):
    """The config file's policy contradicts what was made through the API. `problems` are finished sentences."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


async def provision(change: Change, file_policy: Mapping[str, Any]) -> bool:
    """Take over what the file says; gives whether anything is new. Raises ProvisionError: let it roll the change back.

    `file_policy` has fingerprint, own_vendors, response, lists (name, kind; content, rules, patterns, regexes of an own
    one; url, format, refresh_seconds, allow_private, sha256 of a subscription) and groups
    (name, description, networks, client_names, exempt, mode, block, monitor, monitor_until, allow, response, schedule);
    `source`, the file's path, may be there too.
    """
    before = await documents.get(change.connection, FILE_POLICY)
    if before is not None and before.get("fingerprint") == file_policy["fingerprint"]:
        return False
    problems = [*await _provision_lists(change, file_policy["lists"])]
    problems += await _provision_groups(change, file_policy["groups"])
    if problems:
        raise ProvisionError(problems)
    after = {name: file_policy[name] for name in _NOTED if name in file_policy}
    await documents.put(change.connection, FILE_POLICY, after)
    change.record("provision", "policy", before, after)
    change.touches_policy()
    return True


async def _provision_lists(change: Change, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
    problems = []
    there = {row.name: row for row in await lists.all_lists(change.connection)}
    for name in there.keys() - {entry["name"] for entry in wanted}:
        row = there[name]
        if row.origin != "file":
            continue
        if users := await _made_groups_that_name(change, name):
            problems.append(
                f"policy.lists: {name!r} is no longer in the config file, but {users}, made through the API, "
                "still name it: remove it there first, or restore the list"
            )
            continue
        await lists.delete(change, row)
        change.record("provision", f"lists/{name}", row.plain(), None)
    for entry in wanted:
        problems += await _provision_list(change, entry, there.get(entry["name"]))
    rows = await lists.all_lists(change.connection)
    for kind, most, words in KIND_BOUNDS:
        count = sum(getattr(row, kind) for row in rows)
        if count > most:
            problems.append(
                f"policy.lists: with the lists made through the API there are {count} {words}, and a policy has at "
                f"most {most}: write plain names where you can"
            )
    return problems


async def _provision_list(change: Change, entry: Mapping[str, Any], row: ListRow | None) -> list[str]:
    name, kind = entry["name"], entry.get("kind", "own")
    is_fetched = kind == "subscription"
    content = {key: entry[key] for key in (FETCHING if is_fetched else _CONTENT)}
    if row is None:
        made = await lists.create(change, name=name, kind=kind, origin="file", **content)
    elif row.origin != "file":
        return [
            f"policy.lists: a list {name!r} already exists in the API: rename the one in the config file, or "
            "delete that one"
        ]
    elif row.kind != kind:
        made = await lists.update(change, row, **{**_NOTHING, "kind": kind, **content}, rules_revision=change.revision)
    elif any(getattr(row, key) != value for key, value in content.items()):
        revision = row.rules_revision if is_fetched else change.revision
        made = await lists.update(change, row, **content, rules_revision=revision)
    else:
        return []
    change.record("provision", f"lists/{name}", None if row is None else row.plain(), made.plain())
    return []


async def _made_groups_that_name(change: Change, list_name: str) -> str:
    rows = await groups.all_groups(change.connection)
    users = [row.name for row in rows if row.origin != "file" and list_name in row.references]
    return ("groups " if len(users) > 1 else "the group ") + ", ".join(map(repr, users)) if users else ""


async def _provision_groups(change: Change, wanted: Sequence[Mapping[str, Any]]) -> list[str]:
    problems = []
    names = {entry["name"] for entry in wanted}
    there = {row.name: row for row in await groups.all_groups(change.connection)}
    for row in there.values():
        if row.origin == "file":
            await groups.release(change, row)  # networks may move from one group of the file to another
    for row in there.values():
        if row.origin == "file" and row.name not in names:
            await _take_out(change, row)
    for entry in wanted:
        found = there.get(entry["name"])
        if found is not None and found.origin == "api":
            problems.append(
                f"policy.groups: a group {found.name!r} already exists in the API: rename the one in the "
                "config file, or delete that one"
            )
            continue
        claims = await groups.claims(change.connection, entry["networks"])
        claims.pop(entry["name"], None)  # `default`, when it becomes the file's
        for owner, networks in claims.items():
            problems.append(
                f"policy.groups: {', '.join(networks)} of the group {entry['name']!r} is claimed by the group "
                f"{owner!r}, made through the API: a network has one group, so remove it from one"
            )
        names_claimed = _names_claimed(entry, [row for row in there.values() if row.name not in names])
        problems += names_claimed
        if not claims and not names_claimed:
            await _put_in(change, entry, found)
    return problems


def _names_claimed(entry: Mapping[str, Any], others: list[GroupRow]) -> list[str]:
    """Problems with client names of the file's group that groups of the API have, too."""
    wanted = set(entry.get("client_names", ()))
    return [
        f"policy.groups: client name {', '.join(sorted(shared))} of the group {entry['name']!r} is claimed by the "
        f"group {row.name!r}, made through the API: a client name has one group, so remove it from one"
        for row in others
        if row.origin != "file" and (shared := wanted.intersection(row.client_names))
    ]


async def _take_out(change: Change, row: GroupRow) -> None:
    if row.name != DEFAULT_GROUP:
        await groups.delete(change, row)
        change.record("provision", f"groups/{row.name}", row.plain(), None)
        return
    defaults = {"description": "", "networks": (), "exempt": False, "mode": "enforce", "block": DEFAULT_BLOCK}
    rest = {"allow": (), "response": None, "schedule": None, "client_names": (), "origin": "bundled"}
    rest |= {"monitor": (), "monitor_until": None}
    updated = await groups.update(change, dataclasses.replace(row, networks=()), **defaults, **rest)
    change.record("provision", f"groups/{row.name}", row.plain(), updated.plain())


async def _put_in(change: Change, entry: Mapping[str, Any], row: GroupRow | None) -> None:
    state = cast(GroupState, {"schedule": None, "client_names": [], **UNWATCHED, **entry})
    before = None if row is None else row.plain()
    if row is None:
        made = await groups.create(change, state, origin="file")
    elif row.origin == "file" and before == state:
        await groups.claim(change, row.id, row.networks)
        return
    else:
        released = dataclasses.replace(row, networks=()) if row.origin == "file" else row
        made = await groups.update(change, released, **state, origin="file")
    change.record("provision", f"groups/{made.name}", before, made.plain())
