"""Local names: what the config and its hosts files give."""

from __future__ import annotations

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call
from admin_api.api.http.paging import cursor_of, part_of
from resolver.wire.local_records import LocalRecord


async def listing(call: Call) -> ApiReply:
    """GET /local."""
    query: models.LocalNamesPage = call.query
    after = part_of(query.cursor, str)
    wanted = (query.contains or "").lower()
    given = call.context.access.local_names.given
    records = () if given is None else given.records
    rows = sorted(
        (record for record in records if (after is None or record.name > after) and _has(record, wanted)),
        key=lambda record: record.name,
    )
    shown = rows[: query.limit]
    canonical = {} if given is None else given.canonical
    items = [
        models.LocalNameItem(
            name=record.name,
            addresses=list(record.addresses),
            alias=record.alias or None,
            reverse_of=[address for address in record.addresses if canonical.get(address) == record.name],
            origin="file",
            where=record.origin,
        )
        for record in shown
    ]
    following = cursor_of(shown[-1].name) if len(rows) > len(shown) else None
    seconds = call.context.access.local_ttl_seconds
    return ApiReply(models.LocalNameItems(items=items, next=following, ttl_seconds=seconds))


def _has(record: LocalRecord, text: str) -> bool:
    return not text or any(text in one for one in (record.name, record.alias, *record.addresses))
