"""Read and check the catalogue's data files."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

from blocklists.catalogue import (
    BYPASS,
    RESPONSES,
    SERVICE_KINDS,
    SURFACES,
    Catalogue,
    CatalogueDomain,
    Service,
    SharedName,
    Vendor,
)
from blocklists.data_files import KINDS, data_files, digest_of
from blocklists.yaml_files import parse_yaml
from resolver.config.references import SETS
from resolver.config.suffixes import is_public_suffix
from resolver.errors import CatalogueError, RuleError
from resolver.policy.rule_syntax import Rule, RuleKind, parse_rule
from resolver.wire.ip_keys import is_ip_key
from resolver.wire.names import to_text, wire_of_key

_Word = TypeVar("_Word", bound=str)
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")

# required, optional
_FILE_KEYS = ({"vendor", "name", "services", "domains"}, {"shared", "serves_models_of", "limits", "closed"})
_SERVICE_KEYS = ({"name", "description"}, {"kind"})
_DOMAIN_KEYS = ({"rule", "service", "surface", "source", "seen"}, {"needed_by", "response", "note"})
_SHARED_KEYS: tuple[set[str], set[str]] = ({"rule", "service", "surface", "reason", "source", "seen"}, set())


def load_catalogue(folder: Path | None = None, fingerprint: str | None = None) -> Catalogue:
    """Read and check every data file in `folder` (the bundled ones if None). Raises CatalogueError.

    With `fingerprint`, what is there has to have that one.
    """
    contents = data_files(folder)
    if fingerprint is not None and digest_of(contents) != fingerprint:
        raise CatalogueError(f"{folder}: the content has been changed")
    return catalogue_of({where: _parsed(where, content) for where, content in contents}, digest_of(contents))


def catalogue_of(files: Mapping[str, object], fingerprint: str, beside: Catalogue | None = None) -> Catalogue:
    """Check data files that were parsed, by their names (``vendors/acme.yaml``). Raises CatalogueError.

    Their names may be `needed_by` the services of another catalogue `beside` them, too.
    """
    about: dict[str, Vendor] = {}
    services: dict[str, Service] = {}
    domains: list[CatalogueDomain] = []
    shared: list[SharedName] = []
    read = {where: _file(where, content) for where, content in files.items()}
    for where, file in read.items():
        vendor = file.vendor
        known = about.setdefault(vendor.id, vendor)
        if known.kind != vendor.kind:
            raise CatalogueError(f"{where}: vendor: {vendor.id!r} has a file in another folder already")
        if vendor.kind == "bypass":
            about[vendor.id] = Vendor(vendor.id, vendor.name, "bypass", (), known.limits + vendor.limits)
        services |= file.services
    all_services = services if beside is None else {**beside.services, **services}
    for file in read.values():  # a second pass, since needed_by may name a service of a later file
        domains += _domains(file, all_services)
        shared += _shared(file, all_services)
    _check_once(domains, shared)
    return Catalogue(
        dict(sorted(about.items())), dict(sorted(services.items())), tuple(domains), tuple(shared), fingerprint
    )


@dataclass(frozen=True, slots=True)
class _Mapping:
    """Mapping of a data file, with the place that an error names. All readers raise CatalogueError."""

    at: str
    values: Mapping[str, object]

    @classmethod
    def checked(cls, at: str, value: object, keys: tuple[set[str], set[str]]) -> _Mapping:
        """Check that all required keys are there, and no unknown ones."""
        required, optional = keys
        if not isinstance(value, dict):
            raise CatalogueError(f"{at}: expected a mapping with {', '.join(sorted(required))}")
        known = required | optional
        if unknown := sorted(str(key) for key in value if key not in known):
            raise CatalogueError(f"{at}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")
        if missing := sorted(required - value.keys()):
            raise CatalogueError(f"{at}: {missing[0]!r} is missing")
        return cls(at, value)

    def text(self, key: str) -> str:
        """Text that is not blank."""
        value = self.values[key]
        if not isinstance(value, str) or not value.strip():
            raise CatalogueError(f"{self.at}: {key}: expected text, not {value!r}")
        return value

    def one_of(self, key: str, known: tuple[_Word, ...]) -> _Word:
        """One of some words."""
        value = self.text(key)
        for word in known:
            if word == value:
                return word
        raise CatalogueError(f"{self.at}: {key}: {value!r} is none of {', '.join(known)}")

    def texts(self, key: str, what: str) -> tuple[str, ...]:
        """List of texts, empty where there is no such key; an error calls it `what`."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
            raise CatalogueError(f"{self.at}: {key}: expected a list of {what}, not {value!r}")
        return tuple(value)

    def entries(self, key: str) -> list[tuple[str, object]]:
        """Entries of a list, each with its place: file, list, index and rule."""
        value = self.values.get(key, [])
        if not isinstance(value, list):
            raise CatalogueError(f"{self.at}: {key}: expected a list")
        rules = [f" ({one['rule']})" if isinstance(one, dict) and "rule" in one else "" for one in value]
        return [(f"{self.at}: {key}[{index}]{rules[index]}", one) for index, one in enumerate(value)]

    def date(self, key: str) -> datetime.date:
        """A date."""
        value = self.values[key]
        if not isinstance(value, datetime.date) or isinstance(value, datetime.datetime):
            raise CatalogueError(f"{self.at}: {key}: expected a date such as 2026-11-01, not {value!r}")
        return value

    def service(self, vendor: str, services: Mapping[str, Service]) -> Service:
        """The vendor's service that is called by `service`."""
        return _service(self.at, "service", f"{vendor}/{self.text('service')}", services)

    def needed_by(self, own: Service, services: Mapping[str, Service]) -> tuple[str, ...]:
        """`needed_by` as service ids: a short name is of the same vendor, ``vendor/service`` of any."""
        names = self.texts("needed_by", "services")
        ids = tuple(_service(self.at, "needed_by", n if "/" in n else f"{own.vendor}/{n}", services).id for n in names)
        if own.id in ids or len(set(ids)) < len(ids):
            raise CatalogueError(f"{self.at}: needed_by: each other service once, and not {own.id!r} itself")
        return ids

    def rule(self) -> Rule:
        """The rule, which is no expression and covers no public suffix."""
        try:
            rule = parse_rule(self.text("rule"))
        except RuleError as error:
            raise CatalogueError(f"{self.at}: rule: {error}") from error
        if rule.kind is RuleKind.REGEX:
            raise CatalogueError(f"{self.at}: rule: no expressions here: a name or a pattern can be checked by eye")
        if is_ip_key(rule.key):
            raise CatalogueError(f"{self.at}: rule: no addresses here: they change hands")
        name = to_text(wire_of_key(rule.key))
        if rule.kind is RuleKind.NAME and ("." not in name or is_public_suffix(name)):
            raise CatalogueError(f"{self.at}: rule: {name!r} is a public suffix: everybody's names are below it")
        return rule

    def of(self, service: Service) -> tuple[Rule, str, str, str, datetime.date]:
        """The fields of a `CatalogueEntry` for a service."""
        return self.rule(), service.id, self.one_of("surface", SURFACES), self.text("source"), self.date("seen")


