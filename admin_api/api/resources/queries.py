"""The query log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model
from admin_api.api.http.paging import bad_after, bad_cursor
from admin_api.api.naming import host_names
from admin_api.editing.refusals import BadRequest
from admin_api.query_log.cursors import BadAfter, BadCursor
from admin_api.query_log.pseudonyms import pseudonyms_of
from resolver.errors import MoatdnsError
from resolver.telemetry.pseudonyms import What, normal

_FILTERS = ("client", "identity", "name", "contains", "group", "service", "verdict")
_WHO: Final[tuple[tuple[str, What], ...]] = (("client", "client"), ("identity", "identity"))


async def listing(call: Call) -> ApiReply:
    """GET /queries."""
    query: models.LogQuery = call.query
    filters = {name: str(value) for name in _FILTERS if (value := getattr(query, name)) is not None}
    try:
        page = await call.context.query_log.page(
            filters,
            query.start,
            query.end,
            limit=query.limit,
            cursor=query.cursor,
            after=query.after,
            aliases=await _aliases(call, filters),
        )
    except BadAfter:
        raise bad_after() from None
    except BadCursor:
        raise bad_cursor() from None
    # A row that says whose the client was needs no name of now.
    clients = [row["client"] if row.get("identity") is None else None for row in page.items]
    names = await host_names(call, "GET /queries", clients)
    items = [
        {**row, "client_host": names.get(client) if client else None}
        for row, client in zip(page.items, clients, strict=True)
    ]
    return ApiReply(as_model(models.Log, page, items=items))


async def _aliases(call: Call, filters: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Other texts by which the log may have those who are looked for: their normal form, and their pseudonyms where
    the config lets this caller find them.
    """
    finds = call.context.settings.pseudonyms_found_by == "admin" and call.is_admin
    found = {}
    for name, what in _WHO:
        if name not in filters:
            continue
        text = filters[name]
        others = frozenset({text.strip(), normal(what, text)} - {text})
        if finds:
            try:
                others |= await asyncio.to_thread(pseudonyms_of, call.context.state_dir, what, text)
            except MoatdnsError as error:
                raise BadRequest(503, str(error)) from None
        if others:
            found[name] = others
    return found


async def erase(call: Call) -> ApiReply:
    """POST /queries:erase."""
    done = await call.context.erasures.erase(call.body, **call.by)
    return ApiReply(as_model(models.ErasedQueries, done), 200 if done.queries is not None else 202)
