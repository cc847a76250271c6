"""Groups: networks with one policy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model, in_force, tagged
from admin_api.api.http.paging import page_reply, part_of
from admin_api.api.resources.merging import merged
from admin_api.editing import groups as editing
from admin_api.editing.common import Merge
from admin_api.store import groups
from admin_api.store.errors import NotFound
from admin_api.store.groups import GroupRow
from resolver.config.notes import group_notes


async def listing(call: Call) -> ApiReply:
    """GET /groups."""
    query: models.GroupsPage = call.query
    after = part_of(query.cursor, str)
    async with call.context.store.read() as connection:
        rows = await groups.page(connection, limit=query.limit + 1, after=after, contains=query.contains)
    return page_reply(models.Groups, rows, query.limit, "name", item=partial(_item, call))


async def create(call: Call) -> ApiReply:
    """POST /groups."""
    return await _make(call, call.body)


async def show(call: Call) -> ApiReply:
    """GET /groups/{name}."""
    async with call.context.store.read() as connection:
        row = await groups.get(connection, call.path["name"])
    return tagged(_item(call, row), row.version)


async def replace(call: Call) -> ApiReply:
    """PUT /groups/{name}."""
    body = {"name": call.path["name"], **call.body}
    try:
        return await _update(call, lambda _: body)
    except NotFound:
        return await _make(call, body)


async def change(call: Call) -> ApiReply:
    """PATCH /groups/{name}."""
    return await _update(call, merged(call.body))


async def delete(call: Call) -> ApiReply:
    """DELETE /groups/{name}."""
    name, version = call.path["name"], call.expected_version()
    revision = await editing.delete_group(call.context.store, name, expected_version=version, **call.by)
    return ApiReply(None, 204, await in_force(call, revision))


async def _make(call: Call, body: Mapping[str, object]) -> ApiReply:
    context = call.context
    written = await editing.create_group(context.store, body, known=context.known, **call.by)
    waited = await in_force(call, written.revision)
    location = {"Location": f"/api/v1/groups/{written.row.name}"}
    return tagged(_item(call, written.row), written.row.version, {**location, **waited}, 201)


async def _update(call: Call, merge: Merge) -> ApiReply:
    context, version = call.context, call.expected_version()
    written = await editing.update_group(
        context.store, call.path["name"], merge, known=context.known, expected_version=version, **call.by
    )
    return tagged(_item(call, written.row), written.row.version, await in_force(call, written.revision))


def _item(call: Call, row: GroupRow) -> models.GroupItem:
    takes_certificates = call.context.serves.takes_certificates
    notes = list(group_notes(row, datetime.now(UTC), takes_certificates=takes_certificates))
    return as_model(models.GroupItem, row, notes=notes)
