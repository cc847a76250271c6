"""Tokens: who has one, made and revoked. A new one's text is shown on the very page that made it, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from admin_api.api import models
from admin_api.pages.shared.visit import Visit
from admin_api.store.roles import may_give

ROLES = (
    ("viewer", "viewer: reads figures and the policy"),
    ("investigator", "investigator: sees clients and persons in what another role reads"),
    ("operator", "operator: as viewer, and edits lists, rules, exemptions, leases"),
    ("admin", "admin: everything, but sees persons as an investigator alone"),
    ("lease", "lease: only sets and ends leases, for VPN and DHCP servers"),
    ("firewall", "firewall: only fetches the lists for firewalls"),
)
EXPIRIES = (
    ("30d", "in 30 days"),
    ("90d", "in 90 days"),
    ("365d", "in a year"),
    ("", "never"),
)


async def show(visit: Visit) -> web.StreamResponse:
    """GET /tokens."""
    return await _page(visit, None)


async def create(visit: Visit) -> web.StreamResponse:
    """POST /tokens. No redirect follows: what is shown once must not be kept anywhere in between."""
    body: dict[str, object] = {name: visit.text(name) for name in ("name", "owner")}
    body["roles"] = visit.form.getall("roles", [])
    body |= {name: lines for name in ("networks", "groups") if (lines := visit.lines(name))}
    if expires := visit.text("expires"):
        body["expires"] = expires
    made = (await visit.call("POST /tokens", body=body)).body
    return await _page(visit, made if isinstance(made, models.NewToken) else None)


async def revoke(visit: Visit) -> web.StreamResponse:
    """POST /tokens/{name}/revoke."""
    name = visit.path["name"]
    await visit.call("DELETE /tokens/{name}", path={"name": name})
    if visit.caller.token is not None and name == visit.caller.name:
        return visit.go("/login")  # the session is over with its token
    return visit.go("/tokens", told=f"The token {name} is revoked.")


async def confirm(visit: Visit) -> web.StreamResponse:
    """POST /tokens/{name}/confirm: it came out of a backup, and still holds."""
    name = visit.path["name"]
    await visit.call("POST /restored:confirm", body={"tokens": [name]})
    return visit.go("/tokens", told=f"The token {name} is confirmed.")


async def _page(visit: Visit, made: models.NewToken | None) -> web.Response:
    page: models.Tokens = await visit.ask("GET /tokens", query=visit.listing(100))
    roles = [one for one in ROLES if may_give(visit.caller.roles, (one[0],))]
    return visit.render(
        "tokens/tokens.html", page=page, made=made, roles=roles, expiries=EXPIRIES, now=datetime.now(UTC)
    )
