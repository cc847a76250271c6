"""The bundled catalogue: which domain names belong to which AI service.

The data files are under ``vendors/`` (one file an AI vendor), ``resellers/`` (one a firm whose only purpose is access
to AI models), ``clouds/`` (one a cloud's model service) and ``bypass/`` (one a way around the resolver). `loading`
reads and checks them. Copies that an earlier version kept have ``gateways/`` instead of resellers and clouds. The
catalogue knows nothing of groups or verdicts: the policy decides what is done about a name.

For a queried name the longest matching rule alone says which services it belongs to; the same rule may stand in
several services. Blocking looks at a domain's `service`; allowing a service also opens the domains `needed_by` it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, get_args

from resolver.config.references import KIND_PREFIX
from resolver.policy.rule_syntax import Rule

SURFACES = ("web", "api", "auth", "assets", "telemetry", "install", "docs")
RESPONSES = ("nxdomain",)  # what a domain may force, whatever the group's response mode
BYPASS = "bypass"

Kind = Literal["vendor", "reseller", "cloud", "gateway", "bypass"]
"""Kind of a vendor. A gateway is a reseller or a cloud in a copy of an earlier version, which does not say which."""

ServiceKind = Literal["assistant", "coding", "model-api", "search", "media", "writing", "meeting", "companion"]
SERVICE_KINDS: Final[tuple[ServiceKind, ...]] = get_args(ServiceKind)

KINDS_OF_SET: Final[Mapping[str, frozenset[Kind]]] = {
    "ai": frozenset(("vendor", "reseller")),
    "vendors": frozenset(("vendor",)),
    "resellers": frozenset(("reseller",)),
    "clouds": frozenset(("cloud",)),
    "gateways": frozenset(("reseller", "cloud", "gateway")),
    BYPASS: frozenset(("bypass",)),
}
"""Sets that a group may name, with the kinds of vendors whose services are in them."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor, a reseller, a cloud's model service, or the ways around the resolver.

    `serves_models_of` are ids of vendors whose models it serves. `limits` says what DNS cannot separate there, and what
    else breaks, in finished phrases. `closed`: the day since which there is nothing of it, though policies may name it.
    """

    id: str
    name: str
    kind: Kind
    serves_models_of: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    closed: datetime.date | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """One product of a vendor. `id` is ``vendor/service``, as `block` and `allow` name it.

    `kind` is what people use it for; None for ways around the resolver, and in copies of an earlier version.
    """

    id: str
    vendor: str
    name: str
    description: str
    kind: ServiceKind | None = None


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One rule of a service. `service` is the service's id; `seen` is when the source said so."""

    rule: Rule
    service: str
    surface: str
    source: str
    seen: datetime.date

    @property
    def vendor(self) -> str:
        """The id of the service's vendor."""
        return self.service.partition("/")[0]


@dataclass(frozen=True, slots=True)
class CatalogueDomain(CatalogueEntry):
    """One rule in force. `needed_by` are service ids."""

    needed_by: tuple[str, ...]
    response: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class SharedName(CatalogueEntry):
    """A name a service uses but innocent services stand on too (`reason`): known, and never in force by default."""

    reason: str


@dataclass(frozen=True, eq=False)  # compared by its fingerprint, where at all
class Catalogue:
    """All that is known. `services` is sorted by id; `fingerprint` is the hex SHA-256 of the data files.

    `fed` are rules that a feed has beside those (blocklists.feed): they block where no other rule decides.
    """

    about: dict[str, Vendor]
    services: dict[str, Service]
    domains: tuple[CatalogueDomain, ...]
    shared: tuple[SharedName, ...]
    fingerprint: str
    fed: tuple[CatalogueDomain, ...] = ()

    @cached_property
    def every_domain(self) -> tuple[CatalogueDomain, ...]:
        """The rules in force, with those of a feed."""
        return (*self.domains, *self.fed)

    @cached_property
    def domains_of(self) -> Mapping[str, tuple[CatalogueDomain, ...]]:
        """The rules in force by service, with those of a feed behind the bundled ones. Each service is a key."""
        by_service: dict[str, list[CatalogueDomain]] = {service: [] for service in self.services}
        for domain in self.every_domain:
            by_service[domain.service].append(domain)
        return {service: tuple(domains) for service, domains in by_service.items()}

    @property
    def vendors(self) -> tuple[str, ...]:
        """Vendors that `block` and `allow` may name beside sets and services: all but `bypass`, sorted."""
        return tuple(sorted(vendor.id for vendor in self.about.values() if vendor.kind != "bypass"))

    def services_of(self, name: str) -> tuple[str, ...]:
        """The ids of the services that a set, a kind (``kind:coding``), a vendor or a service id stands for.

        () if unknown.
        """
        return self._services_by_name.get(name, ())

    @cached_property
    def _services_by_name(self) -> Mapping[str, tuple[str, ...]]:
        by_name: dict[str, list[str]] = {name: [] for name in KINDS_OF_SET}
        for service in self.services.values():
            kind_of_vendor = self.about[service.vendor].kind
            sets = [name for name, kinds in KINDS_OF_SET.items() if kind_of_vendor in kinds]
            own = {service.id, service.vendor} - KINDS_OF_SET.keys()  # a set's name means the set, whoever bears it
            kind = [] if service.kind is None else [KIND_PREFIX + service.kind]
            for name in (*sets, *own, *kind):
                by_name.setdefault(name, []).append(service.id)
        return {name: tuple(ids) for name, ids in by_name.items()}
