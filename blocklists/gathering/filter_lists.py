"""Registers made to filter: v2fly's files of domains and AdGuard's services. All readers raise CatalogueError."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from blocklists.gathering.registers import MOST_YAML_OCTETS, Provider, Told, ToldReach, bounded, line_of, read_text
from blocklists.gathering.structured import files_of, read_json
from resolver.errors import CatalogueError

_V2FLY_NAME = re.compile(r"[A-Za-z0-9!][A-Za-z0-9!_.-]{0,99}\Z")
_MOST_INCLUDES: Final = 500
_KINDS: Final = {
    "": ToldReach.BELOW,
    "domain": ToldReach.BELOW,
    "full": ToldReach.HOST,
    "keyword": ToldReach.PATTERN,
    "regexp": ToldReach.PATTERN,
}
_NAME = re.compile(r"[\w.-]+\Z")
_ADGUARD = re.compile(r"(?P<exact>\|)?(?P<below>\|)?(?P<name>[\w.-]+)\^(?:\$.*)?\Z")
_AI_GROUP: Final = "ai"


def read_v2fly(path: Path) -> tuple[Provider, ...]:
    """A file of v2fly's ``data/`` with those that it includes; each file is a provider."""
    if path.is_dir():
        raise CatalogueError(f"{path}: has lists of all kinds: name the files that you mean, as {path}/category-ai-!cn")
    providers: list[Provider] = []
    wanted, seen = [(path.name, str(path))], {path.name}
    while wanted:
        name, asked_at = wanted.pop(0)
        file = path.parent / name
        if not file.is_file():
            raise CatalogueError(f"{asked_at}: includes {name!r}, which is not in {path.parent}: get the whole folder")
        names: list[Told] = []
        for told, included in _v2fly_lines(file):
            if told:
                names.append(told)
            elif included not in seen:
                seen.add(included)
                wanted.append((included, str(file)))
        if len(seen) > _MOST_INCLUDES:
            raise CatalogueError(f"{path}: includes more than {_MOST_INCLUDES} files")
        providers.append(Provider(name, name, tuple(names)))
    return bounded(providers, str(path))


def _v2fly_lines(path: Path) -> Iterator[tuple[Told | None, str]]:
    """Each line as a name, or as the file that it includes."""
    for number, line in enumerate(read_text(path).splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        kind, separator, value = words[0].partition(":")
        if not separator:
            kind, value = "", words[0]
        if bad := next((word for word in words[1:] if word[0] not in "@&"), None):
            raise CatalogueError(
                f"{path}:{number}: {bad!r}: behind a name stand '@' with an attribute or '&' with a list"
            )
        if kind == "include" and _V2FLY_NAME.match(value):
            yield None, value
        elif kind in _KINDS and value:
            reach = ToldReach.TRACKING if "@ads" in words else _KINDS[kind]
            yield Told(value, f"{path.name}:{number}", reach), ""
        else:
            raise CatalogueError(
                f"{path}:{number}: {words[0][:60]!r}: expected a name, or domain:, full:, keyword:, regexp: or include:"
            )


def read_adguard(path: Path) -> tuple[Provider, ...]:
    """AdGuard's services: its services.json, a folder of YAML files (of both those of the group 'ai'), or one file."""
    if path.is_file() and path.suffix == ".json":
        text, data = read_json(path)
        services = data.get("blocked_services") if isinstance(data, dict) else None
        if not isinstance(services, list):
            raise CatalogueError(f"{path}:1: expected 'blocked_services' with a list of services")
        found = [(str(path), text, service) for service in services]
    else:
        files = [path] if path.is_file() else [*files_of(path, "*.yml"), *files_of(path, "*.yaml")]
        found = [_service_file(file) for file in files]
    providers = [
        _service(where, text, service)
        for where, text, service in found
        if len(found) == 1 or (isinstance(service, dict) and service.get("group") == _AI_GROUP)
    ]
    if found and not providers:
        raise CatalogueError(f"{path}: no service of the group {_AI_GROUP!r} in it: name the files of single services")
    return bounded(providers, str(path))


def _service_file(path: Path) -> tuple[str, str, object]:
    text = read_text(path, most=MOST_YAML_OCTETS)
    try:
        return str(path), text, yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise CatalogueError(f"{path}:{line}: not readable as YAML: {getattr(error, 'problem', error)}") from error


def _service(where: str, text: str, service: object) -> Provider:
    if not isinstance(service, dict) or not isinstance(service.get("id"), str):
        raise CatalogueError(f"{where}:1: expected a service with 'id', 'name' and 'rules'")
    id_, rules = service["id"], service.get("rules")
    if not isinstance(rules, list) or not all(isinstance(rule, str) for rule in rules):
        raise CatalogueError(f"{where}:{line_of(text, id_)}: {id_}: rules: expected a list of texts")
    names = []
    for rule in rules:
        at = f"{Path(where).name}:{line_of(text, rule)}"
        match = _ADGUARD.match(rule.strip())
        if match is None:
            names.append(Told(rule, at, ToldReach.PATTERN))
        else:
            reach = ToldReach.BELOW if match["below"] else ToldReach.HOST
            names.append(Told(match["name"], at, reach))
    return Provider(id_, str(service.get("name") or id_), tuple(names))
