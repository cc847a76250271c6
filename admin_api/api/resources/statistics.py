"""Counts: in all, of what most, and over time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call
from admin_api.editing.errors import Invalid

_DAY = timedelta(hours=24)
_MOST_STEPS = 5000


async def summary(call: Call) -> ApiReply:
    """GET /stats/summary."""
    start, end = window(call.query)
    counts = await call.context.statistics.summary(start, end)
    return ApiReply(models.Summary.model_validate({"start": start, "end": end, **counts}))


async def top(call: Call) -> ApiReply:
    """GET /stats/top."""
    start, end = window(call.query)
    items = await call.context.statistics.top(call.query.by, start, end, call.query.limit)
    return ApiReply(models.Top.model_validate({"items": items}))


async def series(call: Call) -> ApiReply:
    """GET /stats/series."""
    start, end = window(call.query)
    step = call.query.step_seconds
    if (end - start).total_seconds() / step > _MOST_STEPS:
        raise Invalid([("/step_seconds", f"makes more than {_MOST_STEPS} steps: take longer ones, or less time")])
    items = await call.context.statistics.series(step, start, end)
    return ApiReply(models.Series.model_validate({"items": items}))


def window(query: models.Window) -> tuple[datetime, datetime]:
    """The time that is asked about. Raises Invalid."""
    # What has just been counted belongs to it: the end is the end of this second.
    end = query.end or datetime.now(UTC) + timedelta(seconds=1)
    start = query.start or end - _DAY
    if start >= end:
        raise Invalid([("/from", "is not before `to`")])
    return start, end
