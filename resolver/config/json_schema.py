"""The JSON Schema (draft 2020-12) of the config file, for editors and for `moatdns schema`."""

from __future__ import annotations

from typing import Any

from resolver.config.schema import Config

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = r"\$\{"  # text that the environment fills in


def json_schema() -> dict[str, object]:
    """The schema as plain data. Where a number, a switch or a word is due, ``${VAR}`` is accepted as well."""
    schema = _for_editors(Config.model_json_schema())
    return {"$schema": _DIALECT, **schema, "title": "moatdns configuration"}


def _for_editors(node: Any) -> Any:
    if isinstance(node, list):
        return [_for_editors(part) for part in node]
    if not isinstance(node, dict):
        return node
    admitted = {key: value if key == "default" else _for_editors(value) for key, value in node.items()}
    if isinstance(node.get("description"), str):
        admitted["description"] = " ".join(node["description"].split())  # of a docstring of several lines
    kind = node.get("type")
    if kind in ("integer", "number", "boolean"):  # the pattern concerns text only, the bounds numbers only
        return {**admitted, "type": [kind, "string"], "pattern": _REFERENCE}
    if kind == "string" and "pattern" in node:
        return {**admitted, "pattern": f"{node['pattern']}|{_REFERENCE}"}
    if kind == "string" and "enum" in node:
        words = {"enum": admitted.pop("enum"), "type": admitted.pop("type")}
        return {**admitted, "anyOf": [words, {"type": "string", "pattern": _REFERENCE}]}
    return admitted
