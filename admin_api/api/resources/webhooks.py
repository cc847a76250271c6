"""Webhooks: how each is, and a test."""

from __future__ import annotations

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call


async def listing(call: Call) -> ApiReply:
    """GET /webhooks."""
    deliveries = call.context.deliveries
    items = []
    for hook in call.context.outbox.hooks:
        state = deliveries.states[hook.key]
        items.append(
            models.WebhookItem(
                url=hook.shown,
                events=list(hook.events),
                waiting=state.waiting,
                last_success_at=state.last_success_at,
                last_error=state.last_error,
            )
        )
    return ApiReply(models.Webhooks(items=items))


async def test(call: Call) -> ApiReply:
    """POST /webhooks:test."""
    async with call.context.store.change(call.actor, call.request_id) as change:
        count = await call.context.outbox.put_test(change.connection)
        change.record("test", "webhooks", None, None)
    return ApiReply(models.WebhooksTested(hooks=count), 202)
