"""Local names: what is answered here whatever the policy, and where each was given; those of the API are made here."""

from __future__ import annotations

from aiohttp import web

from admin_api.api import models
from admin_api.editing.refusals import BadRequest
from admin_api.pages.shared.visit import Visit

_ROWS = 100
_HERE = "/local"


async def show(visit: Visit) -> web.StreamResponse:
    """GET /local."""
    wanted = visit.query.get("q", "").strip()[:253]
    page: models.LocalNameItems = await visit.ask("GET /local", query=visit.listing(_ROWS, contains=wanted or None))
    return visit.render(
        "local/local.html", page=page, wanted=wanted, can_change=visit.may_do("PUT /local/{name}"), answer=_answer
    )


async def act(visit: Visit) -> web.StreamResponse:
    """POST /local: make or change a local name, or remove one, as `do` says."""
    name = visit.text("name")
    if not name:
        raise BadRequest(422, "which name is it", [("/name", "is missing")])
    here = {"name": name}
    match visit.text("do"):
        case "put":
            given = visit.lines("given")
            has_alias = len(given) == 1 and not _is_address(given[0])
            body = {"alias": given[0]} if has_alias else {"addresses": given}
            done = f"{name} is answered by {', '.join(given)}."
            return await visit.do("PUT /local/{name}", done, then=_HERE, path=here, body=body)
        case "delete":
            return await visit.do("DELETE /local/{name}", f"{name} is no local name any more.", then=_HERE, path=here)
        case other:
            raise BadRequest(422, f"{other!r} is not an action on a local name")


def _answer(item: models.LocalNameItem) -> str:
    """Addresses, or the alias, of a name, as the form takes them."""
    return item.alias or ", ".join(item.addresses)


def _is_address(text: str) -> bool:
    """Whether a text is meant as an address, as the config tells them apart."""
    return ":" in text or text.replace(".", "").isdigit()
