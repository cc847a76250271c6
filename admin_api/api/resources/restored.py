"""Suspended things: what came out of a backup, and waits for an admin."""

from __future__ import annotations

import contextlib

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model, in_force, subjects_in_force
from admin_api.editing import restored as editing
from admin_api.store import restored
from admin_api.store.errors import StoreAway


async def show(call: Call) -> ApiReply:
    """GET /restored."""
    async with call.context.store.read() as connection:
        waiting = await restored.suspended(connection)
    if waiting is None:
        return ApiReply(models.Restored(tokens=[], exemptions=[], policy=[]))
    times = {"restored_at": waiting.restored_at or None, "backup_at": waiting.backup_at or None}
    return ApiReply(as_model(models.Restored, waiting, **times))


async def confirm(call: Call) -> ApiReply:
    """POST /restored:confirm."""
    context = call.context
    done, number, revision = await editing.confirm(
        context.subjects, call.body, giver=call.roles, owner=call.owner, **call.by
    )
    with contextlib.suppress(StoreAway):  # it is told a second later then
        await context.restored.look()
    told = {"exemptions": [row.id for row in done.exemptions]}
    headers = {**await subjects_in_force(call, number), **(await in_force(call, revision) if done.policy else {})}
    return ApiReply(as_model(models.Confirmed, done, **told), 200, headers)
