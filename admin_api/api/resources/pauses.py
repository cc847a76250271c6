"""Pauses: a group, or every group, is only watched for a while."""

from __future__ import annotations

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model, subjects_in_force
from admin_api.editing import pauses as editing
from admin_api.store import pauses


async def listing(call: Call) -> ApiReply:
    """GET /pauses."""
    async with call.context.store.read() as connection:
        rows = await pauses.all_pauses(connection)
    return ApiReply(models.Pauses(items=[as_model(models.PauseItem, row) for row in rows]))


async def create(call: Call) -> ApiReply:
    """POST /pauses."""
    longest = call.context.settings.longest_pause_seconds
    row, number = await editing.pause(call.context.subjects, call.body, longest_seconds=longest, **call.by)
    headers = {"Location": f"/api/v1/pauses/{row.id}", **await subjects_in_force(call, number)}
    return ApiReply(as_model(models.PauseItem, row), 201, headers)


async def delete(call: Call) -> ApiReply:
    """DELETE /pauses/{id}."""
    number = await editing.end_pause(call.context.subjects, call.path["id"], **call.by)
    return ApiReply(None, 204, await subjects_in_force(call, number))
