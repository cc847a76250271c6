"""The state of the node: for people, for load balancers, for Prometheus."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call
from admin_api.editing.refusals import BadRequest
from admin_api.messages import NodeStatus, WorkerStatus
from admin_api.store import lists
from resolver import __version__
from resolver.errors import MoatdnsError

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_MOST_ROWS = 20  # lost ones that are told


async def status(call: Call) -> ApiReply:
    """GET /status."""
    context = call.context
    policy = context.policy
    try:
        node = await context.node.status()
    except MoatdnsError:  # the supervisor is busy or going: what we know ourselves is told all the same
        node = NodeStatus()
    async with context.store.read() as connection:
        rows = await lists.all_lists(connection)
    since = policy.in_force_since
    return ApiReply(
        models.Status(
            version=__version__,
            uptime_seconds=round(time.time() - context.began, 1),
            workers=[_told(worker) for worker in node.workers],
            policy={
                "revision": context.subscriptions.in_force(),
                "snapshot": policy.snapshot_revision,
                "in_force_since": since,
                "age_seconds": round((datetime.now(UTC) - since).total_seconds(), 1) if since else None,
                "trouble": policy.trouble,
                "config_problems": list(context.config_problems()),
            },
            subjects={
                "leases": len(context.subjects.subjects.leases),
                "exemptions": len(context.subjects.subjects.exemptions),
                "pauses": len(context.subjects.subjects.pauses),
                "trouble": context.subjects.trouble,
            },
            audit={
                "heads": context.audit_heads.heads,
                "lost_rows": sorted({row for row, _ in context.audit_heads.lost})[-_MOST_ROWS:],
                "trouble": context.audit_heads.trouble,
            },
            store={
                "place": context.store.place,
                "trouble": context.store_access.trouble,
                "suspended": context.restored.trouble,
            },
            catalogue={
                "bundled": context.feed.bundled_version,
                "feed": context.feed.version.number if context.feed.version else None,
                "waits": context.feed.held is not None,
                "troubles": context.feed.troubles,
            },
            upstream_troubles=list(context.upstream_troubles()),
            upstreams=[
                {"worker": worker.pid, **asdict(server)} for worker in node.workers for server in worker.upstreams
            ],
            stripped=sorted({name for worker in node.workers if worker.health for name in worker.health.stripped}),
            lists=[
                {
                    "name": row.name,
                    "rules": row.rules,
                    "updated_at": row.updated_at,
                    "last_error": lists.error_shown(row, is_admin=call.is_admin),
                }
                for row in rows
            ],
            dropped=context.statistics.dropped(),
        )
    )


def _told(worker: WorkerStatus) -> dict[str, float]:
    """A worker as it is told by itself; its upstreams are told of all workers together."""
    cache = {"cache_bytes": worker.health.cache_bytes} if worker.health else {}
    facts = {"slot": worker.slot, "pid": worker.pid, "revision": worker.revision}
    return {**facts, "uptime_seconds": worker.uptime_seconds, **cache}


async def health(_: Call) -> ApiReply:
    """GET /health."""
    return ApiReply(models.Health(status="ok"))


async def ready(call: Call) -> ApiReply:
    """GET /ready."""
    context = call.context
    why = [
        text
        for text in (
            context.store_access.trouble,
            context.audit_heads.trouble,
            context.restored.trouble,
            context.policy.trouble,
            context.subjects.trouble,
            context.evidence.signing.trouble,
            *context.config_problems(),
            *context.feed.troubles,
            *context.upstream_troubles(),
            *context.sinks.troubles,
        )
        if text
    ]
    if context.policy.snapshot is None:
        return ApiReply(models.Ready(status="not ready", why=why or ["no policy is in force yet"]), 503)
    return ApiReply(models.Ready(status="degraded" if why else "ready", why=why))


async def metrics(call: Call) -> ApiReply:
    """GET /metrics."""
    if not call.context.settings.metrics:
        raise BadRequest(404, "admin.metrics is off")
    return ApiReply(await call.context.statistics.metrics(), content_type=METRICS_TYPE)
