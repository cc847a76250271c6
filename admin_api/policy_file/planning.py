"""Plans: changes that make the policy what a document says, or what it was at an earlier revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.editing.errors import Invalid, pointer
from admin_api.policy_file.document import PolicyFile, rules_of
from admin_api.store import groups, lists, local_names, revisions, rules
from admin_api.store.errors import NotFound
from admin_api.store.lists import FETCHING, ListRow
from admin_api.store.policy import DEFAULT_GROUP, DEFAULT_RESPONSE, read_file_policy, revision
from admin_api.store.states import UNWATCHED, KeptFilePolicy

Pairs = frozenset[tuple[str, str]]  # action, rule


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One change: create, update or delete; `before` and `after` are settings, without rules."""

    action: str
    kind: str  # list, group, local
    name: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    added: Pairs = frozenset()
    removed: Pairs = frozenset()

    @property
    def object(self) -> str:
        """As the audit trail calls it."""
        return f"{_OBJECTS[self.kind]}/{self.name}"


_OBJECTS: Final = {"list": "lists", "group": "groups", "local": "local"}


@dataclass(slots=True)
class PolicyPlan:
    """All changes, and what stays although the document says otherwise, in finished phrases."""

    revision: int
    changes: list[PlannedChange] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    back_to: int | None = None  # the revision, where it is the way back to one

    @property
    def rules(self) -> int:
        """How many rules it adds and removes."""
        return sum(len(change.added) + len(change.removed) for change in self.changes)

    def change(
        self,
        kind: str,
        name: str,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
        *,
        added: Pairs = frozenset(),
        removed: Pairs = frozenset(),
    ) -> None:
        """Plan for a thing to be `after`; None is not there. Nothing is planned where it is so."""
        if before != after or added or removed:
            action = "create" if before is None else "delete" if after is None else "update"
            self.changes.append(PlannedChange(action, kind, name, before, after, added, removed))


async def plan_document(conn: AsyncConnection, document: PolicyFile) -> PolicyPlan:
    """Plan the changes that a document makes. Raises Invalid for what only the config file can change."""
    plan = PolicyPlan(await revision(conn))
    of_file = await read_file_policy(conn)
    source = of_file.get("source") or "the config file"
    mistakes = _of_the_file(document, of_file, source)
    await _plan_lists(conn, document, plan, mistakes, source)
    await _plan_groups(conn, document, plan, mistakes, source)
    await _plan_local(conn, document, plan)
    if mistakes:
        raise Invalid(mistakes)
    return plan


def _of_the_file(document: PolicyFile, of_file: KeptFilePolicy, source: str) -> list[tuple[str, str]]:
    mistakes = []
    own, response = document.policy.own_vendors, document.policy.response
    if own is not None and set(own) != set(of_file.get("own_vendors", ())):
        mistakes.append(("/policy/own_vendors", f"are the config's: edit policy.own_vendors in {source}"))
    if response is not None and response.model_dump(mode="json") != (of_file.get("response") or DEFAULT_RESPONSE):
        mistakes.append(("/policy/response", f"is the config's: edit policy.response in {source}"))
    return mistakes


async def _plan_lists(
    conn: AsyncConnection, document: PolicyFile, plan: PolicyPlan, mistakes: list[tuple[str, str]], source: str
) -> None:
    there = {row.name: row for row in await lists.all_lists(conn)}
    for index, entry in enumerate(document.policy.lists):
        at = pointer(("policy", "lists", index))
        row = there.pop(entry.name, None)
        wanted = frozenset((action, rule) for action in ("block", "allow") for rule in getattr(entry, action))
        if row is None:
            settings = {"kind": "subscription" if entry.url else "own", **entry.settings}
            plan.change("list", entry.name, None, settings, added=wanted)
            continue
        if row.origin == "file":
            if entry.settings != row.settings or (wanted and entry.origin != "file"):
                mistakes.append((at, f"list {entry.name!r} is the config's: edit policy.lists in {source}"))
            continue
        if (row.kind == "subscription") != (entry.url is not None):
            mistakes.append((at, f"list {entry.name!r} cannot change its kind: use another name"))
            continue
        now = frozenset((a, rule) for a, texts in (await rules_of(conn, row)).items() for rule in texts)
        now = frozenset() if row.kind == "subscription" else now
        plan.change("list", entry.name, row.settings, entry.settings, added=wanted - now, removed=now - wanted)
    for row in there.values():
        if row.origin == "file":
            plan.kept.append(f"list {row.name!r}, which {source} has")
        else:
            plan.change("list", row.name, row.settings, None)


