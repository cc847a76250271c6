"""Exemptions: asked for, granted, approved, denied, renewed, revoked; which end soon, and which nobody uses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from admin_api.api import models
from admin_api.editing.exemptions import UNVERIFIED
from admin_api.editing.refusals import BadRequest
from admin_api.pages.exemptions.exemption_choices import DURATIONS, TWO_HOURS
from admin_api.pages.shared.listings import all_of
from admin_api.pages.shared.outcome import is_in_force, told_of_reply
from admin_api.pages.shared.visit import Visit

_SOON = timedelta(hours=24)
_STALE_DAYS = 30
_MOST_ROWS = 2000  # of a page
VIEWS = (
    ("", "All"),
    ("pending", "Waiting"),
    ("active", "Active"),
    ("soon", "Ending soon"),
    ("stale", "Never used"),
    ("suspended", "Suspended"),
    ("expired", "Expired"),
    ("revoked", "Revoked"),
    ("denied", "Denied"),
)
KINDS = (
    ("client", "One address"),
    ("clients", "Several addresses"),
    ("network", "A network"),
    ("group", "A group"),
    ("identity", "A person or device (identity of leases)"),
)
_ACTIONS = {
    "approve": "is approved",
    "deny": "is denied",
    "revoke": "is revoked",
    "renew": "is renewed",
}


async def show(visit: Visit) -> web.StreamResponse:
    """GET /exemptions."""
    view = visit.query.get("status", "")
    if view not in dict(VIEWS):
        view = ""
    following: str | None = None
    items: list[Any]
    if view == "stale":
        since = datetime.now(UTC) - timedelta(days=_STALE_DAYS)
        report = await visit.ask("GET /reports/exemptions", query={"from": since.isoformat()})
        items = [_of_report(each) for each in report.items if each.stale]
    elif view == "soon":
        until = (datetime.now(UTC) + _SOON).isoformat()
        ending = await all_of(visit, "GET /exemptions", status="active", ending_before=until)
        items = sorted(ending, key=lambda each: each.expires_at)
    else:
        page = await visit.ask("GET /exemptions", query=visit.listing(50, status=view or None))
        items, following = page.items, page.next
    return visit.render(
        "exemptions/exemptions.html",
        views=VIEWS,
        view=view,
        items=items[:_MOST_ROWS],
        count=len(items),
        following=following,
        stale_days=_STALE_DAYS,
    )


async def show_new(visit: Visit) -> web.StreamResponse:
    """GET /exemptions/new, filled in as far as the address says."""
    client = visit.query.get("client", "")
    return visit.render(
        "exemptions/exemption_new.html",
        kinds=KINDS,
        durations=(*DURATIONS, ("", "until the time below")),
        filled={
            "subject_kind": visit.query.get("kind", "client"),
            "subject": client or visit.query.get("subject", ""),
            "scope": visit.query.get("scope", ""),
            "duration_seconds": TWO_HOURS,
        },
        longest_seconds=visit.context.terms.longest_seconds,
    )


async def create(visit: Visit) -> web.StreamResponse:
    """POST /exemptions."""
    kind = visit.text("subject_kind")
    if kind not in dict(KINDS):
        raise BadRequest(422, "enter who is to be exempt", [("/subject", "choose what kind of subject it is")])
    body: dict[str, object] = {
        "subject": {kind: visit.lines("subject") if kind == "clients" else visit.text("subject")},
        "scope": visit.lines("scope"),
        "owner": visit.text("owner"),
        "reason": visit.text("reason"),
    }
    if ticket := visit.text("ticket"):
        body["ticket"] = ticket
    if starts := visit.text("starts_at"):
        body["starts_at"] = _utc(starts)
    body |= _end(visit)
    reply = await visit.call("POST /exemptions", body=body)
    made: Any = reply.body  # a models.ExemptionItem
    if made.status == "pending":
        return visit.go(f"/exemptions/{made.id}", told=f"Exemption {made.id} waits for somebody else's approval.")
    done = "is in force" if made.in_force and is_in_force(reply) else "is granted"
    return visit.go(f"/exemptions/{made.id}", told=told_of_reply(reply, f"Exemption {made.id} {done}{_from(made)}."))


async def show_one(visit: Visit) -> web.StreamResponse:
    """GET /exemptions/{id}."""
    item: models.ExemptionWithHistory
    item, version = await visit.ask_with_version("GET /exemptions/{id}", visit.path)
    return visit.render(
        "exemptions/exemption.html",
        item=item,
        version=version,
        durations=DURATIONS,
        nobody_asked=visit.four_eyes and item.status == "pending" and item.requested_owner == UNVERIFIED,
        asked_by_me=visit.is_mine(item.renewal.owner if item.renewal else item.requested_owner),
    )


async def act(visit: Visit) -> web.StreamResponse:
    """POST /exemptions/{id}/{action}."""
    number, action = visit.path["id"], visit.path["action"]
    body: dict[str, object] = {"reason": reason} if (reason := visit.text("reason")) else {}
    if action == "renew":
        body |= _end(visit)
    reply = await visit.call(f"POST /exemptions/{{id}}:{action}", path={"id": number}, body=body, version=visit.version)
    item: Any = reply.body  # a models.ExemptionItem
    done = f"{_ACTIONS[action]}{_from(item)}"
    if action == "renew" and item.renewal is not None:
        done = "waits for somebody else's approval of its renewal"
    elif action == "approve" and item.status == "pending":
        done = "has you as its sponsor, and waits for somebody else's approval"
    return visit.go(f"/exemptions/{number}", told=told_of_reply(reply, f"Exemption {number} {done}."))


async def confirm(visit: Visit) -> web.StreamResponse:
    """POST /exemptions/{id}/confirm: it came out of a backup, and still holds."""
    number = visit.path["id"]
    reply = await visit.call("POST /restored:confirm", body={"exemptions": [number]})
    return visit.go(f"/exemptions/{number}", told=told_of_reply(reply, f"Exemption {number} is confirmed."))


def _from(item: models.ExemptionItem) -> str:
    """When it begins, if it has not yet."""
    if item.status != "active" or item.in_force:
        return ""
    return f", and begins at {item.starts_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _end(visit: Visit) -> dict[str, object]:
    """When it ends, as the form says: for so long, or until then."""
    seconds, until = visit.text("duration_seconds"), visit.text("expires_at")
    if until:
        return {"expires_at": _utc(until)}
    if seconds.isascii() and seconds.isdigit():
        return {"duration_seconds": int(seconds[:12])}
    raise BadRequest(422, "enter when it ends", [("/duration_seconds", "choose how long, or enter a time below")])


def _utc(local: str) -> str:
    """A time as <input type=datetime-local>, which is labelled as UTC, sends it, in RFC 3339."""
    return local if local.endswith("Z") or "+" in local else f"{local}{':00' if local.count(':') == 1 else ''}Z"


def _of_report(use: models.ExemptionUse) -> dict[str, object]:
    more = {"subject": {"": use.subject}, "client_hosts": {}, "scope": [use.scope], "in_force": True, "renewal": None}
    return {**use.model_dump(), **more}
