"""The first page: how much is asked and blocked, of what and by whom, whether all is well, and what changed lately."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from aiohttp import web

from admin_api.api import models
from admin_api.pages.shared.listings import all_of
from admin_api.pages.shared.ranges import RANGES, chosen
from admin_api.pages.shared.upstreams import upstreams_of
from admin_api.pages.shared.visit import Visit
from admin_api.store.policy import DEFAULT_GROUP
from resolver.config.notes import leaves_clouds_open
from resolver.wire.names import domain_of, key_of, parse_any_name, to_text, wire_of_key

_TOP = 8
_LATELY = 6
_LINES = (("queries", "All queries"), ("blocked", "Blocked"), ("monitored", "Monitored"), ("exempted", "Exempted"))
_TOPS = (
    ("vendor", "By vendor", "service"),
    ("group", "By group", "group"),
    ("domain", "Names", "name"),
    ("client", "Clients", "client"),
    ("identity", "People", "identity"),
)


async def show(visit: Visit) -> web.StreamResponse:
    """GET /."""
    window = chosen(visit.query)
    looks = visit.shows_rankings("GET /stats/top")
    shown = [one for one in _TOPS if looks or one[0] not in ("client", "identity")]
    most = {**window.query(), "limit": _TOP}
    summary, tops, status, audit = await asyncio.gather(
        visit.ask("GET /stats/summary", query=window.query()),
        asyncio.gather(*(visit.ask("GET /stats/top", query={**most, "by": by}) for by, _, _ in shown)),
        visit.ask("GET /status"),
        visit.ask("GET /audit", query={"limit": _LATELY}),
    )
    return visit.render(
        "overview/overview.html",
        ranges=RANGES,
        window=window,
        lines=_LINES,
        summary=summary,
        series=await _series(visit),
        can_look=not looks and visit.sees_persons("GET /stats/top"),
        tops=[(*which, top.items) for which, top in zip(shown, tops, strict=True)],
        status=status,
        troubles=_troubles(status),
        upstreams=upstreams_of(status),
        to_open=[(name, _to_open(name)) for name in status.stripped],
        audit=audit.items,
        clouds=await _clouds(visit),
        pending=await visit.ask("GET /exemptions", query={"status": "pending", "limit": 5}),
        changes=await visit.ask("GET /change-requests", query={"status": "pending", "limit": 5}),
    )


async def series(visit: Visit) -> web.StreamResponse:
    """GET /overview/series: the chart's lines; the same numbers are in the page's table."""
    items = await _series(visit)
    return web.json_response(
        {
            "at": [item.at.timestamp() for item in items],
            "lines": [
                {"key": key, "label": label, "values": [getattr(item, key) for item in items]} for key, label in _LINES
            ],
        }
    )


async def _series(visit: Visit) -> list[models.SeriesItem]:
    window = chosen(visit.query)
    query = {**window.query(), "step_seconds": window.step_seconds}
    reply: models.Series = await visit.ask("GET /stats/series", query=query)
    return reply.items


async def _clouds(visit: Visit) -> models.GroupItem | None:
    """The group `default`, where clouds' model services are open and whoever looks can change that; else None."""
    if not visit.may_do("PATCH /groups/{name}"):
        return None
    groups: list[models.GroupItem] = await all_of(visit, "GET /groups")
    if not leaves_clouds_open(groups, datetime.now(UTC)):
        return None
    return next((group for group in groups if group.name == DEFAULT_GROUP), None)


def _troubles(status: models.Status) -> list[str]:
    """Whatever is not as it should be, in sentences."""
    parts = [status.policy["trouble"], *status.policy["config_problems"], status.subjects["trouble"]]
    parts += [status.store["trouble"], status.store["suspended"], status.audit["trouble"]]
    parts += status.upstream_troubles
    parts += [f"list {each['name']}: {each['last_error']}" for each in status.lists if each["last_error"]]
    return [part for part in parts if part]


def _to_open(name: str) -> str:
    """The line of config that lets a name's domain have private addresses.

    One a name: nobody should copy a line that opens a stranger's domain beside his own.
    """
    domain = to_text(wire_of_key(domain_of(key_of(parse_any_name(name)))))
    return f"upstream: {{private_names: [{domain}]}}"
