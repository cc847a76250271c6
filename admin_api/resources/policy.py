"""The policy as one document: written out, planned, applied whole, and taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api import models
from admin_api.editing.errors import Invalid
from admin_api.http.call import MOST_RULES_AT_ONCE, BadRequest, Call, Reply, in_force
from admin_api.http.paging import cursor_of, place_of
from admin_api.policy_file.applying import apply
from admin_api.policy_file.document import document_of, read_document
from admin_api.policy_file.planning import Plan, PlannedChange, plan_document, plan_rollback
from admin_api.policy_file.replay import Replay, planned_snapshot, replay
from admin_api.store import policy as stored
from admin_api.store import revisions
from admin_api.store.change import Change
from admin_api.store.errors import StaleVersion
from resolver.build import known_references
from resolver.clocks import now as moment

_MOST_SHOWN = 20  # rules of a change


class _NotForGood(Exception):
    """Rolls back a change that was made to look at it."""


async def show(call: Call) -> Reply:
    """GET /policy."""
    async with call.context.door.store.read() as connection:
        document = await document_of(connection)
    return Reply(document, 200, {"ETag": f'"{document["revision"]}"'})


async def plan(call: Call) -> Reply:
    """POST /policy:plan."""
    replay_seconds = call.query.replay_seconds
    if replay_seconds is not None:
        return await _plan_with_replay(call, replay_seconds)
    async with _looking(call) as change:
        planned = await _planned(call, change.connection)
        await apply(change, planned, known_references(call.context.catalogue))
    return _reply(planned)


async def apply_document(call: Call) -> Reply:
    """POST /policy:apply."""
    return await _apply(call)


async def rollback(call: Call) -> Reply:
    """POST /policy:rollback."""
    return await _apply(call)


async def history(call: Call) -> Reply:
    """GET /policy/history."""
    before = place_of(call.query.cursor, int)
    async with call.context.door.store.read() as connection:
        rows = await revisions.page(connection, limit=call.query.limit + 1, below=before[0] if before else None)
    shown = rows[: call.query.limit]
    items = [models.RevisionItem.model_validate(row, from_attributes=True) for row in shown]
    return Reply(models.Revisions(items=items, next=cursor_of(shown[-1].revision) if len(rows) > len(shown) else None))


async def _planned(call: Call, conn: AsyncConnection) -> Plan:
    """By the document that was sent, or by the revision to go back to. Raises Invalid, NotFound."""
    sent = {key: value for key, value in call.body.items() if value is not None}
    if ("to_revision" in sent) == ("policy" in sent):  # nothing at all would mean: take everything away
        raise Invalid([("/policy", "give one of policy and to_revision")])
    if "to_revision" in sent:
        return await plan_rollback(conn, sent["to_revision"])
    return await plan_document(conn, read_document(sent))


@asynccontextmanager
async def _looking(call: Call) -> AsyncIterator[Change]:
    """A change that nobody will see."""
    with suppress(_NotForGood):
        async with call.context.door.store.change(call.actor, call.request_id) as change:
            yield change
            _give_up()


def _give_up() -> None:
    raise _NotForGood


async def _apply(call: Call) -> Reply:
    expected = call.expected_version()
    if expected is None:
        why = 'say by If-Match which revision was planned against, as in If-Match: "42"; plan first'
        raise BadRequest(428, why)
    async with call.context.door.store.change(call.actor, call.request_id) as change:
        planned = await _planned(call, change.connection)
        if planned.revision != expected:
            raise StaleVersion(f"the policy (revision {planned.revision} now, planned against {expected})")
        await apply(change, planned, known_references(call.context.catalogue))
    if planned.rules > MOST_RULES_AT_ONCE:
        call.context.policy.changed()
        return _reply(planned, 202, revision=change.revision)
    return _reply(planned, 200, await in_force(call, change.revision), revision=change.revision)


async def _plan_with_replay(call: Call, seconds: int) -> Reply:
    context = call.context
    now = context.policy.snapshot
    if now is None:
        raise BadRequest(503, "no policy is in force yet", Retry_After="1")
    since = context.policy.revision
    async with _looking(call) as change:
        planned = await _planned(call, change.connection)
        await apply(change, planned, known_references(context.catalogue))
        if await stored.revision(change.connection) != since:
            raise BadRequest(503, "the newest policy is not in force yet: plan again soon", Retry_After="1")
        after = await planned_snapshot(change.connection, context.catalogue, now, since)
    start = datetime.now(UTC) - timedelta(seconds=seconds)
    found = await asyncio.to_thread(replay, context.state_dir, start, now, after, context.subjects.subjects, moment())
    found.cannot_show += [*context.settings.log_lacks]
    return _reply(planned, replayed=found)


def _reply(
    planned: Plan,
    status: int = 200,
    headers: dict[str, str] | None = None,
    *,
    revision: int | None = None,
    replayed: Replay | None = None,
) -> Reply:
    body = models.PlanReply(
        revision=planned.revision if revision is None else revision,
        changes=[_change(one) for one in planned.changes],
        kept=planned.kept,
        replay=models.ReplayReply.model_validate(replayed, from_attributes=True) if replayed else None,
    )
    return Reply(body, status, {"ETag": f'"{body.revision}"', **(headers or {})})


def _change(one: PlannedChange) -> models.PlannedItem:
    def some(pairs: frozenset[tuple[str, str]]) -> dict[str, Any]:
        shown = sorted(pairs)[:_MOST_SHOWN]
        return {"count": len(pairs), "some": [f"{action} {rule}" for action, rule in shown]}

    return models.PlannedItem(
        action=one.action,  # type: ignore[arg-type]
        object=one.object,
        before=one.before,
        after=one.after,
        added=models.SomeRules(**some(one.added)),
        removed=models.SomeRules(**some(one.removed)),
    )
