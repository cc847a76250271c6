"""The roll-out: watch two weeks, see who would be hit, enforce group by group, and go back by one click."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from aiohttp import web

from admin_api.api import models
from admin_api.editing.refusals import BadRequest
from admin_api.forecast.stages import WATCH_DAYS
from admin_api.pages.catalogue.switches import block_of
from admin_api.pages.shared.visit import Visit
from admin_api.store.columns import iso_text
from admin_api.store.policy import DEFAULT_GROUP

BADGES: Final = {
    "not begun": "",
    "watching": "monitor",
    "forecast ready": "info",
    "watch is over": "warn",
    "enforced": "good",
    "exempt": "exempt",
}
_FORECAST_ROWS: Final = 15  # of each table; the API has all


async def show(visit: Visit) -> web.StreamResponse:
    """GET /roll-out: every group with its stage."""
    found: models.RollOut = await visit.ask("GET /reports/roll-out")
    return visit.render("roll_out/roll_out.html", groups=found.items, watch_days=found.watch_days, badges=BADGES)


async def show_one(visit: Visit) -> web.StreamResponse:
    """GET /roll-out/{name}: the forecast of a group, and the next step."""
    name = visit.path["name"]
    group, etag = await visit.ask_with_version("GET /groups/{name}", {"name": name})
    found: models.RollOut = await visit.ask("GET /reports/roll-out")
    query = {"group": name, **visit.reason_to_rank("GET /reports/forecast")}
    forecast: models.Forecast | None = await visit.ask_or_tell("GET /reports/forecast", query)
    default: models.GroupItem = await visit.ask("GET /groups/{name}", path={"name": DEFAULT_GROUP})
    stage = next((one for one in found.items if one.name == name), None)
    return visit.render(
        "roll_out/roll_out_group.html",
        group=group,
        etag=etag,
        stage=stage,
        badges=BADGES,
        watch_days=found.watch_days,
        forecast=forecast,
        hit=next((one for one in forecast.groups if one.group == name), None) if forecast else None,
        names_clients="reason" in query,
        can_look="reason" not in query and visit.sees_persons("GET /reports/forecast"),
        rows=_FORECAST_ROWS,
        will_block=_will_block(group, default),
        is_mine=group.origin != "file",
    )


async def act(visit: Visit) -> web.StreamResponse:
    """POST /roll-out/{name}: watch or enforce, by the same operation as the group's form."""
    name = visit.path["name"]
    group: models.GroupItem = await visit.ask("GET /groups/{name}", path={"name": name})
    match visit.text("do"):
        case "watch":
            body: dict[str, object] = {"mode": "monitor"}
            done = f"Group {name} is only watched now."
        case "watch on":
            until = datetime.now(UTC) + timedelta(days=WATCH_DAYS)
            body, done = {"monitor_until": iso_text(until)}, f"Group {name} is watched for {WATCH_DAYS} days more."
        case "enforce":
            default: models.GroupItem = await visit.ask("GET /groups/{name}", path={"name": DEFAULT_GROUP})
            will_block = _will_block(group, default)
            body = {"mode": "enforce"}
            if will_block is not None:  # single names were watched
                body |= {"block": will_block, "monitor": [], "monitor_until": None}
            done = f"Group {name} is enforced now."
        case other:
            raise BadRequest(422, f"{other!r} is not a step of the roll-out")
    return await visit.do("PATCH /groups/{name}", done, then=f"/roll-out/{name}", path={"name": name}, body=body)


def _will_block(group: models.GroupItem, default: models.GroupItem) -> list[str] | None:
    """The names that enforcing puts into `block` beside those there; None where that stays as it is."""
    if not group.monitor:
        return None
    blocked = block_of(group, default)
    return [*blocked, *(name for name in group.monitor if name not in blocked)]
