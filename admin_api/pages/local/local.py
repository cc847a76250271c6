"""Local names: what is answered here whatever the policy, and where each was given; those of the API are made here."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from admin_api.api import models
from admin_api.api.http.problems import EXPECTED
from admin_api.editing.refusals import BadRequest
from admin_api.pages.shared.visit import Visit

_ROWS = 100
_HERE = "/local"


@dataclass(frozen=True, slots=True)
class _Form:
    """The form's name as it is there now, and the version that the form is made from.

    `is_stale`: what was sent was made from an earlier one.
    """

    there: models.LocalNameItem | None
    version: str
    is_stale: bool


async def show(visit: Visit) -> web.StreamResponse:
    """GET /local."""
    wanted = visit.query.get("q", "").strip()[:253]
    page: models.LocalNameItems = await visit.ask("GET /local", query=visit.listing(_ROWS, contains=wanted or None))
    return visit.render(
        "local/local.html",
        page=page,
        wanted=wanted,
        can_change=visit.may_do("PUT /local/{name}"),
        answer=_answer,
        form=await _form(visit),
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


async def _form(visit: Visit) -> _Form:
    """The form for a name: empty, of the one that `change` names, or as it was sent and refused."""
    problem = visit.problem if visit.text("do") == "put" else None
    there: models.LocalNameItem | None = None
    if name := visit.text("name") if problem is not None else visit.query.get("change", "").strip():
        with contextlib.suppress(*EXPECTED):  # there is none of that name
            there = await visit.ask("GET /local/{name}", path={"name": name})
    version = f'"{there.version if there is not None else 0}"'
    if problem is not None and problem.status != HTTPStatus.PRECONDITION_FAILED:
        return _Form(there, visit.version or version, is_stale=False)
    return _Form(there, version, is_stale=problem is not None)


def _answer(item: models.LocalNameItem) -> str:
    """Addresses, or the alias, of a name, as the form takes them."""
    return item.alias or ", ".join(item.addresses)


def _is_address(text: str) -> bool:
    """Whether a text is meant as an address, as the config tells them apart."""
    return ":" in text or text.replace(".", "").isdigit()
