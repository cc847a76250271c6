"""Tokens of the API itself."""

from __future__ import annotations

from datetime import UTC, datetime

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call
from admin_api.api.http.paging import page_of, place_of
from admin_api.durations import expiry
from admin_api.editing import tokens as editing
from admin_api.editing.errors import Invalid
from admin_api.store import tokens
from admin_api.store.tokens import TokenRow


async def listing(call: Call) -> ApiReply:
    """GET /tokens."""
    after = place_of(call.query.cursor, str)
    async with call.context.store.read() as connection:
        rows = await tokens.page(connection, limit=call.query.limit + 1, after=after[0] if after else None)
    shown, following = page_of(rows, call.query.limit, "name")
    return ApiReply(models.Tokens(items=[_item(row) for row in shown], next=following))


async def show(call: Call) -> ApiReply:
    """GET /tokens/{name}."""
    async with call.context.store.read() as connection:
        return ApiReply(_item(await tokens.get(connection, call.path["name"])))


async def create(call: Call) -> ApiReply:
    """POST /tokens."""
    body = dict(call.body)
    expires = body.pop("expires", None)
    if expires is not None:
        if body.get("expires_at") is not None:
            raise Invalid([("/expires", "stands beside expires_at: give one of them")])
        try:
            body["expires_at"] = expiry(expires, datetime.now(UTC))
        except ValueError as error:
            raise Invalid([("/expires", str(error))]) from None
    made = await editing.create_token(
        call.context.store, body, actor=call.actor, request_id=call.request_id, part=call.token_part
    )
    item = models.NewToken(**_item(made.row).model_dump(), token=made.text)
    return ApiReply(item, 201, {"Location": f"/api/v1/tokens/{made.row.name}"})


async def delete(call: Call) -> ApiReply:
    """DELETE /tokens/{name}."""
    await editing.revoke_token(call.context.store, call.path["name"], actor=call.actor, request_id=call.request_id)
    return ApiReply(None, 204)


def _item(row: TokenRow) -> models.TokenItem:
    return models.TokenItem.model_validate(row, from_attributes=True)
