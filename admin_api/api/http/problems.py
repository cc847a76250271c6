"""Errors as RFC 9457 problem documents: the one place where an exception becomes a status."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web

from admin_api.editing.refusals import REFUSALS, RefusedCall, refusal_of
from resolver.system.safe_text import visible_json

CONTENT_TYPE = "application/problem+json"
EXPECTED: tuple[type[Exception], ...] = (web.HTTPException, *REFUSALS)
"""Exceptions that are told to the client; nobody expects any other."""


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


def told_of(error: Exception) -> RefusedCall:
    """Translate an expected exception for the client."""
    if isinstance(error, web.HTTPException):
        kept = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
        return RefusedCall(error.status, _DETAILS.get(error.status, error.reason), headers=kept)
    return refusal_of(error)


def problem_of(error: Exception) -> web.Response | None:
    """Return the problem document for an exception; None for one that nobody expected."""
    if not isinstance(error, EXPECTED):
        return None
    what = told_of(error)
    return problem(what.status, what.detail, what.errors, dict(what.headers))


_DETAILS = {
    404: "there is nothing at this path",
    405: "this method is not allowed here; see Allow",
    413: "the body is too large",
}
