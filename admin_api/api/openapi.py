"""The API's description (OpenAPI 3.1), made from the routes and models that run, so that it cannot drift."""

from __future__ import annotations

import functools
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, JsonSchemaValue, models_json_schema

from admin_api.api.http.call import IN_FORCE_HEADER
from admin_api.api.http.plain_text import TEXT
from admin_api.api.http.problems import CONTENT_TYPE
from admin_api.api.models.changes import ChangeWaits
from admin_api.api.models.common import Problem
from admin_api.api.people import PERSONS
from admin_api.api.route import Route, operation_name
from admin_api.api.routes import ROUTES
from admin_api.second_owner.ways import MAY_WAIT
from resolver import __version__

_Names = Mapping[tuple[Any, JsonSchemaMode], JsonSchemaValue]  # references to the models' schemas
_REF = "#/components/schemas/{model}"
_PLACE = re.compile(r"\{(\w+):([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}")
_WHY = {
    304: "Not changed: If-None-Match",
    400: "Cannot be parsed",
    401: "No token, or a wrong one",
    403: "The token's roles are not enough",
    404: "No such thing",
    409: "Already exists, in use, or owned by the config file",
    412: "Changed meanwhile: If-Match",
    413: "The body is too large",
    415: "Not JSON",
    421: "A Host that is not known here",
    422: "The input is invalid; `errors` says where and why",
    428: "If-Match is missing",
    429: "Too many wrong tokens from this address",
    500: "Internal error",
    503: "The store is unavailable; DNS continues",
    507: "The disk is full; DNS continues",
}


@functools.cache
def document() -> bytes:
    """The description as JSON."""
    modes: list[tuple[type[BaseModel], JsonSchemaMode]] = [(Problem, "serialization"), (ChangeWaits, "serialization")]
    for route in ROUTES:
        if route.body is not None:
            modes.append((route.body, "validation"))
        modes += [(model, "serialization") for model in route.replies.values() if model is not None]
    names, definitions = models_json_schema(list(dict.fromkeys(modes)), ref_template=_REF)
    paths: defaultdict[str, JsonSchemaValue] = defaultdict(dict)
    for route in ROUTES:
        path = _PLACE.sub(r"{\1}", route.path)
        paths[path][route.method.lower()] = _operation(route, names)
    described = {
        "openapi": "3.1.0",
        "info": {
            "title": "moatdns admin API",
            "version": __version__,
            "description": "Lists, groups, exemptions, leases and tokens of a DNS resolver that enforces a company's "
            "AI-access policy. "
            "A change is in force in every worker when its 2xx arrives.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},  # a token of role firewall
            },
        },
    }
    return json.dumps(described, indent=1).encode()


def _operation(route: Route, names: _Names) -> JsonSchemaValue:
    operation: JsonSchemaValue = {
        "operationId": f"{route.handler.__module__.rpartition('.')[2]}_{route.handler.__name__}",
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": _responses(route, names),
    }
    if route.role is not None:
        persons = PERSONS.get(operation_name(route))
        operation["description"] = f"Least role: {route.role}." + (f" {persons.told}" if persons else "")
        operation["security"] = [{"token": []}, *([{"password": []}] if route.takes_basic else [])]
    if route.body is not None:
        schema = names[route.body, "validation"]
        operation["requestBody"] = {"required": route.needs_body, "content": {"application/json": {"schema": schema}}}
    return operation


def _path_parameters(route: Route) -> list[JsonSchemaValue]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": f"^{pattern}$"}}
        for name, pattern in _PLACE.findall(route.path)
    ]


def _query_parameters(route: Route) -> list[JsonSchemaValue]:
    if route.query is None:
        return []
    schema = route.query.model_json_schema(by_alias=True)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _without_null(part)}
        for name, part in schema["properties"].items()
    ]


def _without_null(schema: JsonSchemaValue) -> JsonSchemaValue:
    """A query parameter is there or not; it is never null."""
    choices = [choice for choice in schema.get("anyOf", []) if choice.get("type") != "null"]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default", "title")}
    if schema.get("default") is not None:
        rest["default"] = schema["default"]
    return {**rest, **(choices[0] if len(choices) == 1 else {"anyOf": choices} if choices else {})}


def _header_parameters(route: Route) -> list[JsonSchemaValue]:
    names = ["If-Match"] if 412 in route.may_fail_with else ["If-None-Match"] if TEXT in route.other_types else []
    return [{"name": name, "in": "header", "required": False, "schema": {"type": "string"}} for name in names]


def _responses(route: Route, names: _Names) -> JsonSchemaValue:
    found: JsonSchemaValue = {}
    may_wait = operation_name(route) in MAY_WAIT
    for status, model in {**({202: None} if may_wait else {}), **route.replies}.items():
        content: JsonSchemaValue = {}
        models = [one for one in (model, ChangeWaits if may_wait and status == 202 else None) if one is not None]
        if models:
            schemas = [names[one, "serialization"] for one in models]
            content = {"application/json": {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}
        if status == 200:
            content |= {kind: {"schema": {"type": "string"}} for kind in route.other_types}
        found[str(status)] = {
            "description": route.summary,
            **({"content": content} if content else {}),
            **_headers(route, status),
        }
    if TEXT in route.other_types:
        found["304"] = {"description": _WHY[304]}
    errors = {421, 422, 500, 503, *route.may_fail_with}
    errors |= {401, 403, 429} if route.role else set()
    errors |= {404, 409} if may_wait else set()
    errors |= {507} if route.method != "GET" else set()
    errors |= {400, 413, 415} if route.body else {400}
    problem = {CONTENT_TYPE: {"schema": names[Problem, "serialization"]}}
    for status in sorted(errors - set(route.replies)):
        found[str(status)] = {"description": _WHY[status], "content": problem}
    return dict(sorted(found.items()))


def _headers(route: Route, status: int) -> JsonSchemaValue:
    headers: JsonSchemaValue = {}
    if status == 201:
        headers["Location"] = {"schema": {"type": "string"}}
    if route.role in ("operator", "admin") and route.method != "GET" and status < 300:
        why = "'false' if the change is stored, but not yet in force in every worker"
        headers[IN_FORCE_HEADER] = {"description": why, "schema": {"type": "string"}}
    return {"headers": headers} if headers else {}