def _service(at: str, key: str, service: str, services: Mapping[str, Service]) -> Service:
    if service not in services:
        raise CatalogueError(f"{at}: {key}: no service {service!r} in the catalogue")
    return services[service]


@dataclass(frozen=True, slots=True)
class _File:
    """Data file of one vendor, or of a part of the ways round the resolver."""

    vendor: Vendor
    services: dict[str, Service]
    domains: list[tuple[str, object]]  # with their places
    shared: list[tuple[str, object]]


def parsed_folder(folder: Path) -> dict[str, object]:
    """The data files of a folder, parsed and not checked yet. Raises CatalogueError."""
    return {where: _parsed(where, content) for where, content in data_files(folder)}


def _parsed(where: str, content: bytes) -> object:
    try:
        return parse_yaml(content)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-02-30
        raise CatalogueError(f"{where}: not readable as YAML: {error}") from error


def _file(where: str, loaded: object) -> _File:
    """Check one file's keys, vendor and place; its entries are read later."""
    data = _Mapping.checked(where, loaded, _FILE_KEYS)
    folder, _, file = where.partition("/")
    stem = file.removesuffix(".yaml")
    vendor, services = data.values["vendor"], data.values["services"]
    name = data.text("name")
    if not isinstance(services, dict) or not services:
        raise CatalogueError(f"{where}: services: expected a mapping of service names")
    domains, shared = data.entries("domains"), data.entries("shared")
    if folder == BYPASS:
        if vendor != BYPASS or list(services) != [stem]:
            raise CatalogueError(
                f"{where}: expected 'vendor: {BYPASS}' and the one service {stem!r}, as the file is named"
            )
    elif vendor != stem:
        raise CatalogueError(f"{where}: vendor: expected {stem!r}, as the file is named, not {vendor!r}")
    elif vendor in SETS or not _ID.match(vendor):
        raise CatalogueError(f"{where}: vendor: {vendor!r} cannot name a vendor")
    known = {service.id: service for service in _services(where, vendor, services)}
    texts = {key: data.texts(key, "texts") for key in ("serves_models_of", "limits")}
    closed = data.date("closed") if "closed" in data.values else None
    return _File(Vendor(vendor, name, KINDS[folder], **texts, closed=closed), known, domains, shared)


