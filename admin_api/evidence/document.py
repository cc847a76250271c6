"""The document: evidence for a period, put together from the store's records, not signed yet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.evidence import gaps, openings
from admin_api.evidence.blind_spots import RecordsReach, blind_spots
from admin_api.evidence.deeds import Deed, Owners, deeds_since, first_row_at, owners, pause_deeds
from admin_api.evidence.in_force import (
    ForceHistory,
    GroupTurn,
    Segment,
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
    text_of,
)
from admin_api.evidence.openings import Use
from admin_api.second_owner.openings import OpeningLookup
from admin_api.store import audit, exemptions, groups, leases, periods, revisions
from admin_api.store.columns import iso_text
from admin_api.store.exemptions import ExemptionRow
from admin_api.store.leases import LeaseEvent
from admin_api.store.periods import PeriodRow, SpanRow
from admin_api.store.store import Store
from blocklists.catalogue import Catalogue
from resolver import __version__
from resolver.config.settings import ControlSettings

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
    log_lacks: Sequence[str]
    catalogue: Catalogue
    audit_trouble: str | None
    uses: Mapping[str, Use] | None  # of exemptions; None: not counted
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
    exemptions: Sequence[ExemptionRow]
    leases: Sequence[LeaseEvent]
    audit_since: datetime | None
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
    return _Records(
        runs=runs,
        running=running,
        spans=await periods.spans_of(conn, runs, period.now, running),
        known_since=await periods.known_since(conn),
        revisions=(await revisions.page(conn, limit=revisions.MOST_REVISIONS))[::-1],
        deeds=deeds,
        pauses=[*await pause_deeds(conn, period.start, who), *deeds],
        who=who,
        groups_now={row.name: row.plain() for row in await groups.all_groups(conn)},
        exemptions=await exemptions.touching(conn, period.start, period.until),
        leases=await leases.of_groups(conn, period.until),
        audit_since=await first_row_at(conn),
        head=await audit.head(conn),
        lookup=await OpeningLookup.of_now(conn, wanted.catalogue),
    )


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
    oldest = records.revisions[0].at if records.revisions else None
    reach = RecordsReach(records.known_since, records.audit_since, oldest)
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
        running=most("running", run_lines(records.runs, period, records.running)),
        in_force=most("in_force", in_force_lines(known, period)),
        revisions=most("revisions", revision_lines(known, records.deeds, period)),
        gaps=most("gaps", _gaps(records, period, group, mine)),
        exempt_groups=most("exempt_groups", _exempt(mine, period)),
        openings=most("openings", _openings(records, wanted, known, within, over_time)),
        hits=[one for one in wanted.hits if group is None or one.group == group],
        blind_spots=list(blind_spots(wanted.settings, wanted.log_lacks, reach, period, group)),
        audit=AuditState(store_id, *records.head, wanted.audit_trouble),
        left_out=left_out,
    )


def _gaps(records: _Records, period: Period, group: str | None, mine: Sequence[Segment]) -> list[GapLine]:
    found = [
        *gaps.node_gaps(records.runs, records.spans, records.known_since, period, records.running),
        *gaps.group_gaps(mine, period),
        *(one for one in gaps.pause_gaps(records.pauses, period) if group is None or one.group in (None, group)),
    ]
    inside = [one for one in found if _touches(one.begins, one.ends, period)]
    return sorted(inside, key=lambda one: (one.begins, one.kind, one.group or ""))


def _exempt(mine: Sequence[Segment], period: Period) -> list[ExemptLine]:
    return list(openings.exempt_lines(mine, period))


def _openings(
    records: _Records,
    wanted: Wanted,
    known: ForceHistory,
    within: Iterable[GroupTurn],
    over_time: Sequence[Segment],
) -> list[OpeningLine]:
    period, group, who = wanted.period, wanted.group, records.who
    exempt = [one for one in over_time if one.state.get("exempt")]
    found = [
        *openings.exemption_lines(records.exemptions, wanted.uses, who, period, group),
        *openings.pause_lines(records.pauses, period, group),
        *openings.lease_lines([one for one in records.leases if group in (None, one.group)], exempt, who, period),
        *openings.group_lines(within, known, records.lookup, group),
        *openings.other_lines(records.deeds, known, records.lookup, period),
    ]
    return sorted(found, key=lambda one: (one.begins, one.kind, one.what))


def _touches(begins: str, ends: str | None, period: Period) -> bool:
    return period.touches(datetime.fromisoformat(begins), None if ends is None else datetime.fromisoformat(ends))
