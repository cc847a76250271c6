"""The JSON Schema: it holds together, and it agrees with the loader."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from resolver.config.json_schema import json_schema
from resolver.config.load import load_config

_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def _nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for key in ("properties", "$defs"):
        for below in schema.get(key, {}).values():
            yield from _nodes(below)
    for below in [*schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])]:
        yield from _nodes(below)


def _resolve(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    head, defs, name = node["$ref"].split("/")
    assert (head, defs) == ("#", "$defs")
    return root["$defs"][name]


def _is_type(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _valid(value: Any, node: dict[str, Any], root: dict[str, Any]) -> bool:
    """A validator of just the keywords that the schema uses."""
    node = {**_resolve(node, root), **{key: part for key, part in node.items() if key != "$ref"}}
    kinds = node.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    checks = [not kinds or any(_is_type(value, kind) for kind in kinds)]
    checks.append("anyOf" not in node or any(_valid(value, part, root) for part in node["anyOf"]))
    checks.append("enum" not in node or value in node["enum"])
    checks.append("const" not in node or value == node["const"])
    if isinstance(value, str):
        checks.append("pattern" not in node or re.search(node["pattern"], value) is not None)
        checks.append(node.get("minLength", 0) <= len(value) <= node.get("maxLength", len(value)))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        checks.append(node.get("minimum", value) <= value <= node.get("maximum", value))
        checks.append("exclusiveMinimum" not in node or value > node["exclusiveMinimum"])
    elif isinstance(value, list):
        checks.append(len(value) >= node.get("minItems", 0))
        checks += [_valid(entry, node["items"], root) for entry in value if "items" in node]
    elif isinstance(value, dict):
        known = node.get("properties", {})
        checks.append(set(node.get("required", ())) <= set(value))
        checks.append(node.get("additionalProperties", True) or set(value) <= set(known))
        checks += [_valid(part, known[key], root) for key, part in value.items() if key in known]
    return all(checks)


def test_the_schema_names_its_dialect_and_is_plain_json() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "moatdns configuration"
    assert json.loads(json.dumps(schema)) == schema


def test_every_keyword_and_type_is_one_of_the_draft() -> None:
    keywords = {
        "$schema", "$defs", "$ref", "title", "description", "default", "type", "properties", "required",
        "additionalProperties", "items", "minItems", "maxItems", "anyOf", "enum", "const", "pattern", "format",
        "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum",
    }  # fmt: skip
    root = json_schema()
    for node in _nodes(root):
        assert set(node) <= keywords
        kinds = node.get("type", [])
        assert {kinds} <= set(_TYPES) if isinstance(kinds, str) else set(kinds) <= set(_TYPES)
        assert _resolve(node, root)
        assert "pattern" not in node or re.compile(node["pattern"])
        if node.get("type") == "object" and "properties" in node:
            assert node["additionalProperties"] is False
            assert set(node.get("required", ())) <= set(node["properties"])


def test_every_key_has_a_description_and_a_default_that_is_valid() -> None:
    root = json_schema()
    for node in _nodes(root):
        for key, below in node.get("properties", {}).items():
            assert {**_resolve(below, root), **below}["description"], key
            assert key in node.get("required", ()) or _valid(below["default"], below, root), key


def test_durations_and_sizes_name_their_unit() -> None:
    units = {"seconds": "in seconds", "mib": "in MiB", "bytes": "in bytes"}
    for node in _nodes(json_schema()):
        for key, below in node.get("properties", {}).items():
            unit = units.get(key.rpartition("_")[2])
            assert unit is None or unit in below["description"], key


def test_limits_are_described_as_those_of_a_worker() -> None:
    for key, below in json_schema()["$defs"]["LimitsSection"]["properties"].items():
        assert "worker" in below["description"], key


def test_the_defaults_are_valid() -> None:
    root = json_schema()
    assert _valid(load_config(None).model_dump(mode="json", by_alias=True), root, root)
    assert _valid({}, root, root)


@pytest.mark.parametrize(
    "data",
    [
        {"workers": "${N}", "cache": {"prefetch": "${P:-true}", "max_mib": "${M}"}},
        {"policy": {"groups": [{"name": "a", "block": None, "mode": "${MODE}", "response": {"mode": "nodata"}}]}},
        {"policy": {"lists": [{"name": "${NAME}", "block": ["example.com"]}]}, "workers": 2},
    ],
)
def test_what_the_loader_takes_is_valid(data: dict[str, Any]) -> None:
    root = json_schema()
    assert _valid(data, root, root)


@pytest.mark.parametrize(
    "data",
    [
        {"wrokers": 2},
        {"workers": 0},
        {"workers": "two"},
        {"cache": {"prefetch": 3}},
        {"cache": {"max_mib": 0}},
        {"limits": {"clients": 0}},
        {"listen": {"do53": []}},
        {"listen": {"do53": "127.0.0.1:53"}},
        {"policy": {"groups": [{}]}},
        {"policy": {"groups": [{"name": "A"}]}},
        {"policy": {"response": {"mode": "adress"}}},
    ],
)
def test_what_the_loader_refuses_is_invalid(data: dict[str, Any]) -> None:
    root = json_schema()
    assert not _valid(data, root, root)
