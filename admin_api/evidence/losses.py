"""Losses: times of which rows of the store are gone, as its trail tells: a restore, a known loss, a new beginning.

Of such a time nothing else that the store says is whole: runs, changes and exceptions of then may be among what is
gone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from admin_api.evidence.deeds import Deed
from admin_api.evidence.gaps import NOT_KNOWN, NOT_RUNNING, WORDLESS
from admin_api.evidence.lines import GapLine, OpeningLine, Period, RunLine, text_of
from admin_api.evidence.recording import LOOK_SECONDS
from admin_api.store.columns import iso_text
from admin_api.store.trail import ACKNOWLEDGE, BEGIN_ANEW, RESTORE

STORE: Final = "store"
"""Kind of an opening: a whole store came in the place of another."""

_MOST_NAMED = 20  # rows that are told
_BEAT = timedelta(seconds=2 * LOOK_SECONDS)


@dataclass(frozen=True, slots=True)
class Loss:
    """Rows that are gone, and the time in which they were written; `began` None: since when, nobody noted."""

    began: datetime | None
    ended: datetime
    rows: str
    reason: str
    source: str

    def begins(self, period: Period) -> datetime:
        """From when on nothing is known: where nobody noted it, all of the period before the end."""
        return self.began or min(period.start, self.ended)

    def has(self, began: datetime, ended: datetime | None) -> bool:
        """Whether something that lasted so long is, in part, of its time."""
        return began < self.ended and (ended is None or self.began is None or ended > self.began)


def losses_of(deeds: Iterable[Deed]) -> list[Loss]:
    """Losses by the rows that tell of them."""
    return [loss for deed in deeds if (loss := _loss(deed)) is not None]


def _loss(deed: Deed) -> Loss | None:
    after: Mapping[str, Any] = deed.after or {}
    match (deed.action, deed.kind):
        case of if of == RESTORE:
            backup = after.get("backup") or {}
            reason = f"the store was restored from the backup of {backup.get('at')}, by {_who(deed)}"
            return Loss(_time(backup.get("at")), deed.at, _restored_rows(backup, after), reason, deed.source)
        case of if of == ACKNOWLEDGE:
            reason = f"rows of the audit trail are lost, as {deed.by} acknowledges: {after.get('reason')}"
            return Loss(_time(after.get("since")), deed.at, _named_rows(after), reason, deed.source)
        case of if of == BEGIN_ANEW and (deed.row == 1 or after.get("lost_heads")):
            reason = f"the store was lost, and begun anew by {_who(deed)}: {after.get('reason') or after.get('why')}"
            rows = _named_rows(after) if after.get("lost_heads") else "all rows of the store that was there"
            return Loss(_time(after.get("since")), deed.at, rows, reason, deed.source)
    return None


def _restored_rows(backup: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    last, lost = int(backup.get("row") or 0), int(after.get("lost_rows") or 0)
    if lost <= 0:
        return f"all rows of the audit trail after row {last}; how many, no head that was kept tells"
    return f"at least {lost} rows of the audit trail, {last + 1} to {last + lost} as they were numbered"


def _named_rows(after: Mapping[str, Any]) -> str:
    numbers = sorted({int(number) for number, _ in after.get("lost_heads") or ()})
    more = f" and {len(numbers) - _MOST_NAMED} more" if len(numbers) > _MOST_NAMED else ""
    return f"rows of the audit trail, {', '.join(map(str, numbers[:_MOST_NAMED]))}{more} among them"


def _who(deed: Deed) -> str:
    by = (deed.after or {}).get("by")
    return f"{by} ({deed.by})" if by else deed.by


def _time(text: object) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if isinstance(text, str) else None


def loss_gaps(losses: Iterable[Loss], period: Period) -> Iterator[GapLine]:
    """The times of all losses, of which nothing is known."""
    for loss in losses:
        began = loss.begins(period)
        seconds = period.seconds(began, loss.ended)
        why = f"{loss.reason}; lost: {loss.rows}"
        yield GapLine(NOT_KNOWN, None, iso_text(began), iso_text(loss.ended), seconds, why, loss.source)


def without_losses(found: Iterable[GapLine], losses: Sequence[Loss], period: Period) -> Iterator[GapLine]:
    """Gaps, but that the node did not run is not claimed of a time of which the rows are gone."""
    for line in found:
        pieces = [line]
        if line.kind == NOT_RUNNING:
            for loss in losses:
                pieces = [piece for one in pieces for piece in _outside(one, loss, period)]
        yield from pieces


def _outside(line: GapLine, loss: Loss, period: Period) -> Iterator[GapLine]:
    began, ended = datetime.fromisoformat(line.begins), _time(line.ends)
    if not loss.has(began, ended):
        yield line
        return
    lost_from = loss.begins(period)
    if began < lost_from:
        before = _cut(line, began, lost_from, period)
        if line.reason.startswith(WORDLESS) and began >= lost_from - _BEAT:  # it ran, or its next sign of life is lost
            before = dataclasses.replace(before, kind=NOT_KNOWN, reason=loss.reason, source=loss.source)
        yield before
    if ended is None or ended > loss.ended:
        why = f"not started yet after {loss.source}: {loss.reason}"
        yield dataclasses.replace(_cut(line, loss.ended, ended, period), reason=why, source=loss.source)


def _cut(line: GapLine, began: datetime, ended: datetime | None, period: Period) -> GapLine:
    times = iso_text(began), text_of(ended)
    return dataclasses.replace(line, begins=times[0], ends=times[1], seconds=period.seconds(began, ended))


def without_lost_ends(runs: Iterable[RunLine], losses: Sequence[Loss]) -> Iterator[RunLine]:
    """Runs of the service; how one ended is not claimed where that may be among what is gone."""
    for run in runs:
        end = _time(run.ends)
        is_lost = end is not None and any((loss.began or end) - _BEAT <= end <= loss.ended for loss in losses)
        yield dataclasses.replace(run, how=NOT_KNOWN) if is_lost and run.how == "silent" else run


def loss_texts(losses: Iterable[Loss], trouble: str | None) -> Iterator[str]:
    """Blind spots by all losses, and by what is wrong with the trail now."""
    if trouble is not None:
        yield f"the audit trail is not whole, and who did what may be missing at any time of this period: {trouble}"
    for loss in losses:
        since = f"since {iso_text(loss.began)}" if loss.began else "since a time that nobody noted"
        yield (
            f"lost: {loss.rows}, and whatever else was written {since} until {iso_text(loss.ended)} ({loss.source}: "
            f"{loss.reason}): changes of the policy, exceptions, and what was revoked then are not here"
        )


def store_openings(deeds: Iterable[Deed], period: Period) -> Iterator[OpeningLine]:
    """Stores that came in the place of another: what had been closed in that one may be open in this one."""
    for deed in deeds:
        if not period.start <= deed.at < period.until:
            continue
        after, of = deed.after or {}, (deed.action, deed.kind)
        backup = after.get("backup") or {}
        if of == RESTORE:
            closes = "closed" in (after.get("suspended") or {})  # rows of earlier versions: the policy stayed as it was
            waiting = "tokens, exemptions and what the policy opened" if closes else "tokens and exemptions"
            what = (
                f"the store is that of the backup of {backup.get('at')}, with policy revision "
                f"{backup.get('policy_revision')}: what was closed since then is open again, except for {waiting}, "
                "which wait for an admin's word"
            )
        elif of == BEGIN_ANEW:
            place = "an empty one" if deed.row == 1 else f"another one, with {deed.row - 1} rows in its audit trail"
            what = f"the store is {place}: what the lost one blocked by lists and groups of its own is open"
        else:
            continue
        at = iso_text(deed.at)
        why = after.get("reason") or None
        yield OpeningLine(STORE, what, at, None, None, _who(deed), None, why, None, None, deed.source)
