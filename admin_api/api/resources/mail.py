"""Mail: how it is, and a test."""

from __future__ import annotations

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model
from admin_api.mail.receiver import MailReceiver
from admin_api.mail.recipients import EVENTS


async def show(call: Call) -> ApiReply:
    """GET /mail."""
    context = call.context
    for mail in context.outbox.receivers:
        if isinstance(mail, MailReceiver):
            told = {
                "server": mail.shown,
                "from": mail.settings.sender,
                "to": list(mail.settings.to),
                "events": [event for event in EVENTS if mail.wants(event)],
                "free": mail.budget.free,
            }
            return ApiReply(as_model(models.MailState, context.deliveries.states[mail.key], **told))
    return ApiReply(models.MailState())


async def test(call: Call) -> ApiReply:
    """POST /mail:test."""
    async with call.change() as change:
        count = await call.context.outbox.put_test(change.connection, "mail")
        change.record("test", "mail", None, None)
    return ApiReply(models.MailTested(mails=count), 202)
