"""Evidence for a period: was it in force, and who was let through. Signed."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call
from admin_api.api.resources.statistics import window
from admin_api.editing.errors import Invalid
from admin_api.editing.refusals import BadRequest
from admin_api.evidence.document import Wanted, evidence
from admin_api.evidence.lines import FORMAT, GroupHits, Period
from admin_api.evidence.uses import Use, UseCounts
from admin_api.signed.canonical import writable
from admin_api.statistics.figures import KeyStepHits
from admin_api.statistics.rows import OTHER
from resolver.errors import MoatdnsError

_DAYS = timedelta(days=30)
_LONGEST = timedelta(days=3 * 366)


async def show(call: Call) -> ApiReply:
    """GET /reports/evidence."""
    query: models.EvidenceQuery = call.query
    context, now = call.context, datetime.now(UTC)
    start, end = window(query, _DAYS)
    if end - start > _LONGEST:
        raise Invalid([("/from", f"a period has at most {_LONGEST.days} days: ask for several")])
    counted = context.settings.statistics
    uses, hits = (
        [await context.statistics.breakdown(by, start, end, None) for by in ("exemption", "group")]
        if counted
        else ([], [])
    )
    wanted = Wanted(
        period=Period(start, end, now),
        group=query.group,
        made_by=f"{call.owner} ({call.actor})" if call.owner else call.actor,
        node=context.serves.identity or socket.gethostname() or "-",
        started=datetime.fromtimestamp(context.began, UTC),
        settings=context.settings,
        state_dir=context.state_dir,
        log_lacks=context.log_lacks,
        catalogue=context.catalogue,
        audit_trouble=context.audit_heads.trouble,
        counts=_counts(uses, now - timedelta(days=context.settings.days_days)) if counted else None,
        hits=[GroupHits(one["key"], one["blocked"], one["monitored"], one["exempted"]) for one in hits],
    )
    content = writable(asdict(await evidence(context.store, wanted)))
    try:
        whole = await context.signing.sign(FORMAT, content)
    except MoatdnsError as error:
        raise BadRequest(503, str(error)) from None
    name = f"evidence-{start:%Y-%m-%d}-{end:%Y-%m-%d}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return ApiReply(models.SignedEvidence.model_validate(whole), headers=headers)


def _counts(uses: Sequence[KeyStepHits], kept_since: datetime) -> UseCounts:
    by_id = {item["key"]: Use(item["exempted"], item["last_at"]) for item in uses}
    return UseCounts(by_id, kept_since, is_whole=OTHER not in by_id)
