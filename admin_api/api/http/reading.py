"""Strict readers of query parameters and JSON bodies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ValidationError

from admin_api.api.models.common import JsonObject
from admin_api.editing.errors import pointer
from admin_api.editing.refusals import BadRequest
from resolver.config.mistakes import sentences

MOST_BODY_BYTES = 16 << 20
_JSON = ("application/json", "application/merge-patch+json")
BROKEN = (web.RequestPayloadError, ConnectionError)  # what reading a body raises where it is broken, or breaks off


def read_query(request: web.Request, model: type[BaseModel] | None) -> Any:
    """The query parameters as a model. Raises BadRequest."""
    given = request.rel_url.query
    twice = sorted({name for name in given if len(given.getall(name)) > 1})
    if twice:
        raise BadRequest(422, "a query parameter is given twice", [(f"/{name}", "is given twice") for name in twice])
    if model is None:
        if given:
            errors = [(f"/{name}", "is not a known query parameter: there are none") for name in given]
            raise BadRequest(422, "query parameters are invalid", errors)
        return None
    return check_query(given, model)


def check_query(given: Mapping[str, object], model: type[BaseModel]) -> Any:
    """Query parameters as a model. Raises BadRequest."""
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        errors = [(pointer(path), text) for path, text in sentences(error, model)]
        raise BadRequest(422, "query parameters are invalid", errors) from None


async def read_body(request: web.Request, model: type[BaseModel], *, may_lack: bool = False) -> JsonObject:
    """The JSON object that was sent, in the shape of a model; none is an empty one if it `may_lack`.

    Raises BadRequest.
    """
    if may_lack and not request.can_read_body:
        return {}
    if request.content_type not in _JSON:
        raise BadRequest(415, f"send JSON: Content-Type {_JSON[0]}", Accept=", ".join(_JSON))
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise BadRequest(413, f"the body is larger than {MOST_BODY_BYTES >> 20} MiB: send it in parts") from None
    except BROKEN:
        raise BadRequest(400, "the body is not encoded as its headers say, or is truncated") from None
    body = parse_json(raw)
    if not isinstance(body, dict):
        raise BadRequest(422, "what was sent cannot be used", [("", "should be a JSON object")])
    return check_body(body, model)


async def read_within(request: web.BaseRequest, most_bytes: int, seconds: float) -> bytes | None:
    """The body as it is; None where it is longer than that, broken, or does not come in time."""
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > most_bytes:
                    return None
    except (OSError, web.RequestPayloadError):  # TimeoutError is an OSError
        return None
    return bytes(body)


def check_body(body: JsonObject, model: type[BaseModel]) -> JsonObject:
    """A JSON object that is in the shape of a model. Raises BadRequest."""
    try:
        model.model_validate(body)
    except ValidationError as error:
        errors = [(pointer(path), text) for path, text in sentences(error, model)]
        raise BadRequest(422, "what was sent cannot be used", errors[:100]) from None
    return body


def parse_json(raw: bytes) -> Any:
    """JSON as RFC 8259 has it: UTF-8, no name twice, no NaN. Raises BadRequest."""
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise BadRequest(400, f"the body is not UTF-8 at octet {error.start}") from None
    except json.JSONDecodeError as error:
        raise BadRequest(400, f"the body is not JSON: {error.msg}, line {error.lineno} column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        raise BadRequest(400, f"the JSON of the body cannot be used: {why}") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")