async def _plan_groups(
    conn: AsyncConnection, document: PolicyFile, plan: PolicyPlan, mistakes: list[tuple[str, str]], source: str
) -> None:
    there = {row.name: row for row in await groups.all_groups(conn)}
    for index, entry in enumerate(document.policy.groups):
        row = there.pop(entry.name, None)
        before = None if row is None else row.plain()
        if row is not None and row.origin == "file" and before != entry.plain:
            at = pointer(("policy", "groups", index))
            mistakes.append((at, f"group {entry.name!r} is the config's: edit policy.groups in {source}"))
        else:
            plan.change("group", entry.name, before, entry.plain)
    for row in there.values():
        if row.origin == "file":
            plan.kept.append(f"group {row.name!r}, which {source} has")
        elif row.name == DEFAULT_GROUP:
            plan.kept.append("group 'default', for all clients in no other group")
        else:
            plan.change("group", row.name, row.plain(), None)


async def _plan_local(conn: AsyncConnection, document: PolicyFile, plan: PolicyPlan) -> None:
    wanted = document.policy.local
    if wanted is None:  # as a document of an earlier version, or one about lists and groups alone
        return
    there = {row.name: row for row in await local_names.all_names(conn)}
    for name, given in wanted.items():
        row = there.pop(name, None)
        plan.change("local", name, None if row is None else row.plain(), local_names.state_of(name, given))
    for row in there.values():
        plan.change("local", row.name, row.plain(), None)


async def plan_rollback(conn: AsyncConnection, to: int) -> PolicyPlan:
    """Plan the way back to a revision; the config's part of the policy stays. Raises NotFound, Invalid."""
    now = await revision(conn)
    if not 0 <= to <= now:
        raise NotFound(f"revision {to}: the policy has revision {now}")
    firsts: dict[str, Mapping[str, Any] | None] = {}  # objects, as they were at that revision
    touched: dict[str, dict[tuple[str, str], bool]] = {}  # by list: whether a rule was there then
    async for lines in revisions.since(conn, to, now):
        for line in reversed(lines):
            if line[0] == "object":
                firsts[line[1]] = line[2]
            else:
                sign, name, action, texts = line
                touched.setdefault(name, {}).update({(action, text): sign == "-" for text in texts})
    plan = PolicyPlan(now, back_to=to)
    there = {row.name: row for row in await lists.all_lists(conn)}
    in_groups = {row.name: row for row in await groups.all_groups(conn)}
    names = {name.partition("/")[2] for name in firsts if name.startswith("lists/")} | touched.keys()
    for name in sorted(names):
        row = there.get(name)
        if row is not None and row.origin == "file":
            plan.kept.append(f"list {name!r}, which the config file has")
            continue
        was = firsts.get(f"lists/{name}", _NOT_TOUCHED)
        if row is not None and isinstance(was, dict) and was["kind"] != row.kind:
            why = f"list {name!r} had another kind then ({was['kind']}), and cannot change: delete it first"
            raise Invalid([("/to_revision", why)])
        await _plan_list_back(conn, plan, name, row, was, touched.get(name, {}))
    for name in sorted(key.partition("/")[2] for key in firsts if key.startswith("groups/")):
        group, before = in_groups.get(name), firsts[f"groups/{name}"]
        if before is not None:
            before = {"client_names": [], **UNWATCHED, **before}  # an earlier version had none
        if group is not None and group.origin == "file":
            plan.kept.append(f"group {name!r}, which the config file has")
        else:
            plan.change("group", name, None if group is None else group.plain(), before)
    in_local = {row.name: row for row in await local_names.all_names(conn)}
    for name in sorted(key.partition("/")[2] for key in firsts if key.startswith("local/")):
        local = in_local.get(name)
        plan.change("local", name, None if local is None else local.plain(), firsts[f"local/{name}"])
    return plan


_NOT_TOUCHED: Any = object()


async def _plan_list_back(
    conn: AsyncConnection,
    plan: PolicyPlan,
    name: str,
    row: ListRow | None,
    was: Any,
    touched: Mapping[tuple[str, str], bool],
) -> None:
    # What came and went between is no change: only what is there now and was not then, or the other way round.
    there = await rules.those_there(conn, row, list(touched)) if row is not None else frozenset()
    back = frozenset(pair for pair, was_there in touched.items() if was_there and pair not in there)
    away = frozenset(pair for pair, was_there in touched.items() if not was_there and pair in there)
    if was is None:
        plan.change("list", name, None if row is None else row.settings, None)
        return
    settings = None
    if was is not _NOT_TOUCHED:
        settings = {"enabled": was["enabled"]}
        if was["kind"] == "subscription":
            defaults = {"allow_private": False, "sha256": None}
            settings |= {key: was.get(key, defaults.get(key)) for key in FETCHING}
    if row is not None:
        plan.change("list", name, row.settings, settings or row.settings, added=back, removed=away)
    elif settings is not None:
        plan.change("list", name, None, {"kind": was["kind"], **settings}, added=back)
