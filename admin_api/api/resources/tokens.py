"""Tokens of the API itself."""

from __future__ import annotations

from datetime import UTC, datetime

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model
from admin_api.api.http.paging import page_reply, part_of
from admin_api.durations import expiry
from admin_api.editing import tokens as editing
from admin_api.editing.errors import Invalid
from admin_api.store import tokens


async def listing(call: Call) -> ApiReply:
    """GET /tokens."""
    query: models.Page = call.query
    async with call.context.store.read() as connection:
        rows = await tokens.page(connection, limit=query.limit + 1, after=part_of(query.cursor, str))
    return page_reply(models.Tokens, rows, query.limit, "name")


async def show(call: Call) -> ApiReply:
    """GET /tokens/{name}."""
    async with call.context.store.read() as connection:
        return ApiReply(as_model(models.TokenItem, await tokens.get(connection, call.path["name"])))


async def create(call: Call) -> ApiReply:
    """POST /tokens."""
    body = dict(call.body)
    expires = body.pop("expires", None)
    if expires is not None:
        if body.get("expires_at") is not None:
            raise Invalid([("/expires", "is given together with expires_at: use one of them")])
        try:
            body["expires_at"] = expiry(expires, datetime.now(UTC))
        except ValueError as error:
            raise Invalid([("/expires", str(error))]) from None
    made = await editing.create_token(call.context.store, body, giver=call.roles, part=call.token_part, **call.by)
    item = as_model(models.NewToken, made.row, token=made.text)
    return ApiReply(item, 201, {"Location": f"/api/v1/tokens/{made.row.name}"})


async def delete(call: Call) -> ApiReply:
    """DELETE /tokens/{name}."""
    await editing.revoke_token(call.context.store, call.path["name"], **call.by)
    return ApiReply(None, 204)
