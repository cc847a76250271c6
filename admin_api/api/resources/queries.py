"""The query log."""

from __future__ import annotations

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model
from admin_api.api.http.paging import bad_after, bad_cursor
from admin_api.query_log.cursors import BadAfter, BadCursor

_FILTERS = ("client", "name", "contains", "group", "service", "verdict")


async def listing(call: Call) -> ApiReply:
    """GET /queries."""
    query: models.LogQuery = call.query
    filters = {name: str(value) for name in _FILTERS if (value := getattr(query, name)) is not None}
    try:
        page = await call.context.query_log.page(
            filters, query.start, query.end, limit=query.limit, cursor=query.cursor, after=query.after
        )
    except BadAfter:
        raise bad_after() from None
    except BadCursor:
        raise bad_cursor() from None
    return ApiReply(as_model(models.Log, page))


async def erase(call: Call) -> ApiReply:
    """POST /queries:erase."""
    done = await call.context.erasures.erase(call.body, **call.by)
    return ApiReply(as_model(models.ErasedQueries, done), 200 if done.queries is not None else 202)
