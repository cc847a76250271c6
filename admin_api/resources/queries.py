"""The query log."""

from __future__ import annotations

from admin_api import models
from admin_api.http.call import Call, Reply
from admin_api.http.paging import bad_cursor

_FILTERS = ("client", "name", "group", "service", "verdict")


async def listing(call: Call) -> Reply:
    """GET /queries."""
    query: models.LogQuery = call.query
    filters = {name: str(value) for name in _FILTERS if (value := getattr(query, name)) is not None}
    try:
        page = await call.context.query_log.page(
            filters, query.start, query.end, limit=query.limit, cursor=query.cursor
        )
    except ValueError:
        raise bad_cursor() from None
    return Reply(models.Log.model_validate({"items": list(page.items), "next": page.next}))
