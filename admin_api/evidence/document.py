"""The document: evidence for a period, put together from the store's records, not signed yet."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.evidence import gaps, openings
from admin_api.evidence.allowed import allowed_of
from admin_api.evidence.blind_spots import RecordsReach, blind_spots
from admin_api.evidence.deeds import Deed, Owners, deeds_since, first_row_at, owners, pause_deeds, standing_deeds
from admin_api.evidence.in_force import (
    ForceHistory,
    GroupTurn,
    Segment,
    State,
    States,
    in_force_lines,
    revision_lines,
    run_lines,
    segments,
    states_at_start,
)
from admin_api.evidence.lines import (
    MOST_LINES,
    AuditState,
    EvidenceContent,
    ExemptLine,
    GapLine,
    GroupHits,
    KnownSince,
    OpeningLine,
    Period,
    StandingLine,
    text_of,
)
from admin_api.evidence.losses import (
    Loss,
    loss_gaps,
    loss_texts,
    losses_of,
    store_openings,
    without_losses,
    without_lost_ends,
)
from admin_api.evidence.standing import StandingRecords, standing_lines
from admin_api.evidence.uses import UseCounts, Uses, use_texts
from admin_api.second_owner.openings import OpeningLookup
from admin_api.store import (
    audit,
    checkpoints,
    exemptions,
    groups,
    leases,
    lists,
    local_names,
    periods,
    revisions,
    rules,
)
from admin_api.store.checkpoints import Checkpoint
from admin_api.store.columns import iso_text
from admin_api.store.exemptions import EventRow, ExemptionRow
from admin_api.store.leases import LeaseEvent
from admin_api.store.periods import PeriodRow, SpanRow
from admin_api.store.policy import read_file_policy
from admin_api.store.rules import AllowRules
from admin_api.store.store import Store
from blocklists.catalogue import Catalogue
from resolver import __version__
from resolver.config.own_names import OwnNames
from resolver.config.settings import ControlSettings
from resolver.policy.snapshot import PolicySnapshot
from resolver.wire.local_records import LocalRecord

Line = TypeVar("Line")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question for evidence, by whom it is, and the facts that only the running node knows."""

    period: Period
    group: str | None
    made_by: str
    node: str
    started: datetime  # when the service that tells did
    settings: ControlSettings
    state_dir: Path
    policy: PolicySnapshot | None  # in force now
    local_of_config: Sequence[LocalRecord]
    log_lacks: Sequence[str]
    catalogue: Catalogue
    audit_trouble: str | None
    counts: UseCounts | None  # of uses of exemptions; None: they are not counted
    hits: Sequence[GroupHits]


@dataclass(frozen=True, slots=True)
class _Records:
    """All that the store has of a period."""

    runs: Sequence[PeriodRow]
    running: int | None  # the id of the run that goes on
    spans: Sequence[SpanRow]
    known_since: datetime | None
    revisions: Sequence[revisions.RevisionRow]
    deeds: Sequence[Deed]
    pauses: Sequence[Deed]
    who: Owners
    groups_now: States
    before: Sequence[Deed]
    lists_now: States
    local_now: States
    file_policy: Mapping[str, Any]
    allowing: Sequence[AllowRules]
    exemptions: Sequence[ExemptionRow]
    suspensions: Mapping[str, Sequence[EventRow]]
    leases: Sequence[LeaseEvent]
    more_leases: int  # events that are too many
    audit_since: datetime | None
    removed: Checkpoint | None
    head: tuple[int, str]
    lookup: OpeningLookup


async def evidence(store: Store, wanted: Wanted) -> EvidenceContent:
    """Evidence for a period. Raises Invalid for one with too much in it, StoreAway."""
    async with store.read() as connection:
        records = await _read(connection, wanted)
    return await asyncio.to_thread(_told, records, wanted, store.id)


async def _read(conn: AsyncConnection, wanted: Wanted) -> _Records:
    period = wanted.period
    runs = await periods.periods_touching(conn, period.start, period.now)
    running = periods.running_of(runs, wanted.started)
    who = await owners(conn)
    deeds = await deeds_since(conn, period.start, who)
    states: dict[str, State] = {row.name: row.plain() for row in await groups.all_groups(conn)}
    events, more = await leases.into_groups(conn, _ever_exempt(states, deeds), period.start, period.until)
    stored = (await revisions.page(conn, limit=revisions.MOST_REVISIONS))[::-1]
    return _Records(
        runs=runs,
        running=running,
        spans=await periods.spans_of(conn, runs, period.now, running),
        known_since=await periods.known_since(conn),
        revisions=stored,
        deeds=deeds,
        pauses=[*await pause_deeds(conn, period.start, who), *deeds],
        who=who,
        groups_now=states,
        before=await standing_deeds(conn, period.start, who),
        lists_now={row.name: row.plain() for row in await lists.all_lists(conn)},
        local_now={row.name: row.plain() for row in await local_names.all_names(conn)},
        file_policy=dict(await read_file_policy(conn)),
        allowing=await rules.allowing(conn, stored[0].revision if stored else 0),
        exemptions=await exemptions.touching(conn, period.start, period.until),
        suspensions=await exemptions.suspensions(conn, period.now),
        leases=events,
        more_leases=more,
        audit_since=await first_row_at(conn),
        removed=await checkpoints.newest(conn),
        head=await audit.head(conn),
        lookup=await OpeningLookup.of_now(conn, wanted.catalogue),
    )


def _ever_exempt(states: States, deeds: Iterable[Deed]) -> set[str]:
    """Groups that are exempt, or were at any time of these deeds."""
    then = [(deed.name, state) for deed in deeds if deed.kind == "groups" for state in (deed.before, deed.after)]
    return {name for name, state in [*states.items(), *then] if state is not None and state.get("exempt")}


