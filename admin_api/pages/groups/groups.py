"""Groups: who is in them, what they block and allow, and whether that is enforced now; make, change, pause, remove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import available_timezones

from aiohttp import web

from admin_api.api import models
from admin_api.editing.refusals import BadRequest
from admin_api.pages.catalogue.switches import block_of
from admin_api.pages.check.check import way_of
from admin_api.pages.groups import group_form
from admin_api.pages.shared.references import shelves, with_unknown
from admin_api.pages.shared.restored import decide, opening_of
from admin_api.pages.shared.visit import Visit
from admin_api.store.policy import DEFAULT_GROUP

PAUSES = (("900", "15 minutes"), ("1800", "30 minutes"), ("3600", "1 hour"), ("14400", "4 hours"), ("86400", "1 day"))
_ROWS = 100
_WHO_ASKS = 0  # the first station of a query's way


async def listing(visit: Visit) -> web.StreamResponse:
    """GET /groups: all groups, and which one an address is in."""
    wanted = visit.said("q")
    query = {"limit": _ROWS, "contains": wanted or None, "cursor": visit.query.get("cursor")}
    page: models.Groups = await visit.ask("GET /groups", query=query)
    address, client_name = visit.said("address"), visit.said("client_name")
    pauses = (await visit.ask("GET /pauses")).items
    return visit.render(
        "groups/groups.html",
        page=page,
        wanted=wanted,
        address=address,
        client_name=client_name,
        found=await _find(visit, address, client_name) if address else None,
        is_over=is_over,
        states={group.name: states(group, pauses) for group in page.items},
        pauses=pauses,
        pauses_of_all=[pause for pause in pauses if pause.group is None],
        durations=PAUSES,
    )


async def show(visit: Visit) -> web.StreamResponse:
    """GET /groups/{name}."""
    name = visit.path["name"]
    group, etag = await visit.ask_with_version("GET /groups/{name}", {"name": name})
    default: models.GroupItem = await visit.ask("GET /groups/{name}", path={"name": DEFAULT_GROUP})
    catalogue: models.CatalogueReply = await visit.ask("GET /catalogue")
    all_pauses: models.Pauses = await visit.ask("GET /pauses")
    pauses = [pause for pause in all_pauses.items if pause.group in (None, name)]
    return visit.render(
        "groups/group.html",
        group=group,
        etag=etag,
        restored=await opening_of(visit, f"groups/{name}"),
        vendors={vendor.vendor for vendor in catalogue.vendors},
        is_over=is_over(group),
        states=states(group, pauses),
        pauses=pauses,
        durations=PAUSES,
        blocked=block_of(group, default),
        is_mine=group.origin != "file",
        day_labels=dict(group_form.DAY_LABELS),
    )


async def new(visit: Visit) -> web.StreamResponse:
    """GET /groups:new."""
    return await _form(visit, None, "")


async def edit(visit: Visit) -> web.StreamResponse:
    """GET /groups/{name}:edit."""
    return await _form(visit, *await visit.ask_with_version("GET /groups/{name}", visit.path))


async def create(visit: Visit) -> web.StreamResponse:
    """POST /groups."""
    name = visit.text("name")
    body = {"name": name, **group_form.without_nothing(group_form.read(visit))}
    return await visit.do("POST /groups", f"Group {name} was created.", then=f"/groups/{name}", body=body)


async def save(visit: Visit) -> web.StreamResponse:
    """POST /groups/{name}:edit."""
    here = f"/groups/{visit.path['name']}"
    done = f"Group {visit.path['name']} was changed."
    return await visit.do("PATCH /groups/{name}", done, then=here, path=visit.path, body=group_form.read(visit))


async def act(visit: Visit) -> web.StreamResponse:
    """POST /groups/{name}: what `do` says."""
    name = visit.path["name"]
    here = f"/groups/{name}"
    match visit.text("do"):
        case "mode":
            mode = visit.text("mode")
            done = f"Group {name} is {'only watched' if mode == 'monitor' else 'enforced'} now."
            back = "/groups" if visit.text("back") == "/groups" else here  # the list of groups has the button, too
            return await visit.do("PATCH /groups/{name}", done, then=back, path=visit.path, body={"mode": mode})
        case "delete":
            return await visit.do(
                "DELETE /groups/{name}", f"Group {name} was removed.", then="/groups", path=visit.path
            )
        case "pause":
            return await _pause(visit, {"group": name}, f"Group {name} is paused.", here)
        case "end-pause":
            return await _end_pause(visit, here)
        case "confirm-restored" | "leave-restored":
            return await decide(visit, f"groups/{name}")
        case other:
            raise BadRequest(422, f"{other!r} is not an action on a group")


async def act_on_all(visit: Visit) -> web.StreamResponse:
    """POST /groups:pause: pause every group, or end a pause."""
    if visit.text("do") == "end-pause":
        return await _end_pause(visit, "/groups")
    return await _pause(visit, {}, "Every group is paused.", "/groups")


def is_over(group: models.GroupItem) -> bool:
    """Whether what it watches is no longer watched."""
    return group.monitor_until is not None and group.monitor_until <= datetime.now(UTC)


def states(group: models.GroupItem, pauses: Sequence[models.PauseItem]) -> list[tuple[str, str]]:
    """Whether the policy is enforced: kinds of badges with words."""
    found = [("exempt", "exempt")] if group.exempt else []
    if group.mode == "monitor":
        found.append(("monitor", "only watched"))
    if any(pause.group in (None, group.name) for pause in pauses):
        found.append(("warn", "paused"))
    if group.schedule is not None:
        found.append(("info", "by schedule"))
    return found or [("good", "enforced")]


async def _form(visit: Visit, group: models.GroupItem | None, etag: str) -> web.StreamResponse:
    form = group_form.shown(visit, group)
    return visit.render(
        "groups/group_form.html",
        group=group,
        etag=etag,
        form=form,
        shelves=with_unknown(await shelves(visit), form.chosen),
        modes=group_form.MODES,
        response_modes=group_form.RESPONSE_MODES,
        day_labels=group_form.DAY_LABELS,
        time_zones=_time_zones(),
    )


@lru_cache(maxsize=1)
def _time_zones() -> tuple[str, ...]:
    """All names; finding them looks through a thousand files."""
    return tuple(sorted(available_timezones()))


async def _pause(visit: Visit, whom: Mapping[str, str], done: str, address: str) -> web.StreamResponse:
    seconds = group_form.number(visit.text("duration_seconds"))
    body = {"reason": visit.text("reason"), "duration_seconds": seconds, **whom}
    return await visit.do("POST /pauses", done, then=address, body=body)


async def _end_pause(visit: Visit, address: str) -> web.StreamResponse:
    number = {"id": visit.text("pause")}
    return await visit.do("DELETE /pauses/{id}", "The pause has ended.", then=address, path=number)


async def _find(visit: Visit, address: str, client_name: str) -> tuple[models.Explained, list[dict[str, str]]] | None:
    """The group of an address, and the steps that lead there; a mistake is told beside the form."""
    query = {"name": "example.com", "client": address, **({"client_name": client_name} if client_name else {})}
    explained: models.Explained | None = await visit.ask_or_tell("GET /explain", query)
    if explained is None:
        return None
    way = way_of(explained.trace)
    return explained, way[_WHO_ASKS][1] if way else []
