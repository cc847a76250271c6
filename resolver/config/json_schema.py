"""The JSON Schema (draft 2020-12) of the config file, for editors and for `moatdns schema`."""

from __future__ import annotations

from typing import Any

from resolver.config.schema import Config

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = r"\$\{"  # text that the environment fills in


def json_schema() -> dict[str, object]:
    """The schema as plain data. Where a number, a switch or a word is due, ``${VAR}`` is accepted as well."""
    schema = _admit_references(Config.model_json_schema())
    return {"$schema": _DIALECT, **schema, "title": "moatdns configuration"}


def _admit_references(node: Any) -> Any:
    if isinstance(node, list):
        return [_admit_references(part) for part in node]
    if not isinstance(node, dict):
        return node
    admitted = {key: value if key == "default" else _admit_references(value) for key, value in node.items()}
    kind = node.get("type")
    if kind in ("integer", "number", "boolean"):  # the pattern concerns text only, the bounds numbers only
        return {**admitted, "type": [kind, "string"], "pattern": _REFERENCE}
    if kind == "string" and "pattern" in node:
        return {**admitted, "pattern": f"{node['pattern']}|{_REFERENCE}"}
    if kind == "string" and "enum" in node:
        words = {"enum": admitted.pop("enum"), "type": admitted.pop("type")}
        return {**admitted, "anyOf": [words, {"type": "string", "pattern": _REFERENCE}]}
    return admitted
