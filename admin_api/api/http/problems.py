"""Errors as RFC 9457 problem documents: the one place where an exception becomes a status."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import web
from pydantic import BaseModel, Field

from admin_api.api.http.call import BadRequest
from admin_api.editing.errors import Invalid
from admin_api.store.errors import (
    Duplicate,
    Forbidden,
    InUse,
    NeedsAnother,
    NotFound,
    NothingLost,
    OwnedByFile,
    StaleVersion,
    StoreAway,
    StoreFull,
    TooMany,
    WrongKind,
    WrongState,
)
from resolver.system.safe_text import visible_json

CONTENT_TYPE = "application/problem+json"
_RETRY_SECONDS = "5"
_LATER = (503, 507)  # the same call may go well later

_STATUS: dict[type[Exception], int] = {
    Invalid: 422,
    NotFound: 404,
    Duplicate: 409,
    InUse: 409,
    OwnedByFile: 409,
    TooMany: 409,
    WrongKind: 409,
    WrongState: 409,
    NothingLost: 409,
    Forbidden: 403,
    NeedsAnother: 403,
    StaleVersion: 412,
    StoreFull: 507,
    StoreAway: 503,
}

EXPECTED: tuple[type[Exception], ...] = (BadRequest, web.HTTPException, *_STATUS)
"""Exceptions that are told to the client; nobody expects any other."""


class ProblemError(BaseModel):
    """One mistake in what was sent."""

    pointer: str = Field(description="JSON pointer (RFC 6901) into the body, or '/NAME' of a query parameter.")
    detail: str


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[ProblemError] = []


def problem(
    status: int, detail: str, errors: Sequence[tuple[str, str]] = (), headers: dict[str, str] | None = None
) -> web.Response:
    """A problem document."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "errors": [{"pointer": pointer, "detail": text} for pointer, text in errors],
    }
    return web.Response(
        status=status, body=visible_json(json.dumps(body)).encode(), content_type=CONTENT_TYPE, headers=headers
    )


@dataclass(frozen=True, slots=True)
class HttpProblem:
    """An expected exception as the client is told of it: status, detail, mistakes, headers."""

    status: int
    detail: str
    errors: Sequence[tuple[str, str]] = ()  # JSON pointer and what is wrong there
    headers: Mapping[str, str] = field(default_factory=dict)


def told_of(error: Exception) -> HttpProblem:
    """Translate an expected exception for the client."""
    if isinstance(error, BadRequest):
        return HttpProblem(error.status, error.detail, error.errors, error.headers)
    if isinstance(error, web.HTTPException):
        kept = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
        return HttpProblem(error.status, _DETAILS.get(error.status, error.reason), headers=kept)
    status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
    errors = error.errors if isinstance(error, Invalid) else ()
    detail = "what was sent cannot be used" if isinstance(error, Invalid) else str(error)
    return HttpProblem(status, detail, errors, {"Retry-After": _RETRY_SECONDS} if status in _LATER else {})


def problem_of(error: Exception) -> web.Response | None:
    """Return the problem document for an exception; None for one that nobody expected."""
    if not isinstance(error, EXPECTED):
        return None
    what = told_of(error)
    return problem(what.status, what.detail, what.errors, dict(what.headers))


_DETAILS = {
    404: "there is nothing at this path",
    405: "this method is not known here; Allow says which are",
    413: "the body is too large",
}
