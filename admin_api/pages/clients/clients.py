"""Clients: who has which address for now, who had it before, and who asks most."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from admin_api.api import models
from admin_api.editing.refusals import BadRequest
from admin_api.pages.groups.group_form import number
from admin_api.pages.shared.listings import group_names
from admin_api.pages.shared.ranges import chosen
from admin_api.pages.shared.visit import Visit
from resolver.telemetry.pseudonyms import is_address

_ROWS = 100
_TOP = 20
_DAY = "24h"
LASTS = (("3600", "1 hour"), ("28800", "8 hours"), ("86400", "1 day"), ("604800", "1 week"))


async def show(visit: Visit) -> web.StreamResponse:
    """GET /clients: leases, and the top clients of the last day."""
    wanted = visit.said("q")
    query = {"limit": _ROWS, "contains": wanted or None, "cursor": visit.query.get("cursor")}
    leases: models.Leases = await visit.ask("GET /leases", query=query)
    window = chosen({}, _DAY)
    top: models.Top | None = None
    if visit.shows_rankings("GET /stats/top"):
        top = await visit.ask("GET /stats/top", query={**window.query(), "by": "client", "limit": _TOP})
    return visit.render(
        "clients/clients.html",
        leases=leases,
        wanted=wanted,
        top=top and top.items,
        is_address=is_address,
        can_look=top is None and visit.sees_persons("GET /stats/top"),
        window=window,
        now=datetime.now(UTC),
    )


async def history(visit: Visit) -> web.StreamResponse:
    """GET /clients/history: what happened to the leases of an address, or of an identity."""
    filters = visit.filters(("address", "identity"))
    query: Mapping[str, Any] = {**filters, "limit": _ROWS, "cursor": visit.query.get("cursor")}
    page: models.LeaseHistory = await visit.ask("GET /lease-history", query=query)
    return visit.render("clients/lease_history.html", page=page, filters=filters)


async def new(visit: Visit) -> web.StreamResponse:
    """GET /clients/new: set a lease, or renew one (`address`)."""
    address = visit.said("address")
    lease: models.LeaseItem | None = None
    if address and visit.problem is None:
        lease = await visit.ask("GET /leases/{address}", path={"address": address})
    groups = await group_names(visit, visit.value("group", lease.group if lease else None))
    return visit.render(
        "clients/lease_form.html",
        lease=lease,
        others=[each for each in (lease.addresses or []) if each != lease.address] if lease else [],
        groups=[("", "from its network"), *((name, name) for name in groups)],
        lasts=LASTS,
    )


async def act(visit: Visit) -> web.StreamResponse:
    """POST /clients: set a lease, or end one, as `do` says."""
    address = visit.text("address")
    match visit.text("do"):
        case "set":
            if not address:
                raise BadRequest(422, "which address is it", [("/address", "is missing")])
            body = {
                "identity": visit.text("identity"),
                "group": visit.text("group") or None,
                "ttl_seconds": number(visit.text("ttl_seconds")),
                "addresses": visit.lines("addresses"),
            }
            done = f"{address} is leased to {body['identity']}."
            return await visit.do("PUT /leases/{address}", done, then="/clients", path={"address": address}, body=body)
        case "end":
            done, query = f"The lease of {address} is over.", {"identity": visit.text("identity")}
            here = {"address": address}
            return await visit.do("DELETE /leases/{address}", done, then="/clients", path=here, query=query)
        case other:
            raise BadRequest(422, f"{other!r} is not an action on a lease")


async def shown_again(visit: Visit) -> web.StreamResponse:
    """The page that a refused form was on."""
    return await (new(visit) if visit.text("do") == "set" else show(visit))
