"""Pause a group, or every group."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import Field

from admin_api.editing.common import Said, end_of, validated
from admin_api.editing.errors import Invalid
from admin_api.persons import keys_of
from admin_api.store import documents, groups, pauses
from admin_api.store.change import Change
from admin_api.store.pauses import PauseRow
from admin_api.subjects.keeper import SubjectKeeper
from admin_api.subjects.rows import pause_of
from resolver.config import fields
from resolver.config.section import Section
from resolver.snapshot.clocks import now as moment

BEGUN: Final = "pause.begun"  # the event
_EMERGENCIES: Final = "emergency_pauses"  # the document: when each owner's first pause of a day began
_DAY: Final = timedelta(days=1)
_ROUND: Final = timedelta(minutes=1)  # for the time between two calls


class _Body(Section):
    group: fields.Name | None = None
    reason: Said
    expires_at: fields.Moment | None = None
    duration_seconds: Annotated[int, Field(ge=1), fields.NUMBER] | None = None


async def pause(
    keeper: SubjectKeeper, body: Mapping[str, Any], *, longest_seconds: int, actor: str, request_id: str | None = None
) -> tuple[PauseRow, int]:
    """Pause; gives the change to wait for as well. Raises Invalid, TooMany, StoreAway."""
    wanted = validated(_Body, body)
    if (wanted.expires_at is None) == (wanted.duration_seconds is None):
        raise Invalid([("/duration_seconds", "use one of duration_seconds and expires_at")])
    at = datetime.now(UTC)
    ends = end_of(wanted, at, at, longest_seconds, "longest_pause_seconds")
    async with keeper.change(actor, request_id) as changing:
        if wanted.group is not None and await groups.find(changing.store.connection, wanted.group) is None:
            raise Invalid([("/group", f"there is no group {wanted.group!r}")])
        row = await pauses.create(changing.store, group=wanted.group, reason=wanted.reason, expires_at=ends)
        changing.put.append(pause_of(row, moment()))
        changing.tell.append((BEGUN, {**row.plain(), "set_by": actor}))
    return row, changing.number


async def check_emergency(change: Change, owner: str, longest_seconds: int) -> list[str]:
    """Pauses of a change that its owner may not make alone, in finished phrases.

    Alone, all of an owner's pauses end within `longest_seconds` of the first one's begin, and the next begin a day
    after that: one pause after the other would be no emergency.
    """
    made = [
        json.loads(entry.after)
        for entry in change.entries
        if entry.action == "pause" and entry.object.startswith("pauses/") and entry.after is not None
    ]
    if not made:
        return []
    if longest_seconds:
        now = datetime.now(UTC)
        noted = await documents.get(change.connection, _EMERGENCIES) or {}
        firsts = {name: at for name, at in noted.items() if now - datetime.fromisoformat(at) < _DAY}
        known_by = keys_of(owner)  # a token and a sign-in of one person have one budget
        begun = min((firsts[key] for key in known_by if key in firsts), default=now.isoformat())
        firsts |= dict.fromkeys(known_by, begun)
        first = datetime.fromisoformat(begun)
        last = max(datetime.fromisoformat(pause["expires_at"]) for pause in made)
        if last <= first + timedelta(seconds=longest_seconds) + _ROUND:
            await documents.put(change.connection, _EMERGENCIES, firsts)
            return []
    return [f"group {pause['group']!r} is paused" if pause["group"] else "every group is paused" for pause in made]


async def end_pause(keeper: SubjectKeeper, number: str, *, actor: str, request_id: str | None = None) -> int:
    """End a pause now. Raises NotFound, StoreAway."""
    async with keeper.change(actor, request_id) as changing:
        row = await pauses.get(changing.store.connection, number)
        await pauses.end(changing.store, row, "end")
        changing.drop.append(pause_of(row, moment()))
    return changing.number
