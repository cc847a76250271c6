"""The catalogue, from vendors to ways around the resolver, with switches for the state of each in a group."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from admin_api.api import models
from admin_api.editing.refusals import BadRequest
from admin_api.pages.catalogue.switches import GroupPolicy, State, found, policy_of, switched
from admin_api.pages.groups.groups import states
from admin_api.pages.shared.listings import group_names
from admin_api.pages.shared.outcome import told_of_reply
from admin_api.pages.shared.references import SET_LABELS, kinds_in
from admin_api.pages.shared.templates import with_query
from admin_api.pages.shared.visit import Visit
from admin_api.store.errors import NotFound
from admin_api.store.policy import DEFAULT_GROUP
from blocklists.catalogue import SERVICE_KINDS
from resolver.config.references import KIND_PREFIX, SETS

KINDS = (
    ("", "all"),
    ("vendor", "AI vendors"),
    ("reseller", "resellers"),
    ("cloud", "clouds' model services"),
    ("bypass", "ways around the resolver"),
)
_CHOICES = ("block", "allow", "")  # how a group may name a thing


@dataclass(frozen=True, slots=True)
class _Place:
    """The group that is looked at, and the catalogue as it stands there."""

    group: models.GroupItem
    etag: str
    catalogue: models.CatalogueReply
    policy: GroupPolicy

    def vendor(self, name: str) -> models.CatalogueVendor:
        """A vendor by its id. Raises NotFound."""
        for vendor in self.catalogue.vendors:
            if vendor.vendor == name:
                return vendor
        raise NotFound(f"vendor {name!r}")

    def state_of(self, name: str) -> State:
        """The state of a set, a vendor or a service. Raises NotFound."""
        if name in SETS or name.removeprefix(KIND_PREFIX) in SERVICE_KINDS:
            return self.policy.of_set(name)
        vendor = self.vendor(name.partition("/")[0])
        if name == vendor.vendor:
            return self.policy.of_vendor(vendor)
        for service in vendor.services:
            if service.id == name:
                return self.policy.of_service(vendor, service)
        raise NotFound(f"service {name!r}")


async def listing(visit: Visit) -> web.StreamResponse:
    """GET /catalogue."""
    place = await _place(visit)
    wanted, kind = visit.said("q"), visit.said("kind")
    policy = place.policy
    rows = [
        (
            vendor,
            policy.of_vendor(vendor),
            [(service, policy.of_service(vendor, service)) for service in services],
        )
        for vendor, services in found(place.catalogue.vendors, wanted, kind)
    ]
    return visit.render(
        "catalogue/catalogue.html",
        **await _facts(visit, place),
        rows=rows,
        sets=[(name, label, policy.of_set(name)) for name, label in (*SET_LABELS.items(), *kinds_in(place.catalogue))],
        wanted=wanted,
        kind=kind,
        kinds=KINDS,
    )


async def vendor(visit: Visit) -> web.StreamResponse:
    """GET /catalogue/{vendor}."""
    place = await _place(visit)
    about = place.vendor(visit.path["vendor"])
    return visit.render(
        "catalogue/catalogue_vendor.html",
        **await _facts(visit, place),
        vendor=about,
        state=place.policy.of_vendor(about),
        services=[(service, place.policy.of_service(about, service)) for service in about.services],
        kind_label=dict(KINDS).get(about.kind, "gateways"),
    )


async def switch(visit: Visit) -> web.StreamResponse:
    """POST /catalogue, and of a vendor: have a group name a thing as `set` says, such as 'block:openai/chatgpt'."""
    back = with_query(visit.address, {name: visit.said(name) for name in ("group", "q", "kind")})
    to, _, name = visit.text("set").partition(":")
    if to not in _CHOICES:
        raise BadRequest(422, f"{to!r} is not a switch: use block, allow, or nothing")
    place = await _place(visit)
    place.state_of(name)  # which raises what nobody knows
    body = switched(place.policy, name, to)
    group = place.group.name
    if not body:
        return visit.go(f"{back}#{name}", told=_now(place, name, "as before: no change was needed"))
    reply = await visit.call("PATCH /groups/{name}", path={"name": group}, body=body, version=visit.version)
    return visit.go(f"{back}#{name}", told=told_of_reply(reply, _now(await _place(visit), name, "now")))


def _now(place: _Place, name: str, when: str) -> str:
    state = place.state_of(name)
    because = f" ({state.because})" if state.because else ""
    return f"{name} is {state.word}{because} for group {place.group.name}, {when}."


async def _place(visit: Visit) -> _Place:
    name = visit.said("group") or DEFAULT_GROUP
    (group, etag), default, catalogue = await asyncio.gather(
        visit.ask_with_version("GET /groups/{name}", {"name": name}),
        visit.ask("GET /groups/{name}", path={"name": DEFAULT_GROUP}),
        visit.ask("GET /catalogue"),
    )
    return _Place(group, etag, catalogue, policy_of(group, default, catalogue))


async def _facts(visit: Visit, place: _Place) -> dict[str, object]:
    """Values of the group for the templates of both pages."""
    groups, pauses = await asyncio.gather(group_names(visit, place.group.name), visit.ask("GET /pauses"))
    return {
        "catalogue": place.catalogue,
        "policy": place.policy,
        "group": place.group,
        "etag": place.etag,
        "groups": groups,
        "states": states(place.group, pauses.items),
        "can_switch": place.group.origin != "file" and visit.may_do("PATCH /groups/{name}"),
    }
