"""Policies in force over time: runs of the service, revisions and catalogues, and groups as they were over time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from admin_api.evidence.deeds import Deed
from admin_api.evidence.lines import InForceLine, Period, RevisionLine, RunLine, text_of
from admin_api.store.columns import iso_text
from admin_api.store.periods import POLICY, PeriodRow, SpanRow
from admin_api.store.revisions import RevisionRow

_FETCHED = "refresh lists/"  # what the change of a revision begins with that a fetch brought

State = Mapping[str, Any]  # a group, as audit rows have it
States = Mapping[str, State]  # by name


class ForceHistory:
    """Revisions with when they were stored, and when they were in force in every worker, as far as that was noted."""

    def __init__(self, stored: Sequence[RevisionRow], spans: Sequence[SpanRow]) -> None:
        """Both with the oldest first."""
        self.stored = stored
        self._stored_at = [row.at for row in stored]
        self.spans = [span for span in spans if span.kind == POLICY]
        self._spans_at = [span.began for span in self.spans]

    def revision_of(self, at: datetime) -> RevisionRow | None:
        """The revision of a change that wrote an audit row at a time: the first that was stored from then on."""
        place = bisect_left(self._stored_at, at)
        return self.stored[place] if place < len(self.stored) else None

    def noted(self, row: RevisionRow) -> datetime | None:
        """When a revision, or a later one, was in force; None where that was not noted.

        What a fetch brought is in force later than what was stored after it: once the list is compiled.
        """
        fetched = {change.removeprefix(_FETCHED) for change in row.changes if change.startswith(_FETCHED)}
        for span in self.spans[bisect_left(self._spans_at, row.at) :]:
            lacks = span.body.get("lacks", ())
            if span.body["revision"] >= row.revision and not (fetched and (fetched & {*lacks} or "*" in lacks)):
                return span.began
        return None

    def begins(self, at: datetime) -> datetime:
        """When a change that wrote an audit row at a time was in force; that time itself where it was not noted."""
        row = self.revision_of(at)
        return at if row is None else self.noted(row) or at

    def span_at(self, when: datetime) -> SpanRow | None:
        """The policy in force at a time, or last before it where the node did not run; None before all of them."""
        place = bisect_right(self._spans_at, when) - 1
        return self.spans[place] if place >= 0 else None

    def stored_by(self, when: datetime) -> RevisionRow | None:
        """The last revision that was stored by a time."""
        before = bisect_right(self._stored_at, when)
        return self.stored[before - 1] if before else None


def run_lines(rows: Sequence[PeriodRow], period: Period, running: int | None) -> list[RunLine]:
    """Runs of the service; `running` is the id of the one that goes on."""
    return [
        RunLine(
            iso_text(row.began),
            None if row.id == running else iso_text(row.known_end),
            "running" if row.id == running else row.how or "silent",
            row.version,
            row.node,
        )
        for row in rows
        if period.touches(row.began, None if row.id == running else row.known_end)
    ]


def in_force_lines(known: ForceHistory, period: Period) -> list[InForceLine]:
    """Revisions and catalogues that were in force, each once for as long as it was."""
    lines: list[InForceLine] = []
    for span in known.spans:
        if not period.touches(span.began, span.ended):
            continue
        catalogue = span.body["catalogue"]
        what = (
            span.body["revision"],
            catalogue.get("fingerprint", ""),
            catalogue.get("bundled"),
            catalogue.get("feed"),
        )
        line = InForceLine(*what, iso_text(span.began), text_of(span.ended), list(span.body.get("lacks", ())))
        if lines and lines[-1].ends == line.begins and _policy(lines[-1]) == _policy(line):
            line = replace(line, begins=lines.pop().begins)
        lines.append(line)
    return lines


def _policy(line: InForceLine) -> tuple[int, str, list[str]]:
    return line.revision, line.catalogue, line.lacks


def revision_lines(known: ForceHistory, deeds: Sequence[Deed], period: Period) -> list[RevisionLine]:
    """Revisions that were stored in the period."""
    by_request = {deed.request_id: deed for deed in deeds if deed.request_id}
    lines = []
    for row in known.stored:
        if period.start <= row.at < period.until:
            deed = by_request.get(row.request_id or "")
            by, approved_by = (deed.by, deed.approved_by) if deed else (row.actor, None)
            noted = text_of(known.noted(row))
            lines.append(RevisionLine(row.revision, iso_text(row.at), noted, by, approved_by, list(row.changes)))
    return lines


@dataclass(frozen=True, slots=True)
class Segment:
    """A group as it was for a while; `deed` made it so, None: it was so before all that is looked at."""

    group: str
    state: State
    began: datetime
    ended: datetime | None
    deed: Deed | None

    @property
    def source(self) -> str:
        """Where that stands."""
        return self.deed.source if self.deed else "the store"


@dataclass(frozen=True, slots=True)
class GroupTurn:
    """A change of groups: all groups before and after it, and the rows that tell of it."""

    deeds: Sequence[Deed]
    was: States
    will: States


def states_at_start(now: States, deeds: Sequence[Deed]) -> dict[str, State]:
    """All groups before the first of these deeds, by the groups of now."""
    states = dict(now)
    for deed in reversed(deeds):
        if _is_of_group(deed):
            if deed.before is None:
                states.pop(deed.name, None)
            else:
                states[deed.name] = deed.before
    return states


def segments(
    first: States, deeds: Sequence[Deed], begins: Callable[[datetime], datetime], start: datetime
) -> list[Segment]:
    """Each group over time, from `start` on; `begins` says when what was written at a time was in force."""
    current: dict[str, tuple[State, datetime, Deed | None]] = {
        name: (state, start, None) for name, state in first.items()
    }
    found: list[Segment] = []
    for deed in deeds:
        if not _is_of_group(deed):
            continue
        at = begins(deed.at)
        known = current.pop(deed.name, None)
        if known is not None:
            state, began, by = known
            found.append(Segment(deed.name, state, began, max(at, began), by))
        if deed.after is not None:
            current[deed.name] = (deed.after, at, deed)
    found += [Segment(name, state, began, None, by) for name, (state, began, by) in current.items()]
    return sorted(found, key=lambda one: (one.began, one.group))


def batches(deeds: Sequence[Deed], known: ForceHistory) -> list[list[Deed]]:
    """Rows about groups, those of one revision together."""
    found: list[list[Deed]] = []
    last: int | None = None
    for deed in deeds:
        if not _is_of_group(deed):
            continue
        row = known.revision_of(deed.at)
        number = row.revision if row else None
        if not found or number is None or number != last:
            found.append([])
        found[-1].append(deed)
        last = number
    return found


def turns(first: States, changes: Sequence[Sequence[Deed]], wanted: Collection[int]) -> Iterator[GroupTurn]:
    """Changes of groups, those whose place among the batches is `wanted`; one at a time, for each has all groups."""
    states = dict(first)
    for place, batch in enumerate(changes):
        was = dict(states) if place in wanted else states
        for deed in batch:
            if deed.after is None:
                states.pop(deed.name, None)
            else:
                states[deed.name] = deed.after
        if place in wanted:
            yield GroupTurn(batch, was, dict(states))


def _is_of_group(deed: Deed) -> bool:
    return deed.kind == "groups" and any(state is not None and "name" in state for state in (deed.before, deed.after))
