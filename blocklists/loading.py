"""Read and check the catalogue's data files."""

from __future__ import annotations

import datetime
import re
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml

from blocklists.catalogue import (
    AI,
    BYPASS,
    GATEWAYS,
    RESPONSES,
    SURFACES,
    Catalogue,
    CatalogueDomain,
    Service,
    SharedName,
    Vendor,
)
from blocklists.data_files import KINDS, data_files, digest_of
from resolver.config.suffixes import is_public_suffix
from resolver.errors import CatalogueError, RuleError
from resolver.policy.rule_syntax import Rule, RuleKind, parse_rule
from resolver.wire.names import to_text, wire_of_key

_RESERVED = frozenset({AI, BYPASS, GATEWAYS, "lists"})  # what `block` and `allow` use for sets; never a vendor
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")

# required, optional
_FILE_KEYS = ({"vendor", "name", "services", "domains"}, {"shared", "serves_models_of", "limits"})
_SERVICE_KEYS: tuple[set[str], set[str]] = ({"name", "description"}, set())
_DOMAIN_KEYS = ({"rule", "service", "surface", "source", "seen"}, {"needed_by", "response", "note"})
_SHARED_KEYS: tuple[set[str], set[str]] = ({"rule", "service", "surface", "reason", "source", "seen"}, set())


def load_catalogue(folder: Path | None = None, fingerprint: str | None = None) -> Catalogue:
    """Read and check every data file in `folder` (the bundled ones if None). Raises CatalogueError.

    With `fingerprint`, what is there has to have that one.
    """
    about: dict[str, Vendor] = {}
    services: dict[str, Service] = {}
    domains: list[CatalogueDomain] = []
    shared: list[SharedName] = []
    contents = data_files(folder)
    if fingerprint is not None and digest_of(contents) != fingerprint:
        raise CatalogueError(f"{folder}: the content is not what was written: somebody has changed it")
    files = {where: _parse(where, content) for where, content in contents}
    for where, data in files.items():
        vendor = _vendor(where, data)
        known = about.setdefault(vendor.id, vendor)
        if known.kind != vendor.kind:
            raise CatalogueError(f"{where}: vendor: {vendor.id!r} has a file in another folder already")
        if vendor.kind == "bypass":
            about[vendor.id] = Vendor(vendor.id, vendor.name, "bypass", (), known.limits + vendor.limits)
        services |= {service.id: service for service in _services(where, data)}
    for where, data in files.items():  # a second pass, since needed_by may name a service of a later file
        domains += _domains(where, data, services)
        shared += _shared(where, data, services)
    _check_once(domains, shared)
    return Catalogue(
        dict(sorted(about.items())),
        dict(sorted(services.items())),
        tuple(domains),
        tuple(shared),
        digest_of(contents),
    )


class _Loader(yaml.CSafeLoader):
    """CSafeLoader that refuses a key written twice: the later one would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise yaml.constructor.ConstructorError(None, None, f"key {twice[0]!r} is written twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _parse(where: str, content: bytes) -> dict[str, Any]:
    """One file's mapping, with its keys, vendor and place checked."""
    try:
        data = yaml.load(content, _Loader)  # noqa: S506  a subclass of CSafeLoader
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-02-30
        raise CatalogueError(f"{where}: not readable as YAML: {error}") from error
    _check_keys(where, data, _FILE_KEYS)
    folder, _, file = where.partition("/")
    stem = file.removesuffix(".yaml")
    vendor, services = data["vendor"], data["services"]
    _text(where, data, "name")
    if not isinstance(services, dict) or not services:
        raise CatalogueError(f"{where}: services: expected a mapping of service names")
    for list_name in ("domains", "shared"):
        if not isinstance(data.get(list_name, []), list):
            raise CatalogueError(f"{where}: {list_name}: expected a list")
    if folder == BYPASS:
        if vendor != BYPASS or list(services) != [stem]:
            raise CatalogueError(
                f"{where}: expected 'vendor: {BYPASS}' and the one service {stem!r}, as the file is named"
            )
    elif vendor != stem:
        raise CatalogueError(f"{where}: vendor: expected {stem!r}, as the file is named, not {vendor!r}")
    elif vendor in _RESERVED or not _ID.match(vendor):
        raise CatalogueError(f"{where}: vendor: {vendor!r} cannot name a vendor")
    return dict(data)


def _vendor(where: str, data: dict[str, Any]) -> Vendor:
    texts: dict[str, tuple[str, ...]] = {}
    for key in ("serves_models_of", "limits"):
        value = data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
            raise CatalogueError(f"{where}: {key}: expected a list of texts, not {value!r}")
        texts[key] = tuple(value)
    return Vendor(data["vendor"], data["name"], KINDS[where.partition("/")[0]], **texts)


