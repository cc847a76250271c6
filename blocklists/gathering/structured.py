"""Registers of data: models.dev's TOML tree, catwalk's and LiteLLM's JSON. All readers raise CatalogueError."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path

from blocklists.gathering.registers import MOST_FILES, MOST_TOML_OCTETS, Provider, Told, bounded, line_of, read_text
from resolver.errors import CatalogueError


def files_of(folder: Path, pattern: str) -> list[Path]:
    """Files in a folder, in order. Raises CatalogueError if there are none, or too many."""
    found: list[Path] = []
    for path in folder.glob(pattern):
        if path.is_file():
            found.append(path)
        if len(found) > MOST_FILES:
            raise CatalogueError(f"{folder}: more than {MOST_FILES} files {pattern}: name the register's own folder")
    return sorted(found)


def read_models_dev(path: Path) -> tuple[Provider, ...]:
    """Providers of models.dev: its checkout, its folder ``providers``, or one ``provider.toml``."""
    folder = path / "providers" if (path / "providers").is_dir() else path
    files = [path] if path.is_file() else files_of(folder, "*/provider.toml")
    return bounded([_toml(file, f"{file.parent.name}/{file.name}") for file in files], str(path))


def _toml(path: Path, where: str) -> Provider:
    text = read_text(path, most=MOST_TOML_OCTETS)
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CatalogueError(f"{path}: not readable as TOML: {error}") from error
    addresses = [Told(_text(path, text, data, "api"), f"{where}:{line_of(text, 'api')}")] if "api" in data else []
    documents = [Told(_text(path, text, data, "doc"), f"{where}:{line_of(text, 'doc')}")] if "doc" in data else []
    name = _text(path, text, data, "name") if "name" in data else path.parent.name
    return Provider(path.parent.name, name, tuple(addresses), tuple(documents))


def read_catwalk(path: Path) -> tuple[Provider, ...]:
    """Providers of catwalk: its checkout, a folder of JSON files, or one of them."""
    configs = path / "internal" / "providers" / "configs"
    folder = configs if configs.is_dir() else path
    files = [path] if path.is_file() else files_of(folder, "*.json")
    providers = []
    for file in files:
        text, data = read_json(file)
        if not isinstance(data, dict) or "id" not in data:
            raise CatalogueError(f"{file}:1: expected one provider with 'id', 'name' and 'api_endpoint'")
        where = f"{file.name}:{line_of(text, 'api_endpoint')}"
        told = (Told(_text(file, text, data, "api_endpoint"), where),) if data.get("api_endpoint") else ()
        name = _text(file, text, data, "name") if "name" in data else _text(file, text, data, "id")
        providers.append(Provider(_text(file, text, data, "id"), name, told))
    return bounded(providers, str(path))


def read_litellm(path: Path) -> tuple[Provider, ...]:
    """Providers of LiteLLM: ``providers.json`` with base URLs, or the prices of models, most of which tell no host."""
    text, data = read_json(path)
    if not isinstance(data, dict):
        raise CatalogueError(f"{path}:1: expected an object of providers, or of models with 'litellm_provider'")
    found: dict[str, list[Told]] = {}
    documents: dict[str, dict[str, Told]] = {}
    for key, value in data.items():
        if not isinstance(value, dict):
            raise CatalogueError(f"{path}:{line_of(text, json.dumps(key))}: {key!r}: expected an object")
        if key == "sample_spec":
            continue
        id_ = value.get("litellm_provider", key)
        if not isinstance(id_, str):
            raise CatalogueError(f"{path}:{line_of(text, json.dumps(key))}: {key!r}: litellm_provider: expected text")
        told = found.setdefault(id_, [])
        if isinstance(source := value.get("source"), str) and source.startswith("https://"):
            documents.setdefault(id_, {}).setdefault(source, Told(source, path.name))
        for field in ("base_url", "api_base"):
            if value.get(field):
                told.append(Told(_text(path, text, value, field), f"{path.name}:{line_of(text, json.dumps(key))}"))
    providers = [Provider(id_, id_, tuple(told), tuple(documents.get(id_, {}).values())) for id_, told in found.items()]
    return bounded(providers, str(path))


def read_json(path: Path) -> tuple[str, object]:
    """The text of a JSON file, and what it says."""
    text = read_text(path)
    try:
        return text, json.loads(text)
    except json.JSONDecodeError as error:
        mend = "; a merge left both sides in it" if _has_conflict(text.splitlines()) else ""
        raise CatalogueError(f"{path}:{error.lineno}: not readable as JSON: {error.msg}{mend}") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; brackets in brackets
        raise CatalogueError(f"{path}:1: not readable as JSON: {error}") from error


def _has_conflict(lines: Iterable[str]) -> bool:
    return any(line.startswith(("<<<<<<< ", ">>>>>>> ")) for line in lines)


def _text(path: Path, text: str, data: dict[str, object], key: str) -> str:
    value = data[key]
    if not isinstance(value, str):
        raise CatalogueError(f"{path}:{line_of(text, key)}: {key}: expected text, not {str(value)[:40]!r}")
    return value
