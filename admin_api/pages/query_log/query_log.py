"""The query log: filtered, live, with the reason on every row, and a way on to the why and to an exemption."""

from __future__ import annotations

from aiohttp import web

from admin_api.api import models
from admin_api.pages.exemptions.exemption_choices import stays_closed
from admin_api.pages.shared.listings import group_names
from admin_api.pages.shared.ranges import RANGES, chosen
from admin_api.pages.shared.visit import Visit
from resolver.telemetry.pseudonyms import is_address

_ROWS = 100
_FILTERS = ("client", "identity", "name", "contains", "group", "service", "verdict")
VERDICTS = (
    ("", "all"),
    ("block", "blocked"),
    ("monitor", "monitored"),
    ("exempt", "exempted"),
    ("allow", "allowed"),
    ("failed", "failed"),
    ("refused", "refused"),
)


async def show(visit: Visit) -> web.StreamResponse:
    """GET /queries: a page, or only its rows where htmx asks."""
    has_clients = visit.sees_persons("GET /queries")
    filters = visit.filters((*_FILTERS, "range", "live"))
    nothing = models.Log(items=[], next=None, searched_to=None, newest=None)
    page = await visit.ask_or_tell("GET /queries", _asked(visit, filters), nothing)
    facts = {
        "filters": filters,
        "page": page,
        "is_first": "cursor" not in visit.query,
        "lacks": [*visit.context.log_lacks, *visit.context.unreadable_blocks.lacks()],
        "stays_closed": stays_closed,
        "is_address": is_address,
        "has_clients": has_clients,
    }
    if visit.is_part:
        return visit.render("query_log/query_rows.html", **facts)
    return visit.render(
        "query_log/query_log.html",
        **facts,
        verdicts=VERDICTS,
        groups=await group_names(visit, filters.get("group")),
        ranges=RANGES,
    )


def _asked(visit: Visit, filters: dict[str, str]) -> dict[str, object]:
    asked = {name: filters[name] for name in _FILTERS if name in filters}
    return visit.listing(_ROWS, **asked, **(chosen(filters).query() if "range" in filters else {}))
