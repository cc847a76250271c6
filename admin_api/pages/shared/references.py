"""Names that a group may block, watch and allow, to choose from: sets, kinds, lists, vendors and their services."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import starmap
from typing import Final

from admin_api.api import models
from admin_api.pages.shared.listings import all_of
from admin_api.pages.shared.templates import grouped
from admin_api.pages.shared.visit import Visit
from blocklists.catalogue import SERVICE_KINDS
from resolver.config.references import KIND_PREFIX

_PREFIX = "ref:"
SET_LABELS: Final = {
    "ai": "all AI vendors and resellers of their models",
    "vendors": "AI vendors alone",
    "resellers": "services whose only purpose is access to vendors' models",
    "clouds": "model services of clouds, which a company's own systems may use",
    "gateways": "resellers and clouds",
    "bypass": "ways around this resolver: public resolvers, relays, browsers' own DoH",
    "lists": "all own lists and all subscriptions",
}
SIDES: Final = ("block", "monitor", "allow")
"""Fields of a group that names stand in."""
_AND = "+"  # between the sides of a name that stands on several


@dataclass(frozen=True, slots=True)
class ReferenceChoice:
    """One thing that may be named. `is_part`: a service, which stands below its vendor."""

    name: str
    label: str
    is_part: bool = False

    @property
    def field(self) -> str:
        """The name of its field in a form."""
        return _PREFIX + self.name


@dataclass(frozen=True, slots=True)
class Shelf:
    """Choices of one kind."""

    label: str
    choices: tuple[ReferenceChoice, ...]


async def shelves(visit: Visit) -> tuple[Shelf, ...]:
    """All that there is to choose from, by kind."""
    catalogue: models.CatalogueReply = await visit.ask("GET /catalogue")
    lists: list[models.ListItem] = []
    for kind in ("own", "subscription"):
        lists += await all_of(visit, "GET /lists", kind=kind)
    return (
        Shelf("Sets", tuple(starmap(ReferenceChoice, SET_LABELS.items()))),
        Shelf("Kinds of services", tuple(starmap(ReferenceChoice, kinds_in(catalogue)))),
        Shelf("Your lists", tuple(ReferenceChoice(each.name, _about_list(each)) for each in lists)),
        Shelf("AI vendors", tuple(_of_vendors(v for v in catalogue.vendors if v.kind == "vendor"))),
        Shelf("Resellers", tuple(_of_vendors(v for v in catalogue.vendors if v.kind in ("reseller", "gateway")))),
        Shelf("Clouds' model services", tuple(_of_vendors(v for v in catalogue.vendors if v.kind == "cloud"))),
        Shelf("Ways around the resolver", tuple(_of_bypass(v for v in catalogue.vendors if v.kind == "bypass"))),
    )


def chosen_of(named: Mapping[str, Collection[str]]) -> dict[str, str]:
    """The choice for each name: the sides that it is on (``block``, ``block+allow``)."""
    every = dict.fromkeys(name for side in SIDES for name in named.get(side, ()))
    return {name: _AND.join(side for side in SIDES if name in named.get(side, ())) for name in every}


def chosen_in(form: Mapping[str, str]) -> dict[str, str]:
    """The same, as a form sent it."""
    return {key.removeprefix(_PREFIX): value for key, value in form.items() if key.startswith(_PREFIX) and value}


def named(chosen: Mapping[str, str], side: str) -> list[str]:
    """The names that are on a side."""
    return [name for name, choice in chosen.items() if side in choice.split(_AND)]


def with_unknown(shelves: tuple[Shelf, ...], chosen: Collection[str]) -> tuple[Shelf, ...]:
    """The shelves, and what is chosen but stands on none: it would be lost else."""
    known = {choice.name for shelf in shelves for choice in shelf.choices}
    lost = [name for name in chosen if name not in known]
    if not lost:
        return shelves
    return (
        *shelves,
        Shelf("No longer known", tuple(ReferenceChoice(name, "is not in the catalogue or a list") for name in lost)),
    )


def _about_list(item: models.ListItem) -> str:
    kind = "subscription" if item.kind == "subscription" else "own list"
    return f"{kind}, {grouped(item.rules)} rules" + ("" if item.enabled else ", switched off")


def _of_vendors(vendors: Iterable[models.CatalogueVendor]) -> Iterable[ReferenceChoice]:
    for vendor in vendors:
        yield ReferenceChoice(vendor.vendor, f"{vendor.name}: all of it")
        for service in vendor.services:
            yield ReferenceChoice(service.id, _about_service(service), is_part=True)


def kinds_in(catalogue: models.CatalogueReply) -> Iterable[tuple[str, str]]:
    """The kinds that services have, as references, each with a label."""
    count = Counter(service.kind for vendor in catalogue.vendors for service in vendor.services)
    for kind in SERVICE_KINDS:
        if count[kind]:
            yield KIND_PREFIX + kind, f"all {count[kind]} services of this kind"


def _of_bypass(vendors: Iterable[models.CatalogueVendor]) -> Iterable[ReferenceChoice]:
    for vendor in vendors:
        for service in vendor.services:
            yield ReferenceChoice(service.id, _about_service(service))


def _about_service(service: models.CatalogueService) -> str:
    return f"{service.name}: {service.description}" if service.description else service.name
