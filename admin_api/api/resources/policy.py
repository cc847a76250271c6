"""The policy as one document: written out, planned, applied whole, and taken back."""

from __future__ import annotations

from admin_api.api import models
from admin_api.api.http.call import MOST_RULES_AT_ONCE, ApiReply, Call, as_model, in_force, tagged
from admin_api.api.http.paging import page_reply, part_of
from admin_api.api.people import HIDDEN
from admin_api.editing.local_names import check_count, check_planned
from admin_api.editing.refusals import BadRequest
from admin_api.policy_file.applying import apply
from admin_api.policy_file.document import document_of
from admin_api.policy_file.telling import told_change
from admin_api.policy_file.trying import InForce, PlanTold, Try, planned_by
from admin_api.query_log.shown import Shown
from admin_api.store import policy as stored
from admin_api.store import revisions
from admin_api.store.errors import StaleVersion


async def show(call: Call) -> ApiReply:
    """GET /policy."""
    async with call.context.store.read() as connection:
        document = await document_of(connection)
    return ApiReply(document, 200, {"ETag": f'"{document["revision"]}"'})


async def plan(call: Call) -> ApiReply:
    """POST /policy:plan."""
    context, seconds = call.context, call.query.replay_seconds
    keeper, now = context.policy, None
    if seconds is not None:
        if keeper.snapshot is None:
            raise BadRequest(503, "no policy is in force yet", Retry_After="1")
        now = InForce(keeper.snapshot, keeper.revision, context.subjects.subjects)
    wanted = Try(call.body, seconds, tuple(context.access.local_names.of_config))
    told = await context.plans.tell(context.store, context.current.loaded, wanted, now, keeper.manifest_path)
    _check_local(call, [one["object"] for one in told.changes if one["after"] is not None])
    body = as_model(models.PlanReply, told)
    if told.replay is not None:
        context.unreadable_blocks.note_all(told.replay.unreadable)
    if body.replay is not None:
        body.replay.cannot_show += context.log_lacks
        shown = Shown(context.settings.clients, context.settings.identities)
        for item in body.replay.items:
            item.client = shown.address(item.client) or HIDDEN
    return tagged(body, body.revision)


async def apply_document(call: Call) -> ApiReply:
    """POST /policy:apply."""
    return await _apply(call)


async def rollback(call: Call) -> ApiReply:
    """POST /policy:rollback."""
    return await _apply(call)


async def history(call: Call) -> ApiReply:
    """GET /policy/history."""
    query: models.Page = call.query
    async with call.context.store.read() as connection:
        rows = await revisions.page(connection, limit=query.limit + 1, below=part_of(query.cursor, int))
    return page_reply(models.Revisions, rows, query.limit, "revision")


async def _apply(call: Call) -> ApiReply:
    expected = call.expected_version()
    if expected is None:
        why = 'name the planned revision by If-Match, as in If-Match: "42"; plan first'
        raise BadRequest(428, why)
    made = await call.context.plans.make(call.context.store, call.body)
    async with call.change() as change:
        planned = made or await planned_by(change.connection, call.body)
        now = await stored.revision(change.connection)
        if not planned.revision == now == expected:
            raise StaleVersion(f"the policy (revision {now} now, planned against {expected})")
        _check_local(call, [one.object for one in planned.changes if one.after is not None])
        await apply(change, planned, call.context.known, call.context.access.local_names.of_config)
        if any(one.kind == "local" and one.action == "create" for one in planned.changes):
            await check_count(change, call.context.settings.most_local_names)
    told = PlanTold(change.revision, [told_change(one) for one in planned.changes], planned.kept)
    body = as_model(models.PlanReply, told)
    if planned.rules > MOST_RULES_AT_ONCE:
        call.context.policy.changed()
        return tagged(body, body.revision, status=202)
    return tagged(body, body.revision, await in_force(call, body.revision))


def _check_local(call: Call, made: list[str]) -> None:
    """Raise Invalid where a document makes or changes what the config owns, by objects such as local/NAME.

    The way back to a revision may bring back what the config has come to own since; four eyes judge it all the same.
    """
    if call.body.get("to_revision") is None:
        names = (name for kind, _, name in (one.partition("/") for one in made) if kind == "local")
        check_planned(names, call.context.access.local_names.of_config)
