"""The decision on a name by the policy of a moment that is over: revision, exceptions and schedule as they were then.

What is no longer at hand (a catalogue, what a fetched list held) is never replaced by what there is today: where it
could have decided, there is no answer, but the reason why.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.compiling.keeper import NOT_RECORDED
from admin_api.editing.errors import Invalid
from admin_api.editing.refusals import BadRequest
from admin_api.evidence.deeds import Deed, deeds_since, owners, pause_deeds
from admin_api.evidence.gaps import pauses_of
from admin_api.evidence.in_force import ForceHistory, States, states_at_start
from admin_api.evidence.lines import Period
from admin_api.evidence.losses import losses_of
from admin_api.policy_file.applying import apply
from admin_api.policy_file.planning import PolicyPlan, plan_rollback
from admin_api.policy_file.replay import planned_snapshot
from admin_api.policy_file.shadow import cover, shadowed
from admin_api.policy_file.trying import InForce
from admin_api.store import exemptions, groups, leases, lists, periods, revisions
from admin_api.store import policy as stored
from admin_api.store.columns import iso_text
from admin_api.store.errors import NotFound, StoreAway
from admin_api.store.states import UNWATCHED, KeptFilePolicy
from admin_api.store.store import Store
from admin_api.subjects.rows import exemption_of
from blocklists.catalogue import Catalogue
from blocklists.sources import known_references
from resolver.answering.explaining import REFUSED, Access, explain_query
from resolver.policy.explain import Explanation
from resolver.policy.groups import parse_client
from resolver.policy.moments import End, Moment
from resolver.policy.rule_layer import Rank
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.subjects import Lease, Pause, Subject, Subjects

MOST_LATER: Final = 20_000
"""Rows of the audit trail since then that are looked at, for this is done beside all other calls; beyond, no answer."""

MOST_UNDONE_OCTETS: Final = 4 << 20
"""Changes since then that are undone at most, compressed as revisions keep them; of more, there is no answer."""

_ACTOR = "explain"
_FETCHES = ("refresh", "lose copy", "provision")


@dataclass(frozen=True, slots=True)
class AskedThen:
    """A question about a moment: a name in octets, a client's address and name, a record type."""

    at: datetime
    name: bytes
    client: str
    client_name: str
    qtype: str


@dataclass(frozen=True, slots=True)
class ExplainedThen:
    """The decision then, the revision that it is of, and what of it is not of that moment."""

    explanation: Explanation
    revision: int
    notes: list[str]


@dataclass(frozen=True, slots=True)
class _Then:
    """The policy's circumstances at a moment."""

    revision: int
    stored_at: datetime | None
    notes: list[str]
    lacks: list[str]  # fetched lists whose newest rules were not in force yet


async def explained_at(
    store: Store,
    catalogue: Catalogue,
    now: InForce,
    access: Access,
    asked: AskedThen,
    *,
    started: datetime,
    lease_days: int,
) -> ExplainedThen:
    """Explain a decision of then. Raises NotFound for a moment before all revisions, BadRequest (409) for what is gone.

    `started` is when the service did; `lease_days`, for how long the lease history is kept. Raises Invalid, StoreAway.
    """
    async with store.read() as connection:
        then = await _circumstances(connection, catalogue, asked.at, started)
        deeds = await _deeds(connection, then.stored_at or asked.at)
        _check_losses(deeds, asked.at, then.notes)
        subjects = await _subjects(connection, asked, deeds, lease_days, then.notes)
    later = [deed for deed in deeds if then.stored_at is None or deed.at > then.stored_at]
    snapshot, changed_lists = await _snapshot(store, catalogue, now, then.revision, later)
    for name, why in _lacking(then.lacks, snapshot):
        changed_lists.setdefault(name, _ChangedList(Rank.SUBSCRIPTION, why))
    moment = Moment(asked.at.timestamp(), 0.0)
    explanation = explain_query(
        snapshot,
        access,
        asked.name,
        client=asked.client,
        qtype=asked.qtype,
        subjects=subjects,
        now=moment,
        client_name=asked.client_name,
    )
    if explanation.verdict != REFUSED:
        _check_lists(snapshot, explanation, changed_lists)
    keys = sorted({key for deed in later if deed.kind == "config" for key in (deed.after or {}).get("changed", ())})
    if others := [key for key in keys if not key.startswith("policy.")]:
        then.notes.append(
            "who may ask at all, and which names are answered without policy, is told by the config of now; since "
            f"then it changed: {', '.join(others[:20])}"
        )
    return ExplainedThen(dataclasses.replace(explanation, revision=then.revision), then.revision, then.notes)


