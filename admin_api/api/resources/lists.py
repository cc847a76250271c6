"""Lists: the bundled ones of the catalogue, the config's, and those made here."""

from __future__ import annotations

from collections.abc import Mapping

from admin_api.api import models
from admin_api.api.http.call import MOST_RULES_AT_ONCE, ApiReply, Call, as_model, in_force, tagged
from admin_api.api.http.paging import page_reply, part_of
from admin_api.api.resources.merging import merged
from admin_api.editing import lists as editing
from admin_api.editing.common import Merge
from admin_api.editing.errors import Invalid
from admin_api.store import lists
from admin_api.store.errors import NotFound, OwnedByFile
from admin_api.store.lists import ListRow
from blocklists.catalogue import Catalogue


async def listing(call: Call) -> ApiReply:
    """GET /lists."""
    query: models.ListsPage = call.query
    after = part_of(query.cursor, str)
    async with call.context.store.read() as connection:
        rows = await lists.all_lists(connection)
    items = [
        *(_bundled(call.context.catalogue, name) for name in call.context.catalogue.services),
        *(_item(call, row) for row in rows),
    ]
    found = sorted((item for item in items if query.kind in (None, item.kind)), key=lambda item: item.name)
    if after is not None:
        found = [item for item in found if item.name > after]
    return page_reply(models.Lists, found, query.limit, "name")


async def create(call: Call) -> ApiReply:
    """POST /lists."""
    return await _make(call, call.body)


async def show(call: Call) -> ApiReply:
    """GET /lists/{name}."""
    name = call.path["name"]
    if name in call.context.catalogue.services:
        return ApiReply(_bundled(call.context.catalogue, name))
    async with call.context.store.read() as connection:
        row = await lists.get(connection, name)
    return tagged(_item(call, row), row.version)


async def replace(call: Call) -> ApiReply:
    """PUT /lists/{name}: what it is, not its rules."""
    name = own_list(call)
    wanted = {"name": name, **call.body}
    head = {key: value for key, value in wanted.items() if key not in ("block", "allow")}
    try:
        written = await _update(call, name, lambda _: head)
    except NotFound:
        return await _make(call, wanted)
    if len(head) < len(wanted):
        why = "is not changed here: POST /lists/{name}/rules adds rules, rules:batchDelete removes them"
        raise Invalid([(f"/{key}", why) for key in wanted if key not in head])
    return written


async def change(call: Call) -> ApiReply:
    """PATCH /lists/{name}."""
    return await _update(call, own_list(call), merged(call.body))


async def delete(call: Call) -> ApiReply:
    """DELETE /lists/{name}."""
    name, version = own_list(call), call.expected_version()
    revision = await editing.delete_list(call.context.store, name, expected_version=version, **call.by)
    return ApiReply(None, 204, await in_force(call, revision))


async def refresh(call: Call) -> ApiReply:
    """POST /lists/{name}:refresh."""
    row, revision = await editing.ask_refresh(call.context.store, own_list(call), **call.by)
    call.context.subscriptions.request(row.id, revision)
    call.context.policy.changed()
    return ApiReply(models.Accepted(revision=revision), 202)


async def _make(call: Call, body: Mapping[str, object]) -> ApiReply:
    context = call.context
    written = await editing.create_list(context.store, body, known=context.known, is_admin=call.is_admin, **call.by)
    location = {"Location": f"/api/v1/lists/{written.row.name}"}
    if written.row.rules > MOST_RULES_AT_ONCE:
        call.context.policy.changed()
        return ApiReply(models.Accepted(revision=written.revision), 202, location)
    waited = await in_force(call, written.revision)
    return tagged(_item(call, written.row), written.row.version, {**location, **waited}, 201)


async def _update(call: Call, name: str, merge: Merge) -> ApiReply:
    store, version = call.context.store, call.expected_version()
    written = await editing.update_list(store, name, merge, expected_version=version, is_admin=call.is_admin, **call.by)
    return tagged(_item(call, written.row), written.row.version, await in_force(call, written.revision))


def own_list(call: Call) -> str:
    """The name of a list that may be changed. Raises OwnedByFile for a bundled one."""
    name = call.path["name"]
    if name in call.context.catalogue.services:
        raise OwnedByFile(f"list {name!r}", "it is bundled; remove it from a group's `block`, or allow it there")
    return name


def _item(call: Call, row: ListRow) -> models.ListItem:
    refresh = None
    if row.kind == "subscription":
        progress = call.context.subscriptions.progress(row.id)
        refresh = as_model(models.Refresh, row, **progress)
    return as_model(models.ListItem, row, last_error=lists.error_shown(row, is_admin=call.is_admin), refresh=refresh)


def _bundled(catalogue: Catalogue, service: str) -> models.ListItem:
    return models.ListItem(
        name=service,
        kind="bundled",
        origin="bundled",
        enabled=True,
        url=None,
        format=None,
        refresh_seconds=None,
        rules=len(catalogue.domains_of[service]),
        created_at=None,
        updated_at=None,
        last_success_at=None,
        last_error=None,
        refresh=None,
    )
