"""The inbox of unlisted names: the evidence on each, and one click to a rule."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from admin_api.api import models
from admin_api.pages.shared.visit import Visit

VIEWS: Final = (
    ("new", "New"),
    ("wanted", "Wanted"),
    ("blocked", "Blocked"),
    ("allowed", "Allowed"),
    ("ignored", "Ignored"),
    ("all", "All"),
)
KINDS: Final = {
    "word": "in its name",
    "host": "in a name below it",
    "top-level": "top-level domain",
    "register": "in a register of model providers, as",
    "sibling": "beside listed names of",
    "alias": "leads to",
    "address": "at an address of",
    "company": "asked for within seconds of listed names:",
}
"""Kinds of evidence, as people read them before what was seen."""

_DONE: Final = {
    "block": "{domain} and all names below it are blocked by list {list}.",
    "allow": "{domain} and all names below it are allowed by list {list}.",
    "ignore": "{domain} is ignored.",
    "want": "{domain} is noted as wanted; it stays open.",
}
_NOWHERE: Final = " No group has that list in force yet: add it, or lists, to what a group blocks."


async def show(visit: Visit) -> web.StreamResponse:
    """GET /unlisted."""
    view = visit.said("status")
    if view not in dict(VIEWS):
        view = "new"
    wanted = visit.query.get("q", "").strip()[:253]
    query = visit.listing(50, status=None if view == "all" else view, contains=wanted or None)
    page: models.UnlistedNames = await visit.ask("GET /unlisted", query=query)
    return visit.render(
        "unlisted/unlisted.html",
        page=page,
        views=VIEWS,
        view=view,
        wanted=wanted,
        kinds=KINDS,
        least=visit.context.settings.unlisted.clients,
        can_decide=visit.may_do("POST /unlisted/{domain}:block"),
    )


async def act(visit: Visit) -> web.StreamResponse:
    """POST /unlisted/{domain}/{action}."""
    domain, action = visit.path["domain"], visit.path["action"]
    reply = await visit.call(f"POST /unlisted/{{domain}}:{action}", path={"domain": domain}, body={})
    done = reply.body
    told = _DONE[action].format(domain=domain, list=getattr(done, "list", None))
    if isinstance(done, models.UnlistedDone) and done.rule is not None and not done.groups:
        told += _NOWHERE
    return visit.go("/unlisted", told=told, status=visit.text("status") or "new")
