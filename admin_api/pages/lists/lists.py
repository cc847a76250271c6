"""Lists: one's own with their rules, those that are fetched, and the bundled ones to look at."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from admin_api.api import models
from admin_api.editing.refusals import BadRequest
from admin_api.pages.catalogue.switches import block_of
from admin_api.pages.groups.group_form import number
from admin_api.pages.shared.listings import all_of
from admin_api.pages.shared.outcome import told_of_reply
from admin_api.pages.shared.restored import decide, opening_of
from admin_api.pages.shared.templates import grouped
from admin_api.pages.shared.visit import Visit
from admin_api.store.policy import DEFAULT_GROUP
from resolver.config.references import ALL_LISTS
from resolver.config.subscription import DEFAULT_REFRESH_SECONDS, FORMATS

KINDS = (("", "Yours"), ("own", "Own lists"), ("subscription", "Subscriptions"), ("bundled", "Bundled"))
_ROWS = 100
_COMMENT = "#"
_EVERY = (
    ("3600", "every hour"),
    ("21600", "every 6 hours"),
    (str(DEFAULT_REFRESH_SECONDS), "every day"),
    ("604800", "every week"),
    ("2592000", "every 30 days"),
)
_SIDES = (("block", "Block these names"), ("allow", "Allow these names"))


async def listing(visit: Visit) -> web.StreamResponse:
    """GET /lists."""
    kind = visit.query.get("kind", "")
    items: list[models.ListItem] = []
    following = None
    if kind:
        page: models.Lists = await visit.ask("GET /lists", query=visit.listing(_ROWS, kind=kind))
        items, following = page.items, page.next
    else:
        for one in ("own", "subscription"):
            items += await all_of(visit, "GET /lists", kind=one)
    items.sort(key=lambda item: item.name)
    return visit.render("lists/lists.html", items=items, next=following, kind=kind, kinds=KINDS)


async def show(visit: Visit) -> web.StreamResponse:
    """GET /lists/{name}."""
    name = visit.path["name"]
    item, etag = await visit.ask_with_version("GET /lists/{name}", {"name": name})
    contains = visit.said("q")
    rules: models.Rules | None = None
    is_busy = _is_busy(item)
    if not (is_busy and visit.is_part):  # while it is fetched only the progress is looked at: rules may be millions
        query = visit.listing(_ROWS, contains=contains or None)
        rules = await visit.ask("GET /lists/{name}/rules", path={"name": name}, query=query)
    is_mine = item.origin == "api"
    return visit.render(
        "lists/list.html",
        list=item,
        etag=etag,
        restored=await opening_of(visit, f"lists/{name}"),
        rules=rules,
        contains=contains,
        sides=_SIDES,
        users=await _users(visit, name),
        is_busy=is_busy,
        can_change=is_mine and visit.may_do("PATCH /lists/{name}"),
        can_refresh=item.kind == "subscription" and visit.may_do("POST /lists/{name}:refresh"),
    )


async def new(visit: Visit) -> web.StreamResponse:
    """GET /lists:new: of one's own, or (`kind=subscription`) to be fetched."""
    kind = visit.said("kind") or "own"
    return _form(visit, kind, None, "")


async def edit(visit: Visit) -> web.StreamResponse:
    """GET /lists/{name}:edit: where it is fetched from."""
    item, etag = await visit.ask_with_version("GET /lists/{name}", visit.path)
    return _form(visit, item.kind, item, etag)


async def create(visit: Visit) -> web.StreamResponse:
    """POST /lists."""
    name = visit.text("name")
    body: dict[str, object] = {"name": name}
    if visit.said("kind") == "subscription":
        body |= {key: value for key, value in _fetching(visit).items() if value is not None}
    else:
        body |= {side: _rules(visit, side) for side, _ in _SIDES}
    return await visit.do("POST /lists", f"List {name} was created.", then=f"/lists/{name}", body=body)


async def save(visit: Visit) -> web.StreamResponse:
    """POST /lists/{name}:edit."""
    here, done = f"/lists/{visit.path['name']}", f"List {visit.path['name']} was changed."
    return await visit.do("PATCH /lists/{name}", done, then=here, path=visit.path, body=_fetching(visit))


