"""Confirm what a restore suspended."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import Field

from admin_api.editing.common import validated
from admin_api.editing.errors import Invalid
from admin_api.editing.refusals import BadRequest
from admin_api.editing.tokens import NOT_GIVEN
from admin_api.store import restored, tokens
from admin_api.store.change import Change
from admin_api.store.restored import ConfirmedThings
from admin_api.store.roles import may_give
from admin_api.subjects.keeper import SubjectKeeper
from admin_api.subjects.rows import exemption_of
from resolver.config import fields
from resolver.config.section import Section
from resolver.snapshot.clocks import now as moment


class _Body(Section):
    tokens: fields.Texts = ()
    exemptions: fields.Texts = ()
    policy: fields.Texts = ()
    leave_closed: fields.Texts = ()
    all: bool = Field(default=False)


async def confirm(
    keeper: SubjectKeeper,
    body: Mapping[str, Any],
    *,
    giver: Collection[str],
    owner: str,
    actor: str,
    request_id: str | None = None,
) -> tuple[ConfirmedThings, int, int]:
    """Confirm; gives what counts again, and the change of subjects and the policy's revision to wait for.

    `giver` are the roles of who confirms. Raises Invalid, BadRequest (403), NotFound, NothingLost, StoreAway.
    """
    wanted = validated(_Body, body)
    named = (wanted.tokens, wanted.exemptions, wanted.policy)
    if wanted.all == any((*named, wanted.leave_closed)):
        raise Invalid([("/all", "name tokens, exemptions or openings by the policy, or set all and name none")])
    if both := sorted({*wanted.policy} & {*wanted.leave_closed}):
        raise Invalid([("/leave_closed", f"names {both[0]!r}, which policy names as well")])
    which = (None, None, None) if wanted.all else named
    async with keeper.change(actor, request_id) as changing:
        done = await restored.confirm(changing.store, *which, leave=wanted.leave_closed, owner=owner)
        await _check_given(changing.store, done.tokens, giver)
        changing.put += [exemption_of(row, moment()) for row in done.exemptions]
    return done, changing.number, changing.store.revision


async def _check_given(change: Change, names: Collection[str], giver: Collection[str]) -> None:
    """Raise BadRequest (403) where a confirmed token has a role that this caller does not give."""
    rows = await tokens.all_tokens(change.connection) if names else []
    withheld = [row.name for row in rows if row.name in names and not may_give(giver, row.roles)]
    if withheld:
        why = f"{', '.join(withheld)}: {NOT_GIVEN}, who confirms it, too (moatdns store confirm-restored)"
        raise BadRequest(403, why, [("/tokens", why)])