def _services(where: str, vendor: str, services: Mapping[object, object]) -> Iterator[Service]:
    for name, entry in services.items():
        at = f"{where}: services.{name}"
        if not isinstance(name, str) or not _ID.match(name):
            raise CatalogueError(f"{at}: a service is named with lower-case letters, digits and '-'")
        told = _Mapping.checked(at, entry, _SERVICE_KEYS)
        kind = told.one_of("kind", SERVICE_KINDS) if "kind" in told.values else None
        yield Service(f"{vendor}/{name}", vendor, told.text("name"), told.text("description"), kind)


def _domains(file: _File, services: Mapping[str, Service]) -> Iterator[CatalogueDomain]:
    for at, value in file.domains:
        entry = _Mapping.checked(at, value, _DOMAIN_KEYS)
        service = entry.service(file.vendor.id, services)
        yield CatalogueDomain(
            *entry.of(service),
            needed_by=entry.needed_by(service, services),
            response=entry.one_of("response", RESPONSES) if "response" in entry.values else None,
            note=entry.text("note") if "note" in entry.values else None,
        )


def _shared(file: _File, services: Mapping[str, Service]) -> Iterator[SharedName]:
    for at, value in file.shared:
        entry = _Mapping.checked(at, value, _SHARED_KEYS)
        yield SharedName(*entry.of(entry.service(file.vendor.id, services)), reason=entry.text("reason"))


def _check_once(domains: list[CatalogueDomain], shared: list[SharedName]) -> None:
    """Refuse the same rule twice in one service, and a rule that is both in force and shared."""
    pairs: set[tuple[Rule, str]] = set()
    for domain in domains:
        if (domain.rule, domain.service) in pairs:
            raise CatalogueError(f"{domain.service}: {domain.rule.text}: this rule is written twice in this service")
        pairs.add((domain.rule, domain.service))
    in_force = {domain.rule for domain in domains}
    for name in shared:
        if name.rule in in_force:
            raise CatalogueError(f"{name.service}: {name.rule.text}: both under 'domains' and under 'shared'")
        if (name.rule, name.service) in pairs:
            raise CatalogueError(f"{name.service}: {name.rule.text}: this shared name is written twice in this service")
        pairs.add((name.rule, name.service))
