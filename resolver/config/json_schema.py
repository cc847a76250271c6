"""The JSON Schema (draft 2020-12) of the config file, for editors and for `moatdns schema`."""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema

from resolver.config.schema import Config

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = r"\$\{"  # text that the environment fills in


def json_schema() -> dict[str, object]:
    """The schema as plain data. Where a number, a switch or a word is due, ``${VAR}`` is accepted as well."""
    schema = _for_editors(Config.model_json_schema(schema_generator=_Described))
    return {"$schema": _DIALECT, **schema, "title": "moatdns configuration"}


class _Described(GenerateJsonSchema):
    """A key's docstring is its description. Pydantic would read them at each import."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        """The schema of one section."""
        made = super().model_schema(schema)
        fields = schema["cls"].model_fields
        docstrings = _docstrings(schema["cls"])
        for name, field in fields.items():
            if name in docstrings:
                made["properties"][field.alias or name].setdefault("description", docstrings[name])
        return made


def _docstrings(section: type[BaseModel]) -> dict[str, str]:
    """The docstrings of a section's keys, those of its bases among them."""
    found = {}
    for base in reversed(section.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
            for key, below in pairwise(ast.iter_child_nodes(tree.body[0])):
                match key, below:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                        found[name] = inspect.cleandoc(text)
    return found


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
