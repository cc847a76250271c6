"""The inbox of unlisted names, and decisions on them."""

from __future__ import annotations

from admin_api.api import models
from admin_api.api.http.call import ApiReply, Call, as_model, in_force, tagged
from admin_api.api.http.paging import cursor_of, place_of
from admin_api.editing.unlisted import decide_unlisted
from admin_api.store import unlisted
from admin_api.store.unlisted import UnlistedRow


async def listing(call: Call) -> ApiReply:
    """GET /unlisted."""
    query: models.UnlistedPage = call.query
    settings = call.context.settings.unlisted
    async with call.context.store.read() as connection:
        rows = await unlisted.page(
            connection,
            status=query.status,
            contains=query.contains,
            least_clients=settings.clients,
            limit=query.limit + 1,
            after=place_of(query.cursor, int, str),
        )
    shown = rows[: query.limit]
    following = cursor_of(shown[-1].score, shown[-1].domain) if len(rows) > len(shown) else None
    items = [_item(row) for row in shown]
    return ApiReply(models.UnlistedNames(items=items, next=following, enabled=settings.enabled))


async def show(call: Call) -> ApiReply:
    """GET /unlisted/{domain}."""
    async with call.context.store.read() as connection:
        row = await unlisted.get(connection, call.path["domain"])
    return tagged(_item(row), row.version)


async def block(call: Call) -> ApiReply:
    """POST /unlisted/{domain}:block."""
    return await _decide(call, "block")


async def allow(call: Call) -> ApiReply:
    """POST /unlisted/{domain}:allow."""
    return await _decide(call, "allow")


async def ignore(call: Call) -> ApiReply:
    """POST /unlisted/{domain}:ignore."""
    return await _decide(call, "ignore")


async def want(call: Call) -> ApiReply:
    """POST /unlisted/{domain}:want."""
    return await _decide(call, "want")


async def _decide(call: Call, action: str) -> ApiReply:
    decided = await decide_unlisted(
        call.context.store,
        call.path["domain"],
        action,
        call.body,
        known=call.context.known,
        expected_version=call.expected_version(),
        **call.by,
    )
    waited = {} if decided.revision is None else await in_force(call, decided.revision)
    item = _item(decided.row).model_dump()
    done = models.UnlistedDone.model_validate({**item, "groups": decided.groups, "revision": decided.revision})
    return tagged(done, decided.row.version, waited)


def _item(row: UnlistedRow) -> models.UnlistedItem:
    evidence = [{"kind": kind, "what": what, "points": points} for kind, what, points in row.evidence]
    return as_model(models.UnlistedItem, row, evidence=evidence, forecast=_forecast(row))


def _forecast(row: UnlistedRow) -> models.UnlistedForecast:
    queries = sum(day[1] for day in row.days)
    return models.UnlistedForecast(
        days=len(row.days),
        queries=queries,
        queries_a_day=round(queries / max(len(row.days), 1), 1),
        clients=max((day[2] for day in row.days), default=0),
    )