def _told(records: _Records, wanted: Wanted, store_id: str) -> EvidenceContent:
    period, group = wanted.period, wanted.group
    known = ForceHistory(records.revisions, records.spans)
    first = states_at_start(records.groups_now, records.deeds)
    over_time = segments(first, records.deeds, known.begins, period.start)
    mine = [one for one in over_time if group is None or one.group == group]
    left_out: dict[str, int] = {}

    def most(name: str, lines: Iterable[Line]) -> list[Line]:
        found = list(lines)
        if len(found) > MOST_LINES:
            left_out[name] = len(found) - MOST_LINES
        return found[:MOST_LINES]

    within, too_many = openings.turns_within(first, records.deeds, known, period)
    if too_many:
        left_out["changes of groups that were not judged"] = too_many
    losses = losses_of(records.deeds)
    losses = [loss for loss in losses if period.touches(loss.begins(period), loss.ended)]
    uses = None if wanted.counts is None else Uses(wanted.counts, losses)
    if records.more_leases:
        left_out["events of leases into exempt groups"] = records.more_leases
    windows = gaps.WindowsLeft()
    found_gaps = _gaps(records, period, group, mine, losses, windows)
    if windows.cut:
        left_out["groups whose schedule is not told window by window to the end"] = len(windows.cut)
    oldest = records.revisions[0].at if records.revisions else None
    reach = RecordsReach(records.known_since, records.audit_since, oldest, records.removed)
    return EvidenceContent(
        node=wanted.node,
        version=__version__,
        begins=iso_text(period.start),
        ends=iso_text(period.end),
        group=group,
        made_at=iso_text(period.now),
        made_by=wanted.made_by,
        known_since=[
            KnownSince("runs, troubles and workers of the node", text_of(reach.node)),
            KnownSince("audit trail", text_of(reach.audit)),
            KnownSince("revisions of the policy", text_of(reach.revisions)),
        ],
        running=most("running", without_lost_ends(run_lines(records.runs, period, records.running), losses)),
        in_force=most("in_force", in_force_lines(known, period)),
        revisions=most("revisions", revision_lines(known, records.deeds, period)),
        gaps=most("gaps", found_gaps),
        exempt_groups=most("exempt_groups", _exempt(mine, period)),
        standing=most("standing", _standing(records, wanted, known)),
        openings=most("openings", _openings(records, wanted, known, within, over_time, uses)),
        hits=[one for one in wanted.hits if group is None or one.group == group],
        blind_spots=[
            *loss_texts(losses, wanted.audit_trouble),
            *use_texts(uses),
            *openings.lease_texts(records.leases, records.more_leases),
            *blind_spots(wanted.settings, wanted.log_lacks, reach, period, group),
        ],
        audit=AuditState(store_id, *records.head, wanted.audit_trouble),
        left_out=left_out,
    )


def _gaps(
    records: _Records,
    period: Period,
    group: str | None,
    mine: Sequence[Segment],
    losses: Sequence[Loss],
    windows: gaps.WindowsLeft,
) -> list[GapLine]:
    of_node = gaps.node_gaps(records.runs, records.spans, records.known_since, period, records.running)
    found = [
        *without_losses(of_node, losses, period),
        *loss_gaps(losses, period),
        *gaps.group_gaps(mine, period, windows),
        *(one for one in gaps.pause_gaps(records.pauses, period) if group is None or one.group in (None, group)),
    ]
    inside = [one for one in found if _touches(one.begins, one.ends, period)]
    # Of too many, those of schedules are left out first: they repeat each week, and a crash does not.
    told = sorted(inside, key=lambda one: one.kind == gaps.SCHEDULE) if len(inside) > MOST_LINES else inside
    kept, rest = told[:MOST_LINES], told[MOST_LINES:]
    return [*sorted(kept, key=_order_of), *rest]


def _order_of(line: GapLine) -> tuple[str, str, str]:
    return line.begins, line.kind, line.group or ""


def _exempt(mine: Sequence[Segment], period: Period) -> list[ExemptLine]:
    return list(openings.exempt_lines(mine, period))


def _standing(records: _Records, wanted: Wanted, known: ForceHistory) -> list[StandingLine]:
    allowed = functools.cache(functools.partial(allowed_of, wanted.state_dir))
    of = StandingRecords(
        records.groups_now,
        records.lists_now,
        records.local_now,
        wanted.local_of_config,
        records.file_policy,
        records.before,
        records.deeds,
        records.allowing,
        allowed,
        wanted.policy,
        OwnNames(wanted.settings.unlisted.local),
    )
    found = standing_lines(of, known, records.lookup.facts, wanted.period, wanted.group)
    return sorted(found, key=lambda one: (one.begins or "", one.kind, one.what))


def _openings(
    records: _Records,
    wanted: Wanted,
    known: ForceHistory,
    within: Iterable[GroupTurn],
    over_time: Sequence[Segment],
    uses: Uses | None,
) -> list[OpeningLine]:
    period, group, who = wanted.period, wanted.group, records.who
    exempt = [one for one in over_time if one.state.get("exempt")]
    found = [
        *openings.exemption_lines(records.exemptions, records.suspensions, uses, who, period, group),
        *openings.pause_lines(records.pauses, period, group),
        *openings.lease_lines(records.leases, [one for one in exempt if group in (None, one.group)], who, period),
        *openings.group_lines(within, known, records.lookup, group),
        *openings.other_lines(records.deeds, known, records.lookup, period),
        *store_openings(records.deeds, period),
    ]
    return sorted(found, key=lambda one: (one.begins, one.kind, one.what))


def _touches(begins: str, ends: str | None, period: Period) -> bool:
    return period.touches(datetime.fromisoformat(begins), None if ends is None else datetime.fromisoformat(ends))
