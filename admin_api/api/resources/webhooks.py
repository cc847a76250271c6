"""Webhooks: how each is, and a test."""

from __future__ import annotations

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model
from admin_api.webhooks.hooks import Hook


async def listing(call: Call) -> ApiReply:
    """GET /webhooks."""
    states = call.context.deliveries.states
    items = [
        as_model(models.WebhookItem, states[hook.key], url=hook.shown, events=hook.events)
        for hook in call.context.outbox.receivers
        if isinstance(hook, Hook)
    ]
    return ApiReply(models.Webhooks(items=items))


async def test(call: Call) -> ApiReply:
    """POST /webhooks:test."""
    async with call.change() as change:
        count = await call.context.outbox.put_test(change.connection, "webhook")
        change.record("test", "webhooks", None, None)
    return ApiReply(models.WebhooksTested(hooks=count), 202)
