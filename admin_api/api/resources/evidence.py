"""Evidence for a period: was it in force, and who was let through. Signed."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, rfc3339
from admin_api.api.resources.statistics import window
from admin_api.editing.errors import Invalid
from admin_api.evidence.lines import GroupHits
from admin_api.evidence.messages import CountedUse, MakeEvidence
from admin_api.query_log.files import day_of

_DAYS = timedelta(days=30)
_LONGEST = timedelta(days=3 * 366)


async def show(call: Call) -> ApiReply:
    """GET /reports/evidence."""
    query: models.EvidenceQuery = call.query
    start, end = window(query, _DAYS)
    if end - start > _LONGEST:
        raise Invalid([("/from", f"a period has at most {_LONGEST.days} days: ask for several")])
    desk = call.context.evidence
    async with desk.turn():
        whole = await desk.make(await _order(call, start, end))
        return await asyncio.to_thread(_reply, whole, f"evidence-{start:%Y-%m-%d}-{end:%Y-%m-%d}.json")


async def _order(call: Call, start: datetime, end: datetime) -> MakeEvidence:
    """The order for a report, with what only this process knows."""
    context, settings = call.context, call.context.settings
    uses: Mapping[str, CountedUse] | None = None
    hits: list[GroupHits] = []
    if settings.statistics:
        used = await context.statistics.breakdown("exemption", start, end, None)
        uses = {item["key"]: CountedUse(item["exempted"], rfc3339(item["last_at"])) for item in used}
        groups = await context.statistics.breakdown("group", start, end, None)
        hits = [GroupHits(one["key"], one["blocked"], one["monitored"], one["exempted"]) for one in groups]
    return MakeEvidence(
        settings=settings,
        catalogue=context.current.loaded.place,
        start=rfc3339(start),
        end=rfc3339(end),
        now=rfc3339(datetime.now(UTC)),
        group=call.query.group,
        made_by=f"{call.owner} ({call.actor})" if call.owner else call.actor,
        node=context.serves.identity or socket.gethostname() or "-",
        began=context.began,
        log_lacks=(*context.log_lacks, *context.unreadable_blocks.lacks(*_days(start, end))),
        manifest=context.policy.manifest_path,
        local_of_config=tuple(context.access.local_names.of_config),
        audit_trouble=context.audit_heads.trouble,
        uses=uses,
        hits=tuple(hits),
        makes_key=context.evidence.signing.makes_key,
    )


def _days(start: datetime, end: datetime) -> tuple[str, str]:
    """The first and the last day that a period touches, as the query log names them."""
    return day_of(start.timestamp()), day_of(end.timestamp())


def _reply(whole: Mapping[str, Any], name: str) -> ApiReply:
    """The reply, with its octets: of thousands of lines they take a while."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    reply = ApiReply(models.SignedEvidence.model_validate(whole), headers=headers)
    return dataclasses.replace(reply, octets=reply.payload())