async def act(visit: Visit) -> web.StreamResponse:
    """POST /lists/{name}: what `do` says."""
    name = visit.path["name"]
    here = f"/lists/{name}"
    match visit.text("do"):
        case "add":
            body = {visit.text("side") or "block": _rules(visit, "rules")}
            reply = await visit.call("POST /lists/{name}/rules", path=visit.path, body=body)
            return visit.go(here, told=told_of_reply(reply, _counted(reply.body, "added")))
        case "remove":
            chosen = [value.partition(" ")[::2] for value in visit.form.getall("rule", [])]
            if not chosen:
                raise BadRequest(422, "select the rules to remove")
            body = {side: [rule for action, rule in chosen if action == side] for side, _ in _SIDES}
            reply = await visit.call("POST /lists/{name}/rules:batchDelete", path=visit.path, body=body)
            wanted = {"q": visit.text("q")} if visit.text("q") else {}
            return visit.go(here, told=told_of_reply(reply, _counted(reply.body, "deleted")), **wanted)
        case "enable" | "disable" as what:
            is_on = what == "enable"
            done = f"List {name} is {'in force' if is_on else 'off'} now."
            return await visit.do("PATCH /lists/{name}", done, then=here, path=visit.path, body={"enabled": is_on})
        case "refresh":
            await visit.call("POST /lists/{name}:refresh", path=visit.path)
            return visit.go(here, told=f"List {name} is being fetched.")
        case "delete":
            return await visit.do("DELETE /lists/{name}", f"List {name} was removed.", then="/lists", path=visit.path)
        case "confirm-restored" | "leave-restored":
            return await decide(visit, f"lists/{name}")
        case other:
            raise BadRequest(422, f"{other!r} is not an action on a list")


def _form(visit: Visit, kind: str, item: models.ListItem | None, etag: str) -> web.Response:
    every = str(item.refresh_seconds) if item is not None else str(DEFAULT_REFRESH_SECONDS)
    known = every in dict(_EVERY)
    return visit.render(
        "lists/list_form.html",
        kind=kind,
        list=item,
        etag=etag,
        formats=[(each, "detect automatically" if each == "auto" else each) for each in FORMATS],
        refresh=every,
        refreshes=_EVERY if known else (*_EVERY, (every, f"every {every} s")),
    )


def _fetching(visit: Visit) -> dict[str, object]:
    """The body for a list with a url; null takes a value away."""
    return {
        "url": visit.text("url"),
        "format": visit.text("format") or "auto",
        "refresh_seconds": number(visit.text("refresh_seconds")),
        "sha256": visit.text("sha256") or None,
        "allow_private": "allow_private" in visit.form,
    }


def _rules(visit: Visit, field: str) -> list[str]:
    """Rules, one a line: an expression may hold commas. What is commented out is left out."""
    lines = (line.strip() for line in visit.text(field).splitlines())
    return [line for line in lines if line and not line.startswith(_COMMENT)]


def _counted(body: Any, what: str) -> str:
    """The message after rules were written; a large write does not tell how many."""
    if isinstance(body, models.Added):
        return f"{grouped(body.added)} rules were added." if body.added != 1 else "One rule was added."
    if isinstance(body, models.Deleted):
        return f"{grouped(body.deleted)} rules were removed." if body.deleted != 1 else "One rule was removed."
    return f"Many rules are {what}."


def _is_busy(item: models.ListItem) -> bool:
    """Whether a fetch goes on, or is about to: then the page looks again by itself."""
    if item.refresh is None:
        return False
    never_tried = item.enabled and item.refresh.last_attempt_at is None
    return item.refresh.state != "idle" or never_tried


async def _users(visit: Visit, name: str) -> list[str]:
    """The groups in whose policy the list is: by its name, or by all lists."""
    groups: list[models.GroupItem] = await all_of(visit, "GET /groups")
    default: models.GroupItem = await visit.ask("GET /groups/{name}", path={"name": DEFAULT_GROUP})
    named = {name, ALL_LISTS}
    return [
        group.name
        for group in groups
        if not named.isdisjoint((*block_of(group, default), *group.monitor, *group.allow))
    ]
