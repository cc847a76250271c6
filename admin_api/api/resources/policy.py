"""The policy as one document: written out, planned, applied whole, and taken back."""

from __future__ import annotations

from admin_api.api import models
from admin_api.api.http.call import MOST_RULES_AT_ONCE, ApiReply, Call, in_force
from admin_api.api.http.paging import page_of, place_of
from admin_api.editing.refusals import BadRequest
from admin_api.policy_file.applying import apply
from admin_api.policy_file.document import document_of
from admin_api.policy_file.planning import PolicyPlan
from admin_api.policy_file.telling import told_change
from admin_api.policy_file.trying import InForce, Try, planned_by
from admin_api.store import policy as stored
from admin_api.store import revisions
from admin_api.store.errors import StaleVersion
from blocklists.sources import known_references


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
    wanted = Try(call.body, seconds)
    told = await context.plans.tell(context.store, context.catalogue, wanted, now, keeper.manifest_path)
    replayed = None
    if told.replay is not None:
        replayed = models.ReplayReply.model_validate(told.replay, from_attributes=True)
        replayed.cannot_show += context.settings.log_lacks
    body = models.PlanReply(
        revision=told.revision,
        changes=[models.PlannedItem.model_validate(one) for one in told.changes],
        kept=told.kept,
        replay=replayed,
    )
    return ApiReply(body, 200, {"ETag": f'"{body.revision}"'})


async def apply_document(call: Call) -> ApiReply:
    """POST /policy:apply."""
    return await _apply(call)


async def rollback(call: Call) -> ApiReply:
    """POST /policy:rollback."""
    return await _apply(call)


async def history(call: Call) -> ApiReply:
    """GET /policy/history."""
    before = place_of(call.query.cursor, int)
    async with call.context.store.read() as connection:
        rows = await revisions.page(connection, limit=call.query.limit + 1, below=before[0] if before else None)
    shown, following = page_of(rows, call.query.limit, "revision")
    items = [models.RevisionItem.model_validate(row, from_attributes=True) for row in shown]
    return ApiReply(models.Revisions(items=items, next=following))


async def _apply(call: Call) -> ApiReply:
    expected = call.expected_version()
    if expected is None:
        why = 'say by If-Match which revision was planned against, as in If-Match: "42"; plan first'
        raise BadRequest(428, why)
    store = call.context.store
    made = await call.context.plans.make(store, call.body)
    async with store.change(call.actor, call.request_id) as change:
        planned = made or await planned_by(change.connection, call.body)
        now = await stored.revision(change.connection)
        if not planned.revision == now == expected:
            raise StaleVersion(f"the policy (revision {now} now, planned against {expected})")
        await apply(change, planned, known_references(call.context.catalogue))
    if planned.rules > MOST_RULES_AT_ONCE:
        call.context.policy.changed()
        return _reply(planned, 202, revision=change.revision)
    return _reply(planned, 200, await in_force(call, change.revision), revision=change.revision)


def _reply(planned: PolicyPlan, status: int, headers: dict[str, str] | None = None, *, revision: int) -> ApiReply:
    changes = [models.PlannedItem.model_validate(told_change(one)) for one in planned.changes]
    body = models.PlanReply(revision=revision, changes=changes, kept=planned.kept)
    return ApiReply(body, status, {"ETag": f'"{revision}"', **(headers or {})})
