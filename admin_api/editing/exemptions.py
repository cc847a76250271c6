"""Grant, approve, renew and end exemptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from admin_api.editing.common import end_of, validated
from admin_api.editing.errors import Invalid
from admin_api.editing.exemption_checks import LONGEST, Asked, Renewal, Terms, checked_scope, times_of
from admin_api.persons import is_same_person
from admin_api.store import exemptions
from admin_api.store.change import Change
from admin_api.store.errors import Forbidden, StaleVersion, WrongState
from admin_api.store.exemptions import ExemptionRow, NewExemption, RenewalAsked
from admin_api.subjects.keeper import SubjectChange, SubjectKeeper
from admin_api.subjects.rows import exemption_of
from resolver.config.references import KnownReferences
from resolver.snapshot.clocks import now as moment

PENDING: Final = "exemption.pending"  # the event
DECIDED: Final = "exemption.decided"  # likewise
UNVERIFIED: Final = "block page (nobody verified)"
"""Owner of a request that nobody signed: no person, and so not one of two."""
PENDING_SECONDS: Final = 7 * 86400
"""How long an exemption waits for approval that says how long, but not until when, it is to last."""


Admit = Callable[[Sequence[ExemptionRow], str, tuple[str, ...], tuple[str, ...]], ExemptionRow | None]


@dataclass(frozen=True, slots=True)
class Who:
    """Actor of a call: the token, and who answers for it."""

    actor: str
    owner: str
    request_id: str | None = None


async def grant(
    keeper: SubjectKeeper,
    body: Mapping[str, Any],
    *,
    known: KnownReferences,
    terms: Terms,
    who: Who,
    admit: Admit | None = None,
) -> tuple[ExemptionRow, int]:
    """Grant an exemption, or request one under four eyes; gives the change to wait for as well.

    With `admit` it is asked for, whatever the config says of four eyes. `admit` is given what the same actor has
    waiting, and the kind, subject and scope that are asked for: it gives the one of them that is the same, or raises.
    Raises Invalid, TooMany, StoreAway.
    """
    waits = terms.four_eyes or admit is not None
    wanted = validated(Asked, body)
    at = datetime.now(UTC)
    starts, ends = times_of(wanted, at, terms)
    kind, whom = wanted.subject.kind_and_who
    from_approval = wanted.duration_seconds if waits and wanted.starts_at is None else None
    async with keeper.change(who.actor, who.request_id) as changing:
        conn = changing.store.connection
        scope = await checked_scope(changing.store, kind, whom, wanted.scope, known)
        if admit is not None and (same := admit(await exemptions.waiting(conn, who.actor), kind, whom, scope)):
            return same, changing.number
        new = NewExemption(
            kind=kind,
            who=whom,
            scope=scope,
            owner=wanted.owner,
            reason=wanted.reason,
            ticket=wanted.ticket,
            status="pending" if waits else "active",
            decided_by=None if waits else who.actor,
            starts_at=starts,
            expires_at=ends if from_approval is None else at + timedelta(seconds=PENDING_SECONDS),
            from_approval_seconds=from_approval,
        )
        row = await exemptions.create(changing.store, new, owner=who.owner)
        _bring(changing, row)
        if row.status == "pending":
            changing.tell.append((PENDING, row.told()))
    return row, changing.number


async def approve(
    keeper: SubjectKeeper, number: str, *, who: Who, expected_version: int | None, four_eyes: bool = False
) -> tuple[ExemptionRow, int]:
    """Approve what is pending, or its renewal. Raises NotFound, WrongState, Forbidden, StaleVersion, StoreAway.

    Under four eyes an owner takes up what nobody signed, and another one approves it.
    """
    async with keeper.change(who.actor, who.request_id) as changing:
        row = await _found(changing.store, number, expected_version)
        renewal = row.renewal
        asked_by = renewal["owner"] if renewal else row.requested_owner
        if row.status == "active" and renewal is None:
            raise WrongState(f"exemption {number!r} is active: there is nothing to approve")
        exemptions.after(row, "approve-renewal" if renewal else "approve")
        _check_not_over(keeper, row)
        if is_same_person(who.owner, asked_by):
            raise Forbidden(f"{asked_by} requested it: somebody else has to approve it")
        if four_eyes and row.status == "pending" and row.requested_owner == UNVERIFIED:
            row = await exemptions.move(changing.store, row, "take-up", owner=who.owner, requested_owner=who.owner)
            changing.tell.append((PENDING, row.told()))
            return row, changing.number
        if renewal:
            ends = datetime.fromisoformat(renewal["expires_at"])
            row = await exemptions.move(
                changing.store,
                row,
                "approve-renewal",
                owner=who.owner,
                note=renewal["reason"],
                expires_at=ends,
                renewal=None,
                told_ending=False,
            )
            changing.tell.append((DECIDED, _decided(row, "approve-renewal", asked_by, who, None)))
        else:
            begins, ends = row.starts_at, row.expires_at
            if row.from_approval_seconds is not None:
                begins = datetime.now(UTC)
                ends = begins + timedelta(seconds=row.from_approval_seconds)
            row = await exemptions.move(
                changing.store, row, "approve", owner=who.owner, decided_by=who.actor, starts_at=begins, expires_at=ends
            )
            changing.tell.append((DECIDED, _decided(row, "approve", asked_by, who, None)))
        _bring(changing, row)
    return row, changing.number


async def deny(
    keeper: SubjectKeeper, number: str, *, reason: str | None, who: Who, expected_version: int | None
) -> tuple[ExemptionRow, int]:
    """Deny what is pending, or the renewal of what is active. Raises NotFound, WrongState, StaleVersion, StoreAway."""
    async with keeper.change(who.actor, who.request_id) as changing:
        row = await _found(changing.store, number, expected_version)
        if row.status == "active" and row.renewal is None:
            raise WrongState(f"exemption {number!r} is active: revoke it")
        action = "deny-renewal" if row.status == "active" else "deny"
        values = {"renewal": None} if row.status == "active" else {"decided_by": who.actor}
        asked_by = row.renewal["owner"] if row.renewal else row.requested_owner
        row = await exemptions.move(changing.store, row, action, owner=who.owner, note=reason, **values)
        changing.tell.append((DECIDED, _decided(row, action, asked_by, who, reason)))
    return row, changing.number


async def revoke(
    keeper: SubjectKeeper, number: str, *, reason: str | None, who: Who, expected_version: int | None
) -> tuple[ExemptionRow, int]:
    """End it now. Raises NotFound, WrongState, StaleVersion, StoreAway."""
    async with keeper.change(who.actor, who.request_id) as changing:
        row = await _found(changing.store, number, expected_version)
        was_active = row.status == "active"
        row = await exemptions.move(changing.store, row, "revoke", owner=who.owner, note=reason)
        if was_active:
            changing.drop.append(exemption_of(row, moment()))
    return row, changing.number


async def renew(
    keeper: SubjectKeeper,
    number: str,
    body: Mapping[str, Any],
    *,
    terms: Terms,
    who: Who,
    expected_version: int | None,
) -> tuple[ExemptionRow, int]:
    """Let it last longer, or ask for that. Raises NotFound, Invalid, WrongState, StaleVersion, StoreAway."""
    wanted = validated(Renewal, body)
    if (wanted.expires_at is None) == (wanted.duration_seconds is None):
        raise Invalid([("/expires_at", "use one of expires_at and duration_seconds (from now)")])
    at = datetime.now(UTC)
    async with keeper.change(who.actor, who.request_id) as changing:
        row = await _found(changing.store, number, expected_version)
        exemptions.after(row, "renew")
        _check_not_over(keeper, row)
        if row.renewal is not None:  # who approves would approve another one than he has read
            raise WrongState(f"a renewal of exemption {number} is already pending: approve or deny it first")
        ends = end_of(wanted, at, at, terms.longest_seconds, LONGEST)
        if ends <= row.expires_at:
            raise Invalid([("/expires_at", f"is not later than its current end, {row.expires_at.isoformat()}")])
        if terms.four_eyes:
            asked: RenewalAsked = {
                "expires_at": ends.isoformat(),
                "reason": wanted.reason,
                "by": who.actor,
                "owner": who.owner,
                "at": at.isoformat(),
            }
            row = await exemptions.move(
                changing.store, row, "request-renewal", owner=who.owner, note=wanted.reason, renewal=asked
            )
            changing.tell.append((PENDING, {**row.plain(), "requested_by": who.actor}))
        else:
            row = await exemptions.move(
                changing.store, row, "renew", owner=who.owner, note=wanted.reason, expires_at=ends, told_ending=False
            )
            _bring(changing, row)
    return row, changing.number


def _decided(row: ExemptionRow, action: str, asked_by: str, who: Who, note: str | None) -> dict[str, object]:
    """The event of a decision. Where nobody signed the request, it was the owner's."""
    person = row.owner if asked_by == UNVERIFIED else asked_by
    return {**row.told(), "action": action, "asked_by": person, "decided_by": who.owner, "note": note}


def _bring(changing: SubjectChange, row: ExemptionRow) -> None:
    if row.status == "active":
        changing.put.append(exemption_of(row, moment()))


async def _found(change: Change, number: str, expected_version: int | None) -> ExemptionRow:
    row = await exemptions.get(change.connection, number)
    if expected_version is not None and expected_version != row.version:
        raise StaleVersion(f"exemption {number!r}")
    return row


def _check_not_over(keeper: SubjectKeeper, row: ExemptionRow) -> None:
    """Raise WrongState for what has ended for the workers, though nobody has noted it here yet."""
    is_over = row.expires_at <= datetime.now(UTC) or (row.status == "active" and not keeper.holds("exemption", row.id))
    if is_over and row.status not in exemptions.ENDED:
        raise WrongState(f"exemption {row.id!r} has ended and cannot be changed: grant a new one")
