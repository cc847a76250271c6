"""The audit trail."""

from __future__ import annotations

import asyncio
import json

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call
from admin_api.api.http.paging import page_reply, part_of
from admin_api.audit.head import noted_heads
from admin_api.store import audit, trail
from resolver.system.safe_text import visible_json

JSON_LINES = "application/x-ndjson"


async def listing(call: Call) -> ApiReply:
    """GET /audit."""
    query: models.AuditPage = call.query
    async with call.context.store.read() as connection:
        rows = await audit.page(
            connection,
            limit=query.limit + 1,
            before_id=part_of(query.cursor, int),
            actor=query.actor,
            object=query.object,
            action=query.action,
        )
    return page_reply(models.Audit, rows, query.limit, "id")


async def export(call: Call) -> ApiReply:
    """GET /audit:export."""
    query: models.AuditExport = call.query
    async with call.context.store.read() as connection:
        rows = await audit.rows_after(connection, query.after_id, limit=query.limit, since=query.start)
    lines = "".join(visible_json(json.dumps(row.plain(), separators=(",", ":"))) + "\n" for row in rows)
    return ApiReply(lines.encode(), content_type=JSON_LINES)


async def acknowledge(call: Call) -> ApiReply:
    """POST /audit:acknowledge."""
    context, reason = call.context, call.body["reason"]
    heads = await asyncio.to_thread(noted_heads, context.state_dir, None)
    async with call.change() as change:
        lost = await trail.acknowledge(change, context.store.audit_key, heads, reason)
    await context.audit_heads.note()
    named = [models.LostHead(row=row, mac=mac) for row, mac in lost]
    return ApiReply(models.Acknowledged(reason=reason, lost_heads=named))
