"""Counts: in all, of what most, and over time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call
from admin_api.api.naming import host_names
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
    by = call.query.by
    items = await call.context.statistics.top(by, start, end, call.query.limit)
    names = await host_names(call, "GET /stats/top", [item["key"] for item in items]) if by == "client" else {}
    named = [{**item, "client_host": names.get(item["key"])} for item in items]
    return ApiReply(models.Top.model_validate({"items": named}))


async def series(call: Call) -> ApiReply:
    """GET /stats/series."""
    start, end = window(call.query)
    step = call.query.step_seconds
    check_steps(start, end, step, _MOST_STEPS)
    items = await call.context.statistics.series(step, start, end)
    return ApiReply(models.Series.model_validate({"items": items}))


def check_steps(start: datetime, end: datetime, step_seconds: int, most: int) -> None:
    """Raise Invalid for a window of more steps."""
    if (end - start).total_seconds() / step_seconds > most:
        raise Invalid([("/step_seconds", f"makes more than {most} steps: use longer steps, or a shorter window")])


def window(query: models.Window, usual: timedelta = _DAY) -> tuple[datetime, datetime]:
    """The time that is asked about; where it says only until when, the `usual` before. Raises Invalid."""
    # What has just been counted belongs to it: the end is the end of this second.
    end = query.end or datetime.now(UTC) + timedelta(seconds=1)
    start = query.start or end - usual
    if start >= end:
        raise Invalid([("/from", "is not before `to`")])
    return start, end
