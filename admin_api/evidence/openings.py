"""Openings: all that was let through, or could be, by whom, approved by whom, why, until when, and how often used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from admin_api.evidence.allowed import some_of
from admin_api.evidence.deeds import Deed, Owners
from admin_api.evidence.gaps import pauses_of
from admin_api.evidence.in_force import ForceHistory, GroupTurn, Segment, States, batches, turns
from admin_api.evidence.lines import ExemptLine, OpeningLine, Period, text_of
from admin_api.evidence.standing import LOCAL, local_phrase
from admin_api.evidence.uses import Uses
from admin_api.second_owner.groups import changed
from admin_api.second_owner.openings import Entry, OpeningLookup
from admin_api.store.columns import iso_text
from admin_api.store.exemptions import EventRow, ExemptionRow
from admin_api.store.leases import LeaseEvent
from admin_api.store.restored import CONFIRM
from admin_api.store.roles import roles_of_audit, told

EXEMPTION, PAUSE, LEASE, POLICY, LIST, TOKEN, CONFIG = "exemption", "pause", "lease", "group", "list", "token", "config"

MOST_TURNS: Final = 2_000
"""Changes of groups that are held against each other; of more, the newest."""


def exemption_lines(
    rows: Sequence[ExemptionRow],
    suspensions: Mapping[str, Sequence[EventRow]],
    uses: Uses | None,
    who: Owners,
    period: Period,
    group: str | None,
) -> Iterator[OpeningLine]:
    """Exemptions that were in force; what was denied, or waits, opened nothing. `uses` None: they are not counted.

    One that was suspended and confirmed has a line for each time in which it counted.
    """
    for row in rows:
        is_granted = row.decided_by is not None and row.status not in ("pending", "denied")
        if not is_granted or (group is not None and row.kind == "group" and group not in row.who):
            continue
        spans = list(_counted(row, suspensions.get(row.id, ()), period))
        for began, ended, confirmed in spans:
            if not period.touches(began, ended) or (ended is not None and ended <= began):
                continue
            used = None if uses is None or len(spans) > 1 else uses.of(row.id, max(began, period.start), ended)
            asked = who.told(row.requested_by, row.created_at)
            decided = None if row.decided_by == row.requested_by else who.told(str(row.decided_by), row.starts_at)
            yield OpeningLine(
                EXEMPTION,
                f"{row.kind} {', '.join(row.who)}: {', '.join(row.scope)}",
                iso_text(began),
                iso_text(row.expires_at),
                text_of(ended),
                f"{asked}, for {row.owner}",
                f"{confirmed.owner} ({confirmed.actor})" if confirmed else decided,
                f"{row.reason} [{row.ticket}]" if row.ticket else row.reason,
                used.count if used else None,
                text_of(max(min(used.last_at, ended or period.until), began)) if used and used.last_at else None,
                f"exemption {row.id}",
            )


def _counted(
    row: ExemptionRow, events: Sequence[EventRow], period: Period
) -> Iterator[tuple[datetime, datetime | None, EventRow | None]]:
    """Times in which an exemption counted, each with the event that confirmed it (None: it was granted)."""
    began: datetime | None = row.starts_at
    confirmed: EventRow | None = None
    for event in events:
        if event.action == "confirm":
            began, confirmed = max(event.at, row.starts_at), event
        elif began is not None:
            yield began, max(began, event.at), confirmed
            began = None
    if began is not None:
        yield began, row.ended_at or (row.expires_at if row.expires_at <= period.now else None), confirmed


def pause_lines(deeds: Sequence[Deed], period: Period, group: str | None) -> Iterator[OpeningLine]:
    """Pauses; how often one was used is not counted apart: all hits of its group meanwhile are `monitored`."""
    for deed, ended, until in pauses_of(deeds, period):
        after = deed.after or {}
        paused = after.get("group")
        if group is None or paused in (None, group):
            what = f"group {paused} is only monitored" if paused else "every group is only monitored"
            why = str(after.get("reason"))
            times = iso_text(deed.at), iso_text(until), text_of(ended)
            source = f"pause {deed.name}, {deed.source}"
            yield OpeningLine(PAUSE, what, *times, deed.by, deed.approved_by, why, None, None, source)


def exempt_lines(found: Sequence[Segment], period: Period) -> Iterator[ExemptLine]:
    """Groups that were exempt, with their networks meanwhile."""
    for segment in found:
        state, deed = segment.state, segment.deed
        if state.get("exempt") and period.touches(segment.began, segment.ended):
            yield ExemptLine(
                segment.group,
                iso_text(segment.began),
                text_of(segment.ended),
                list(state.get("networks", ())),
                list(state.get("client_names", ())),
                deed.by if deed else None,
                deed.approved_by if deed else None,
                segment.source,
            )


def lease_lines(
    events: Sequence[LeaseEvent], exempt: Sequence[Segment], who: Owners, period: Period
) -> Iterator[OpeningLine]:
    """Leases into groups that were exempt meanwhile. `events` have the oldest first."""
    begun: dict[str, LeaseEvent] = {}
    until: dict[str, datetime] = {}
    found: list[tuple[LeaseEvent, datetime, datetime | None]] = []
    for event in events:
        known = begun.get(event.address)
        is_over = event.action in ("ended", "expired")
        if known is not None and (is_over or (known.identity, known.group) != (event.identity, event.group)):
            found.append((known, until[event.address], min(event.at, until[event.address])))
            del begun[event.address]
        if not is_over:
            begun.setdefault(event.address, event)
            until[event.address] = event.ends_at
    for address, event in begun.items():
        end = until[address]
        found.append((event, end, end if end <= period.now else None))
    for event, end, ended in sorted(found, key=lambda one: one[0].id):
        if not period.touches(event.at, ended) or not _is_exempt(exempt, event, ended or period.until):
            continue
        what = f"{event.address} is leased to {event.identity} in group {event.group}, which was exempt"
        times = iso_text(event.at), iso_text(end), text_of(ended)
        by, source = who.told(event.actor, event.at), f"lease history {event.id}"
        yield OpeningLine(LEASE, what, *times, by, None, None, None, None, source)


def lease_texts(events: Sequence[LeaseEvent], more: int) -> Iterator[str]:
    """Blind spots of the lease history: of what is too much, the end is left out."""
    if more:
        yield f"leases: those into exempt groups from {iso_text(events[-1].at)} on are too many, and are not listed"


def _is_exempt(exempt: Sequence[Segment], event: LeaseEvent, ended: datetime) -> bool:
    return any(
        one.group == event.group and one.began < ended and (one.ended is None or one.ended > event.at) for one in exempt
    )


def turns_within(
    first: States, deeds: Sequence[Deed], known: ForceHistory, period: Period
) -> tuple[Iterator[GroupTurn], int]:
    """Changes of groups in the period that are judged, and how many older ones there are too many."""
    changes = batches(deeds, known)
    within = [place for place, batch in enumerate(changes) if period.start <= batch[0].at < period.until]
    return turns(first, changes, frozenset(within[-MOST_TURNS:])), max(0, len(within) - MOST_TURNS)


def group_lines(
    within: Iterable[GroupTurn], known: ForceHistory, lookup: OpeningLookup, group: str | None
) -> Iterator[OpeningLine]:
    """Changes of groups that opened something, as four eyes would have judged them."""
    for turn in within:
        if group is None or any(deed.name == group for deed in turn.deeds):
            yield from _of_turn(turn, known, lookup)


def _of_turn(turn: GroupTurn, known: ForceHistory, lookup: OpeningLookup) -> Iterator[OpeningLine]:
    deed = turn.deeds[0]
    begins, row = known.begins(deed.at), known.revision_of(deed.at)
    for phrase in dict.fromkeys(changed(_filled(turn.was), _filled(turn.will), lookup.facts)):
        of = f"revision {row.revision}, {deed.source}" if row else deed.source
        yield _untimed(POLICY, phrase, begins, deed, of)


def _filled(states: States) -> dict[str, Mapping[str, Any]]:
    """Groups as they are compared: an earlier version of moatdns wrote less of them."""
    missing: dict[str, Any] = {
        "client_names": [],
        "networks": [],
        "schedule": None,
        "response": None,
        "allow": [],
        "block": None,
    }
    return {name: {**missing, **state, "name": name} for name, state in states.items()}


def other_lines(
    deeds: Sequence[Deed], known: ForceHistory, lookup: OpeningLookup, period: Period
) -> Iterator[OpeningLine]:
    """Lists, tokens, the catalogue and the config, where they opened something, or may have."""
    for deed in deeds:
        if period.start <= deed.at < period.until:
            begins = known.begins(deed.at) if deed.kind in ("lists", "local") else deed.at
            for kind, phrase in _phrases(deed, lookup):
                yield _untimed(kind, phrase, begins, deed, deed.source)


def _phrases(deed: Deed, lookup: OpeningLookup) -> Iterator[tuple[str, str]]:
    before, after = deed.before or {}, deed.after or {}
    if deed.kind == "lists":
        if deed.action == "provision":
            yield LIST, f"list {deed.name!r} of the config file is {_what(deed)}"
            return
        entry = Entry(deed.action, deed.kind, deed.name, deed.before, deed.after)
        yield from ((LIST, phrase) for phrase in lookup.of_lists([entry]))
        yield from ((LIST, phrase) for phrase in _rules(deed, before, after))
    elif deed.kind == "local":  # whichever rules there were: the name is answered before them
        what = local_phrase(after) if after else "is no longer answered here"
        yield LOCAL, f"local name {deed.name!r} {what}"
    elif deed.kind == "tokens" and deed.action == "create":
        yield TOKEN, f"token {deed.name!r} of {told(roles_of_audit(after))} is created for {after.get('owner')}"
    elif (deed.action, deed.kind) == CONFIRM:
        yield from ((TOKEN, f"token {name!r} of a backup lets its holder in again") for name in after.get("tokens", ()))
    elif deed.kind == "catalogue" and after.get("removed"):
        yield LIST, f"the catalogue no longer blocks {some_of(after['removed'])}"
    elif deed.kind == "config" and after.get("changed"):
        yield CONFIG, f"the config file changed: {some_of(sorted(after['changed']))}"


def _rules(deed: Deed, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Rules of a list that came or went, as its rows tell of them."""
    added, removed = after.get("added") or {}, before.get("removed") or {}
    if deed.action in ("add rules", "create") and (allowed := added.get("allow")):
        yield f"list {deed.name!r} allows {some_of(allowed, len(allowed) + added.get('more', 0))}"
    if deed.action == "remove rules" and (blocked := removed.get("block")):
        yield f"list {deed.name!r} no longer blocks {some_of(blocked, len(blocked) + removed.get('more', 0))}"


def _what(deed: Deed) -> str:
    return "new" if deed.before is None else "gone" if deed.after is None else "another"


def _untimed(kind: str, what: str, begins: datetime, deed: Deed, source: str) -> OpeningLine:
    """An opening that lasts until somebody changes it."""
    return OpeningLine(
        kind, what, iso_text(begins), None, None, deed.by, deed.approved_by, deed.note, None, None, source
    )
