"""The audit trail: who did what, and what it changed."""

from __future__ import annotations

from aiohttp import web

from admin_api.api import models
from admin_api.pages.policy.differences import differences
from admin_api.pages.shared.visit import Visit

_ROWS = 50
_FILTERS = ("actor", "object", "action")
_ROWS_A_FILE = 10_000
ACTIONS = (
    "create", "update", "delete", "add rules", "remove rules", "grant", "request", "approve", "deny", "renew", "revoke",
    "expire", "pause", "flush", "ask for refresh", "refresh", "provision", "test", "rollback",
    "acknowledge", "begin-anew", "restore", "suspend", "confirm", "widen", "agree", "redeem", "refuse", "look",
    "strike", "checkpoint",
)  # fmt: skip


async def show(visit: Visit) -> web.StreamResponse:
    """GET /audit."""
    filters = visit.filters(_FILTERS)
    newest = await visit.ask("GET /audit", query={"limit": 1})
    page = await visit.ask_or_tell("GET /audit", visit.listing(_ROWS, **filters), models.Audit(items=[], next=None))
    status: models.Status = await visit.ask("GET /status")
    return visit.render(
        "audit/audit.html",
        trouble=status.audit["trouble"],
        filters=filters,
        page=page,
        is_first="cursor" not in visit.query,
        rows=[(item, differences(item.before, item.after)) for item in page.items],
        newest=newest.items[0].id if newest.items else 0,
        actions=ACTIONS,
        rows_a_file=_ROWS_A_FILE,
    )


async def acknowledge(visit: Visit) -> web.StreamResponse:
    """POST /audit/acknowledge: that rows are gone is known."""
    done = (await visit.call("POST /audit:acknowledge", body={"reason": visit.text("reason")})).body
    count = len(done.lost_heads) if isinstance(done, models.Acknowledged) else 0
    return visit.go(
        "/audit", told=f"The trail now records that {count} recorded {'row is' if count == 1 else 'rows are'} lost."
    )


async def export(visit: Visit) -> web.StreamResponse:
    """GET /audit/export.jsonl: rows behind `after_id`, the oldest first, as many as a file has."""
    query: dict[str, int | str] = {"limit": _ROWS_A_FILE}
    if after := visit.query.get("after_id", "").strip():
        query["after_id"] = after
    reply = await visit.call("GET /audit:export", query=query)
    reply.headers["Content-Disposition"] = 'attachment; filename="audit.jsonl"'
    return visit.pass_on(reply)
