"""Looks at persons, where another owner has to agree to each: asked for before they are taken."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model
from admin_api.editing.errors import Invalid
from admin_api.store.errors import WrongState
from admin_api.store.looks import GrantedLook, all_grants, grant

_OF_ONE: Final[Mapping[str, tuple[str, ...]]] = {
    # Whom each may name; all others are looks at many.
    "GET /queries": ("client", "identity"),
    "POST /people:export": ("identity",),
}


async def ask(call: Call) -> ApiReply:
    """POST /looks."""
    settings, body = call.context.settings, call.body
    if not settings.looks_need_two:
        raise WrongState("a look at persons needs nobody else here, but a reason: policy.look_approval is none")
    whom = [body.get(name) for name in ("client", "identity")]
    asked = {name: who for name, who in zip(("client", "identity"), whom, strict=True) if who is not None}
    may_name = _OF_ONE.get(body["operation"], ())
    if bool(asked) is not bool(may_name) or not set(asked) <= set(may_name):
        by = " or ".join(may_name) or "neither client nor identity"
        raise Invalid([("/operation", f"{body['operation']} is by {by}")])
    until = datetime.now(UTC) + timedelta(seconds=settings.look_seconds)
    owner = call.asker or call.owner
    async with call.context.store.read() as connection:
        granted = await all_grants(connection)
    for one in granted:
        if one.is_for(owner, body["operation"], asked, body["reason"]):
            return ApiReply(as_model(models.LookItem, one), 200)
    look = GrantedLook(owner, body["operation"], whom[0], whom[1], body["reason"], until.isoformat())
    async with call.change() as change:
        await grant(change, look)
    return ApiReply(as_model(models.LookItem, look), 201)
