"""Local names: what is answered here whatever the policy, and where each was given."""

from __future__ import annotations

from aiohttp import web

from admin_api.api import models
from admin_api.pages.shared.visit import Visit

_ROWS = 100


async def show(visit: Visit) -> web.StreamResponse:
    """GET /local."""
    wanted = visit.said("q")[:253]
    page: models.LocalNameItems = await visit.ask("GET /local", query=visit.listing(_ROWS, contains=wanted or None))
    return visit.render("local/local.html", page=page, wanted=wanted)