def _services(where: str, data: dict[str, Any]) -> Iterator[Service]:
    vendor = data["vendor"]
    for name, entry in data["services"].items():
        at = f"{where}: services.{name}"
        if not isinstance(name, str) or not _ID.match(name):
            raise CatalogueError(f"{at}: a service is named with lower-case letters, digits and '-'")
        _check_keys(at, entry, _SERVICE_KEYS)
        yield Service(f"{vendor}/{name}", vendor, _text(at, entry, "name"), _text(at, entry, "description"))


def _domains(where: str, data: dict[str, Any], services: dict[str, Service]) -> Iterator[CatalogueDomain]:
    for at, entry in _entries(where, data, "domains"):
        _check_keys(at, entry, _DOMAIN_KEYS)
        service = _service(at, "service", f"{data['vendor']}/{_text(at, entry, 'service')}", services)
        yield CatalogueDomain(
            rule=_rule(at, entry),
            service=service,
            surface=_one_of(at, entry, "surface", SURFACES),
            needed_by=_needed_by(at, entry, services[service], services),
            source=_text(at, entry, "source"),
            seen=_date(at, entry),
            response=_one_of(at, entry, "response", RESPONSES) if "response" in entry else None,
            note=_text(at, entry, "note") if "note" in entry else None,
        )


def _shared(where: str, data: dict[str, Any], services: dict[str, Service]) -> Iterator[SharedName]:
    for at, entry in _entries(where, data, "shared"):
        _check_keys(at, entry, _SHARED_KEYS)
        yield SharedName(
            rule=_rule(at, entry),
            service=_service(at, "service", f"{data['vendor']}/{_text(at, entry, 'service')}", services),
            surface=_one_of(at, entry, "surface", SURFACES),
            reason=_text(at, entry, "reason"),
            source=_text(at, entry, "source"),
            seen=_date(at, entry),
        )


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


def _entries(where: str, data: dict[str, Any], list_name: str) -> Iterator[tuple[str, Any]]:
    """The entries of a list, each with the place that an error names: file, list, index and rule."""
    for index, entry in enumerate(data.get(list_name, [])):
        rule = f" ({entry['rule']})" if isinstance(entry, dict) and "rule" in entry else ""
        yield f"{where}: {list_name}[{index}]{rule}", entry


def _check_keys(at: str, entry: object, keys: tuple[set[str], set[str]]) -> None:
    required, optional = keys
    if not isinstance(entry, dict):
        raise CatalogueError(f"{at}: expected a mapping with {', '.join(sorted(required))}")
    if unknown := sorted(str(key) for key in entry if key not in required | optional):
        raise CatalogueError(f"{at}: unknown key {unknown[0]!r}; known are {', '.join(sorted(required | optional))}")
    if missing := sorted(required - entry.keys()):
        raise CatalogueError(f"{at}: {missing[0]!r} is missing")


def _text(at: str, entry: dict[str, Any], key: str) -> str:
    value = entry[key]
    if not isinstance(value, str) or not value.strip():
        raise CatalogueError(f"{at}: {key}: expected text, not {value!r}")
    return value


def _one_of(at: str, entry: dict[str, Any], key: str, known: tuple[str, ...]) -> str:
    value = _text(at, entry, key)
    if value not in known:
        raise CatalogueError(f"{at}: {key}: {value!r} is none of {', '.join(known)}")
    return value


def _date(at: str, entry: dict[str, Any]) -> datetime.date:
    value = entry["seen"]
    if not isinstance(value, datetime.date) or isinstance(value, datetime.datetime):
        raise CatalogueError(f"{at}: seen: expected a date such as 2026-11-01, not {value!r}")
    return value


def _service(at: str, key: str, service: str, services: dict[str, Service]) -> str:
    if service not in services:
        raise CatalogueError(f"{at}: {key}: no service {service!r} in the catalogue")
    return service


def _needed_by(at: str, entry: dict[str, Any], own: Service, services: dict[str, Service]) -> tuple[str, ...]:
    """`needed_by` as service ids: a short name is of the same vendor, ``vendor/service`` of any."""
    names = entry.get("needed_by", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CatalogueError(f"{at}: needed_by: expected a list of services, not {names!r}")
    ids = tuple(_service(at, "needed_by", n if "/" in n else f"{own.vendor}/{n}", services) for n in names)
    if own.id in ids or len(set(ids)) < len(ids):
        raise CatalogueError(f"{at}: needed_by: each other service once, and not {own.id!r} itself")
    return ids


def _rule(at: str, entry: dict[str, Any]) -> Rule:
    try:
        rule = parse_rule(_text(at, entry, "rule"))
    except RuleError as error:
        raise CatalogueError(f"{at}: rule: {error}") from error
    if rule.kind is RuleKind.REGEX:
        raise CatalogueError(f"{at}: rule: no expressions here: a name or a pattern can be checked by eye")
    name = to_text(wire_of_key(rule.key))
    if rule.kind is RuleKind.NAME and ("." not in name or is_public_suffix(name)):
        raise CatalogueError(f"{at}: rule: {name!r} is a public suffix: everybody's names are below it")
    return rule
