"""Changes that wait for another owner: which there are, what each would do, and the decision on it."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from admin_api.pages.shared.outcome import told
from admin_api.pages.shared.visit import Visit

VIEWS = (
    ("", "All"),
    ("pending", "Waiting"),
    ("approved", "Approved"),
    ("denied", "Denied"),
    ("withdrawn", "Withdrawn"),
    ("expired", "Expired"),
)
_DONE = {"approve": "is approved, and done", "deny": "is denied", "withdraw": "is withdrawn"}


async def show(visit: Visit) -> web.StreamResponse:
    """GET /changes."""
    view = visit.query.get("status", "")
    if view not in dict(VIEWS):
        view = ""
    page = await visit.ask("GET /change-requests", query=visit.listing(50, status=view or None))
    return visit.render("changes/changes.html", views=VIEWS, view=view, items=page.items, following=page.next)


async def show_one(visit: Visit) -> web.StreamResponse:
    """GET /changes/{id}."""
    reply = await visit.call("GET /change-requests/{id}", path={"id": visit.path["id"]})
    item: Any = reply.body  # a models.ChangeRequestWithBody
    return visit.render(
        "changes/change.html",
        item=item,
        sent=None if item.body in (None, {}) else json.dumps(item.body, indent=2, ensure_ascii=False),
        version=reply.headers["ETag"],
        is_mine=visit.is_mine(item.requested_owner),
        role=visit.operations.role_of(item.operation) if visit.operations.has(item.operation) else "admin",
    )


async def act(visit: Visit) -> web.StreamResponse:
    """POST /changes/{id}/{action}."""
    number, action = visit.path["id"], visit.path["action"]
    body = {"reason": reason} if (reason := visit.text("reason")) else {}
    version = visit.text("version") or None
    reply = await visit.call(f"POST /change-requests/{{id}}:{action}", path={"id": number}, body=body, version=version)
    done = f"Change {number} {_DONE[action]}."
    result = getattr(reply.body, "result", None)
    if isinstance(result, dict) and (part := result.get("token_part")):
        done += f" The first half of the token, shown this once, is {part}"
    return visit.go(f"/changes/{number}", told=told(reply, done))
