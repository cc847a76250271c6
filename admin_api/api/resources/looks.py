"""Looks at persons, where another owner has to agree to each: asked for before they are taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model
from admin_api.editing.errors import Invalid
from admin_api.store.errors import WrongState
from admin_api.store.looks import GrantedLook, all_grants, grant

_OF_ONE = "GET /queries"  # and all others are of many


async def ask(call: Call) -> ApiReply:
    """POST /looks."""
    settings, body = call.context.settings, call.body
    if not settings.looks_need_two:
        raise WrongState("a look at persons needs nobody else here, but a reason: policy.look_approval is none")
    whom = [body.get(name) for name in ("client", "identity")]
    if any(whom) is not (body["operation"] == _OF_ONE):
        raise Invalid([("/operation", f"{_OF_ONE} is by client or identity, and the others by neither")])
    until = datetime.now(UTC) + timedelta(seconds=settings.look_seconds)
    owner = call.asker or call.owner
    async with call.context.store.read() as connection:
        granted = await all_grants(connection)
    asked = {name: who for name, who in zip(("client", "identity"), whom, strict=True) if who is not None}
    for one in granted:
        if one.is_for(owner, body["operation"], asked, body["reason"]):
            return ApiReply(as_model(models.LookItem, one), 200)
    look = GrantedLook(owner, body["operation"], whom[0], whom[1], body["reason"], until.isoformat())
    async with call.change() as change:
        await grant(change, look)
    return ApiReply(as_model(models.LookItem, look), 201)