async def _circumstances(conn: AsyncConnection, catalogue: Catalogue, at: datetime, started: datetime) -> _Then:
    """The revision that was in force. Raises NotFound, and BadRequest (409) where its catalogue is not at hand."""
    runs = await periods.periods_touching(conn, at, at + timedelta(microseconds=1))
    spans = await periods.spans_of(conn, runs, at + timedelta(microseconds=1), periods.running_of(runs, started))
    known = ForceHistory((await revisions.page(conn, limit=revisions.MOST_REVISIONS))[::-1], spans)
    span = known.span_at(at)
    if span is None:
        row = known.stored_by(at)
        if row is None:
            raise NotFound(f"policy of {iso_text(at)}: no revision from before then is kept")
        raise BadRequest(
            409,
            f"the last revision stored by {iso_text(at)} is {row.revision}; which catalogue was in force then was not "
            "recorded, and today's may be another: no verdict",
        )
    was = span.body["catalogue"]
    if was.get("fingerprint") != catalogue.fingerprint:
        numbers = f"version {was.get('bundled')}" + (f", feed {was['feed']}" if was.get("feed") else "")
        raise BadRequest(
            409,
            f"revision {span.body['revision']} was in force with another catalogue than today's ({numbers}), whose "
            "rules are no longer at hand: no verdict",
        )
    revision = int(span.body["revision"])
    notes = []
    if span.ended is not None and span.ended <= at:
        notes.append(f"the node did not run then (last known to run at {iso_text(span.ended)}): nobody was answered")
    stored_at = next((row.at for row in known.stored if row.revision == revision), None)
    return _Then(revision, stored_at, notes, list(span.body.get("lacks", ())))


def _check_losses(deeds: Sequence[Deed], at: datetime, notes: list[str]) -> None:
    """Raise BadRequest (409) for a moment of which rows are lost; where nobody noted since when, that is a note."""
    for loss in losses_of(deeds):
        if at >= loss.ended:
            continue
        if loss.began is None:
            notes.append(f"rows from before {iso_text(loss.ended)} are lost, since when is not known: {loss.reason}")
        elif loss.began <= at:
            raise BadRequest(409, f"what was written then is lost ({loss.source}: {loss.reason}): no verdict")


async def _deeds(conn: AsyncConnection, since: datetime) -> list[Deed]:
    """Rows about policy since a time. Raises BadRequest (409) for too many."""
    try:
        return await deeds_since(conn, since, await owners(conn), most=MOST_LATER)
    except Invalid:
        why = f"since then the audit trail has more than {MOST_LATER:,} rows about policy: no verdict"
        raise BadRequest(409, why) from None


async def _subjects(
    conn: AsyncConnection, asked: AskedThen, deeds: Sequence[Deed], lease_days: int, notes: list[str]
) -> Subjects:
    """The lease of the client, and all exemptions and pauses of then."""
    at, moment = asked.at, Moment(asked.at.timestamp(), 0.0)
    found: list[Subject] = [exemption_of(row, moment) for row in await exemptions.active_at(conn, at)]
    until = at + timedelta(microseconds=1)
    before = await pause_deeds(conn, at, await owners(conn), most=MOST_LATER)
    for deed, ended, ends in pauses_of([*before, *(one for one in deeds if one.at >= at)], Period(at, until, until)):
        if deed.at <= at and (ended is None or ended > at):
            found.append(Pause(deed.name, (deed.after or {}).get("group"), End.at(ends.timestamp(), moment)))
    address = str(parse_client(asked.client))
    event = await leases.last_event(conn, address, at)
    if event is not None and event.action in ("set", "renewed") and event.ends_at > at:
        end = End.at(event.ends_at.timestamp(), moment)
        found.append(Lease(address, event.identity, event.group, end))
    if event is None and at < datetime.now(at.tzinfo) - timedelta(days=lease_days):
        notes.append(f"the lease history is kept for {lease_days} days: whether {address} was leased then is not known")
    return Subjects(found)


