"""Changes that wait for another owner: which there are, what each would do, and the decision on it."""

from __future__ import annotations

import json

from aiohttp import web

from admin_api.api import models
from admin_api.pages.shared.outcome import told_of_reply
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
    item: models.ChangeRequestWithBody
    item, version = await visit.ask_with_version("GET /change-requests/{id}", visit.path)
    operation = visit.performing.routes.get(item.operation)
    return visit.render(
        "changes/change.html",
        item=item,
        sent=None if item.body in (None, {}) else json.dumps(item.body, indent=2, ensure_ascii=False),
        version=version,
        is_mine=visit.is_mine(item.requested_owner),
        role="admin" if operation is None else operation.role,
    )


async def act(visit: Visit) -> web.StreamResponse:
    """POST /changes/{id}/{action}."""
    number, action = visit.path["id"], visit.path["action"]
    body = {"reason": reason} if (reason := visit.text("reason")) else {}
    operation = f"POST /change-requests/{{id}}:{action}"
    reply = await visit.call(operation, path={"id": number}, body=body, version=visit.version)
    done = f"Change {number} {_DONE[action]}."
    result = getattr(reply.body, "result", None)
    if isinstance(result, dict) and (part := result.get("token_part")):
        done += f" The first half of the token, shown only once, is {part}"
    return visit.go(f"/changes/{number}", told=told_of_reply(reply, done))
