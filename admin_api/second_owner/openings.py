"""Openings by a change of the store, judged by what it wrote, before it is committed.

In doubt, and of what nobody has classified, it opens something. Exemptions have their own second pair of eyes
(editing/exemptions.py).
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.persons import name_of
from admin_api.second_owner.groups import Facts, State, States, changed
from admin_api.second_owner.leases import lease_openings
from admin_api.second_owner.local_names import LocalFacts, local_opened
from admin_api.store import exemptions, groups, leases, lists, local_names, pauses
from admin_api.store import policy as stored
from admin_api.store.change import AuditEntry, Change
from admin_api.store.lease_row import LeaseRow
from admin_api.store.lists import ListRow
from admin_api.store.looks import GRANT
from admin_api.store.restored import CONFIRM
from admin_api.store.roles import roles_of_audit, told
from admin_api.store.tables import leases as lease_table
from admin_api.store.tables import lists as list_table
from admin_api.store.tables import removed_rules, rules
from blocklists.catalogue import Catalogue

OPEN_NOTHING: Final = ("exemptions", "cache", "webhooks", "mail", "change-requests", "unlisted", "queries", "people")
"""Objects whose audit rows tell of nothing that opens here: the first have their own four eyes."""

_CLOSING: Final = {
    *(("audit", "acknowledge"), ("audit", "strike"), ("audit", "checkpoint"), ("tokens", "revoke")),
    *(("pauses", "end"), ("pauses", "expire")),
}
_LOOKS_AT: Final = {"GET /queries": "the queries of", "POST /people:export": "all that is kept of"}
_SOURCE: Final = ("url", "format", "sha256")  # of a subscription: what its rules come from
_MOST_RULES = 20  # that are named
_MOST_PHRASES = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """An audit row to be, taken apart."""

    action: str
    kind: str
    name: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @classmethod
    def of(cls, entry: AuditEntry) -> Entry:
        """That row."""
        kind, _, name = entry.object.partition("/")
        states = [None if text is None else json.loads(text) for text in (entry.before, entry.after)]
        return cls(entry.action, kind, name, *states)


async def openings(
    change: Change, catalogue: Catalogue, *, of_hook: bool = False, local: LocalFacts | None = None
) -> list[str]:
    """Openings by a change, in finished phrases; pauses are left to the caller.

    `of_hook`: a VPN or DHCP server sets leases; who has the address is its own word, and what ends, ends.
    `local`: what local names are judged by; without, each of their changes opens.
    """
    entries = [Entry.of(entry) for entry in change.entries]
    kinds = {entry.kind for entry in entries}
    found: list[str] = []
    if kinds & {"groups", "lists"} or change.leased:
        lookup = await OpeningLookup.make(change, entries, catalogue)
        found += changed(lookup.was, lookup.will, lookup.facts)
        found += lookup.of_lists(entries)
        found += [phrase async for phrase in lookup.of_rules(change)]
        identities = frozenset[str]() if of_hook else lookup.exempt_identities
        found += await lease_openings(change, lookup.will, lookup.facts, identities, ends_too=not of_hook)
    if "local" in kinds:
        was = {entry.name: entry.before for entry in reversed(entries) if entry.kind == "local"}
        rows = await local_names.all_names(change.connection)
        found += await asyncio.to_thread(local_opened, was, [row.record for row in rows], local or LocalFacts())
    for entry in entries:
        if entry.kind == "tokens" and entry.action == "create" and entry.after is not None:
            of_roles = told(roles_of_audit(entry.after))
            found.append(f"token {entry.name!r} of {of_roles} is created for {entry.after['owner']}")
        elif (entry.action, entry.kind) == CONFIRM and entry.after is not None:
            found += [f"token {name!r} of a backup lets its holder in again" for name in entry.after["tokens"]]
            found += [f"exemption {number!r} of a backup counts again" for number in entry.after["exemptions"]]
        elif (entry.action, entry.kind) == GRANT and entry.after is not None:
            whom = " and ".join(str(entry.after[name]) for name in ("client", "identity") if name in entry.after)
            operation = entry.after["operation"]
            what = f"{_LOOKS_AT.get(operation, operation)} {whom}" if whom else f"persons by {operation}"
            found.append(f"{name_of(entry.after['owner'])} looks at {what}: {entry.after['reason']}")
        elif (entry.kind, entry.action) == ("privacy", "agree"):
            settings = ((key, value) for key, value in (entry.after or {}).items() if key != "reason")
            found += [f"{key} becomes {value}, and was {(entry.before or {}).get(key)}" for key, value in settings]
        elif entry.kind not in ("groups", "lists", "local", "pauses", *OPEN_NOTHING) and (
            (entry.kind, entry.action) not in _CLOSING
        ):
            found.append(f"{entry.kind} {entry.name!r}: {entry.action}")
    found = list(dict.fromkeys(found))
    return found[:_MOST_PHRASES] + (["and more"] if len(found) > _MOST_PHRASES else [])


async def opening_leases(change: Change, catalogue: Catalogue) -> list[LeaseRow]:
    """Leases that are there and open something: by their group, or to an identity that has an exemption."""
    lookup = await OpeningLookup.of_now(change.connection, catalogue)
    found = []
    for row in await leases.all_leases(change.connection):
        made = Change(change.connection, change.actor, None, change.revision)
        made.leased = [(None, row)]
        if await lease_openings(made, lookup.will, lookup.facts, lookup.exempt_identities):
            found.append(row)
    return found


@dataclass(frozen=True, slots=True)
class OpeningLookup:
    """Groups before and after, lists, and what exemptions and pauses name."""

    was: States
    will: States
    rows: dict[str, ListRow]
    facts: Facts
    shifting: frozenset[str]  # lists that open what they decide: allowed in a group, or in an exemption's scope
    exempt_identities: frozenset[str]

    @classmethod
    async def make(cls, change: Change, entries: Iterable[Entry], catalogue: Catalogue) -> OpeningLookup:
        """As the change has left it, and, of groups, as it was."""
        will = {row.name: row.plain() for row in await groups.all_groups(change.connection)}
        was: dict[str, State] = dict(will)
        for entry in reversed([entry for entry in entries if entry.kind == "groups"]):
            if entry.before is None:
                was.pop(entry.name, None)
            else:
                was[entry.name] = {**entry.before, "name": entry.name}
        return await cls._of(change.connection, was, will, catalogue)

    @classmethod
    async def of_now(cls, conn: AsyncConnection, catalogue: Catalogue) -> OpeningLookup:
        """As everything is now: for changes of long ago, of which the rows alone are left."""
        states: States = {row.name: row.plain() for row in await groups.all_groups(conn)}
        return await cls._of(conn, states, states, catalogue)

    @classmethod
    async def _of(cls, conn: AsyncConnection, was: States, will: States, catalogue: Catalogue) -> OpeningLookup:
        rows = {row.name: row for row in await lists.all_lists(conn)}
        opened = await exemptions.opened(conn)
        scopes = frozenset(scope for row in opened for scope in row.scope)
        allowed = {name for state in (*was.values(), *will.values()) for name in state["allow"]}
        of_file = await stored.read_file_policy(conn)
        with_allow = await _with_allow_rules(conn, rows.values())
        paused = [row.group for row in await pauses.all_pauses(conn)]
        facts = Facts(
            response=of_file.get("response") or stored.DEFAULT_RESPONSE,
            default_block=stored.DEFAULT_BLOCK,
            services_of=functools.cache(catalogue.services_of),
            opening_lists=frozenset(
                name for name, row in rows.items() if row.enabled and (name in with_allow or _is_in(name, scopes))
            ),
            exempt_groups=frozenset(row.who[0] for row in opened if row.kind == "group"),
            paused_groups=frozenset(group for group in paused if group is not None),
            leased_groups=await _leased_groups(conn),
            all_paused=None in paused,
        )
        identities = frozenset(row.who[0] for row in opened if row.kind == "identity")
        return cls(was, will, rows, facts, frozenset(allowed | scopes), identities)

    def of_lists(self, entries: Iterable[Entry]) -> Iterator[str]:
        """Openings by lists that are made, changed or removed; their rules are looked at by `of_rules`."""
        for entry in entries:
            if entry.kind != "lists":
                continue
            before, after, row = entry.before or {}, entry.after or {}, self.rows.get(entry.name)
            if entry.action == "ask for refresh":
                if row is not None and row.enabled and row.rules:
                    yield f"list {entry.name!r} is fetched, and accepted even if it lost most of its rules"
            elif entry.action == "delete":
                if before.get("enabled") and before.get("rules"):
                    yield f"list {entry.name!r} is deleted, with {before['rules']} rules"
            elif entry.action == "create":
                if after.get("enabled") and after.get("url") and _is_in(entry.name, self.shifting):
                    yield f"list {entry.name!r} is created, and an exemption or a group allows its names"
            elif entry.action == "update":
                yield from self._of_update(entry.name, before, after)

    def _of_update(self, name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
        if before["enabled"] and not after["enabled"] and before.get("rules"):
            yield f"list {name!r} is disabled, with {before['rules']} rules"
        elif after["enabled"] and not before["enabled"]:
            if name in self.facts.opening_lists or _is_in(name, self.shifting):
                yield f"list {name!r} is enabled, and allows names"
        elif after["enabled"] and (other := [key for key in _SOURCE if before.get(key) != after.get(key)]):
            yield f"list {name!r} gets another {' and '.join(other)}"

    async def of_rules(self, change: Change) -> AsyncIterator[str]:
        """Openings by rules that were added or removed."""
        by_id = {row.id: row for row in self.rows.values() if row.enabled}  # of others: when they are enabled
        for table, is_opening in ((rules, "allow"), (removed_rules, "block"), (rules, "block")):
            c = table.c
            query = select(c.list_id).where(c.revision == change.revision, c.action == is_opening).distinct()
            for number in (await change.connection.execute(query)).scalars().all():
                row = by_id.get(number)
                if row is None:
                    continue
                names = await _written(change, table, row, is_opening)
                if table is removed_rules:
                    yield f"list {row.name!r} no longer blocks {names}"
                elif is_opening == "allow":
                    yield f"list {row.name!r} allows {names}"
                elif _is_in(row.name, self.shifting):
                    yield f"list {row.name!r}, which an exemption or a group allows, gains {names}"


def _is_in(name: str, scopes: Iterable[str]) -> bool:
    """Whether scopes name a list, by itself or with all others."""
    return name in scopes or "lists" in scopes


async def _written(change: Change, table: Table, row: ListRow, action: str) -> str:
    """Some of the rules that this change added or removed, by name."""
    c = table.c
    query = select(c.rule).where(c.list_id == row.id, c.revision == change.revision, c.action == action)
    found = sorted((await change.connection.execute(query.order_by(c.rule).limit(_MOST_RULES + 1))).scalars())
    more = " and more" if len(found) > _MOST_RULES else ""
    return ", ".join(found[:_MOST_RULES]) + more


async def _with_allow_rules(conn: AsyncConnection, rows: Iterable[ListRow]) -> frozenset[str]:
    """The own lists that have allow rules, as far as the store knows: those of the config's are in its files."""
    has_some = select(rules.c.rule).where(rules.c.list_id == list_table.c.id, rules.c.action == "allow").exists()
    query = select(list_table.c.name).where(has_some)
    of_file = {row.name for row in rows if row.kind == "own" and row.content is not None}
    return frozenset({*(await conn.execute(query)).scalars()} | of_file)


async def _leased_groups(conn: AsyncConnection) -> frozenset[str]:
    query = select(lease_table.c.group).where(lease_table.c.group.is_not(None)).distinct()
    return frozenset((await conn.execute(query)).scalars())