async def _snapshot(
    store: Store, catalogue: Catalogue, now: InForce, revision: int, later: Sequence[Deed]
) -> tuple[PolicySnapshot, dict[str, _ChangedList]]:
    """The policy of a revision, and the lists that it does not have as they were, with why."""
    async with shadowed(store, _ACTOR) as change:
        conn = change.connection
        if await stored.revision(conn) != now.revision:
            raise StoreAway("the newest policy is not in force yet: ask again soon")
        if revision == now.revision:
            return now.snapshot, {}
        if await revisions.packed_octets(conn, revision) > MOST_UNDONE_OCTETS:
            raise BadRequest(409, f"too much changed since revision {revision} to work its policy out: no verdict")
        plan = await plan_rollback(conn, revision)
        rows = {row.name: row for row in await lists.all_lists(conn)}
        changed = dict(_changed_lists(later, {name: row.content for name, row in rows.items()}))
        of_file = next((deed.before for deed in later if (deed.kind, deed.action) == ("policy", "provision")), None)
        current = {row.name: row.plain() for row in await groups.all_groups(conn)}
        plan.changes = [one for one in plan.changes if one.kind != "group"]
        _plan_groups(plan, current, states_at_start(current, later))
        await cover(conn, [one.name for one in plan.changes if one.kind == "list" and one.action != "create"])
        await apply(change, plan, known_references(catalogue), ())  # it was in force
        kept = cast(KeptFilePolicy, of_file) if of_file is not None else None
        return await planned_snapshot(conn, catalogue, now.snapshot, now.revision, of_file=kept), changed


def _plan_groups(plan: PolicyPlan, current: States, then: States) -> None:
    """Groups as audit rows had them: those of the config file, too, of which revisions keep nothing."""
    for name in sorted({*current, *then}):
        state = then.get(name)
        if state is not None:
            state = {"client_names": [], "schedule": None, **UNWATCHED, **state, "name": name}
        plan.change("group", name, current.get(name), state)


def _lacking(lacks: Sequence[str], snapshot: PolicySnapshot) -> Iterator[tuple[str, str]]:
    """Fetched lists whose rules in force were not yet those that the store had."""
    for name in lacks:
        if (name,) != NOT_RECORDED:
            yield name, f"list {name!r} had just been fetched, and still counted with its rules from before"
        elif any(source.rank == Rank.SUBSCRIPTION for source in snapshot.stack.sources):
            yield name, "which fetched lists already had their newest rules was not recorded for this moment"


@dataclass(frozen=True, slots=True)
class _ChangedList:
    """A list whose rules were others then."""

    rank: Rank
    why: str


def _changed_lists(later: Sequence[Deed], content_now: Mapping[str, str | None]) -> Iterator[tuple[str, _ChangedList]]:
    """Lists whose rules stand in files, and were others then."""
    first: dict[str, Deed] = {}
    for deed in later:
        if deed.kind == "lists" and (deed.action in _FETCHES or _has_content(deed.before) or _has_content(deed.after)):
            first.setdefault(deed.name, deed)
    for name, deed in first.items():
        if (deed.before or {}).get("content") != content_now.get(name):
            kind = (deed.before or deed.after or {}).get("kind")
            why = f"list {name!r} held other rules then ({deed.action} at {iso_text(deed.at)})"
            yield name, _ChangedList(Rank.SUBSCRIPTION if kind == "subscription" else Rank.OWN, why)


def _has_content(state: Mapping[str, Any] | None) -> bool:
    return state is not None and state.get("content") is not None


def _check_lists(snapshot: PolicySnapshot, explanation: Explanation, changed: Mapping[str, _ChangedList]) -> None:
    """Raise BadRequest (409) where a list that is not as it was could have decided."""
    view = snapshot.view_of_group(str(explanation.group["name"]))
    sources = snapshot.stack.sources
    rank = min((source.rank for source in sources if source.name == explanation.list), default=None)
    counting = set() if view is None else view.blocked | view.allowed | view.blocked_or_watched
    # Of a weaker rank than the one that decides, or of another group alone, a list changes nothing.
    others = {source.name for index, source in enumerate(sources) if index not in counting}
    doubtful = [
        one.why
        for name, one in sorted(changed.items())
        if (view is None or name not in others) and (rank is None or one.rank <= rank)
    ]
    if doubtful:
        why = "; ".join(doubtful[:5])
        raise BadRequest(409, f"{why}, which are no longer at hand, and could have decided: no verdict")
