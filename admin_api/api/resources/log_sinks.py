"""Log sinks: how each is."""

from __future__ import annotations

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call


async def listing(call: Call) -> ApiReply:
    """GET /log-sinks."""
    items = [
        models.LogSinkItem(
            to=sink.shown,
            what=list(sink.settings.what),
            format=sink.settings.format,
            sent=sink.state.sent,
            dropped=dict(sink.state.dropped),
            behind_seconds=round(sink.state.behind_seconds, 1),
            last_success_at=sink.state.last_success_at,
            trouble=sink.state.trouble,
            last_error=sink.state.last_error,
        )
        for sink in call.context.sinks.sinks
    ]
    return ApiReply(models.LogSinks(items=items))
