"""Replay of the queries of the last days under a planned policy, by the very code that decides."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TypedDict

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.compiling.layers import overlay_rules, read_wanted
from admin_api.editing.errors import Invalid
from admin_api.query_log import files
from admin_api.query_log.tallies import pairs_of
from admin_api.query_log.unreadable import MOST_UNREADABLE, BlockPlace, lacks_of
from admin_api.store import rules
from admin_api.store.policy import DEFAULT_RESPONSE
from admin_api.store.states import KeptFilePolicy
from blocklists.catalogue import Catalogue
from resolver.errors import RuleError
from resolver.policy.compiler import layer_in_memory, load_policy
from resolver.policy.decision import Decision
from resolver.policy.groups import parse_client
from resolver.policy.moments import Moment
from resolver.policy.situation import situation_of
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.standing import View
from resolver.policy.subjects import Subjects
from resolver.snapshot.local_file import read_local
from resolver.wire.names import key_of, parse_any_name

MOST_PAIRS = 100_000
MOST_TOLD = 1000
_MOST_CHANGES = 20_000  # rules that are compiled for a replay


class ReplayedPair(TypedDict):
    """A client and a name, with both verdicts and how many queries there were."""

    client: str
    name: str
    before: str
    after: str
    queries: int


@dataclass(slots=True)
class Replay:
    """Pairs of client and name that come to another verdict, the most asked first."""

    queries: int = 0
    pairs: int = 0
    changed: int = 0
    items: list[ReplayedPair] = field(default_factory=list)
    cannot_show: list[str] = field(default_factory=list)
    unreadable: list[BlockPlace] = field(default_factory=list)


async def planned_snapshot(
    conn: AsyncConnection,
    catalogue: Catalogue,
    now: PolicySnapshot,
    since: int,
    *,
    of_file: KeptFilePolicy | None = None,
) -> PolicySnapshot:
    """The policy as an open transaction has it, over what is in force since a revision. Raises Invalid.

    `of_file`: with these settings of a config file instead of those in force.
    """
    wanted = await read_wanted(conn, catalogue)
    if of_file is not None:
        own, response = tuple(of_file.get("own_vendors", ())), of_file.get("response") or DEFAULT_RESPONSE
        wanted = replace(wanted, document=replace(wanted.document, own_vendors=own, response=response))
    if await rules.count_changes_since(conn, since) > _MOST_CHANGES:
        raise Invalid([("", f"more than {_MOST_CHANGES} rules change: too many to replay; plan without")])
    compiled = await overlay_rules(conn, wanted, now.stack, since)
    return await asyncio.to_thread(
        lambda: load_policy(
            0, [*now.stack.layers, layer_in_memory(compiled)], wanted.groups(catalogue), read_local(wanted.local)
        )
    )


def replay(
    state_dir: Path, start: datetime, now: PolicySnapshot, planned: PolicySnapshot, subjects: Subjects, moment: Moment
) -> Replay:
    """Judge what the query log has since `start` by both policies. Runs in a thread."""
    found = Replay()
    asked = asked_since(state_dir, start)
    found.queries = asked.queries
    before, after = judge(now, subjects, moment), judge(planned, subjects, moment)
    for (client, name), count in asked.pairs.items():
        try:
            old, new = str(before(client, name).verdict), str(after(client, name).verdict)
        except (ValueError, RuleError):  # a network, or a name that nobody could ask for
            continue
        if old != new:
            found.changed += count
            found.items.append({"client": client, "name": name, "before": old, "after": new, "queries": count})
    found.pairs = len(asked.pairs)
    if now.has_client_names or planned.has_client_names:
        found.cannot_show.append("the log has no client names: clients were evaluated by address")
    found.items.sort(key=lambda item: (-item["queries"], item["client"], item["name"]))
    if now.local.digest != planned.local.digest:
        found.cannot_show.append("local names are not replayed: they are answered whatever the policy says")
    found.cannot_show += asked.cannot_show
    found.unreadable = asked.unreadable[:MOST_UNREADABLE]
    if len(found.items) > MOST_TOLD:
        found.cannot_show.append(f"{len(found.items)} pairs change, {MOST_TOLD} are shown")
        del found.items[MOST_TOLD:]
    return found


@dataclass(slots=True)
class AskedNames:
    """How often each client asked for each name, the newest days first. `queries` is how many were looked at."""

    pairs: dict[tuple[str, str], int] = field(default_factory=dict)
    queries: int = 0
    cannot_show: list[str] = field(default_factory=list)
    unreadable: list[BlockPlace] = field(default_factory=list)

    def take(self, tallies: Iterable[tuple[str, str, int]]) -> bool:
        """Add pairs, each with how often it was asked; False where there is no room for one."""
        for client, name, count in tallies:
            self.queries += count
            pair = (client, name)
            if pair not in self.pairs and len(self.pairs) >= MOST_PAIRS:
                return False
            self.pairs[pair] = self.pairs.get(pair, 0) + count
        return True


def asked_since(state_dir: Path, start: datetime) -> AskedNames:
    """Read what the query log has since `start`, as far as there is room for it. Runs in a thread."""
    asked = AskedNames()
    folder = state_dir / files.FOLDER
    earliest = files.day_of(start.timestamp())
    for day in files.days(folder):
        if day < earliest:
            continue
        met: list[int] = []
        try:
            with closing(files.open_to_read(folder, day)) as connection:
                has_room = asked.take(pairs_of(connection, start.timestamp(), met.append))
        except sqlite3.Error:
            has_room = True
            asked.cannot_show.append(f"the log of {day} cannot be read")  # removed meanwhile, or damaged
        asked.unreadable += [(day, number) for number in met]
        if not has_room:
            why = f"the log has more than {MOST_PAIRS} pairs of client and name: the newest were evaluated"
            asked.cannot_show.append(why)
            break
    asked.cannot_show += lacks_of(asked.unreadable)
    return asked


def judge(policy: PolicySnapshot, subjects: Subjects, moment: Moment) -> Callable[[str, str], Decision]:
    """Give the function that decides for a client and a name; it raises ValueError, RuleError where either is none."""
    views: dict[str, View] = {}

    def decide(client: str, name: str) -> Decision:
        view = views.get(client)
        if view is None:
            view = views[client] = situation_of(policy, subjects, parse_client(client), moment).view
        return policy.decide(view, key_of(parse_any_name(name)))

    return decide
