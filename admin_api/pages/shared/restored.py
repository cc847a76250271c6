"""A group or list that a restore has closed, or only told: its notice, and the answer to it."""

from __future__ import annotations

from aiohttp import web

from admin_api.api import models
from admin_api.pages.shared.outcome import told_of_reply
from admin_api.pages.shared.visit import Visit


async def opening_of(visit: Visit, thing: str) -> models.RestoredOpening | None:
    """The opening by that group or list (``groups/lab``) that waits; None for none, and for who may not see it."""
    if not visit.may_do("GET /restored"):
        return None
    waiting: models.Restored = await visit.ask("GET /restored")
    return next((one for one in waiting.policy if one.object == thing), None)


async def decide(visit: Visit, thing: str) -> web.StreamResponse:
    """Confirm it, or leave it as it is."""
    is_confirmed = visit.text("do") == "confirm-restored"
    reply = await visit.call("POST /restored:confirm", body={"policy" if is_confirmed else "leave_closed": [thing]})
    done = f"{thing} {'is confirmed' if is_confirmed else 'stays as it is'}."
    return visit.go(f"/{thing}", told=told_of_reply(reply, done))
