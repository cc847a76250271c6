"""Errors that are a caller's to know, each with the status that HTTP has for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from admin_api.editing.errors import Invalid
from admin_api.store import errors as store_errors

_RETRY_SECONDS = "5"
_LATER = (503, 507)  # the same call may go well later

_STATUS: dict[type[Exception], int] = {
    Invalid: 422,
    store_errors.NotFound: 404,
    store_errors.Duplicate: 409,
    store_errors.InUse: 409,
    store_errors.OwnedByFile: 409,
    store_errors.TooMany: 409,
    store_errors.WrongKind: 409,
    store_errors.WrongState: 409,
    store_errors.NothingLost: 409,
    store_errors.Forbidden: 403,
    store_errors.NeedsAnother: 403,
    store_errors.StaleVersion: 412,
    store_errors.StoreFull: 507,
    store_errors.StoreAway: 503,
}


class BadRequest(Exception):
    """A call that cannot be understood. `status` is what HTTP calls it."""

    def __init__(self, status: int, detail: str, errors: list[tuple[str, str]] | None = None, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors or []
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


REFUSALS: Final[tuple[type[Exception], ...]] = (BadRequest, *_STATUS)
"""Errors that `refusal_of` translates."""


@dataclass(frozen=True, slots=True)
class RefusedCall:
    """An expected error as the client is told of it: status, detail, mistakes, headers."""

    status: int
    detail: str
    errors: Sequence[tuple[str, str]] = ()  # JSON pointer and what is wrong there
    headers: Mapping[str, str] = field(default_factory=dict)


def refusal_of(error: Exception) -> RefusedCall:
    """Translate one of REFUSALS for the client."""
    if isinstance(error, BadRequest):
        return RefusedCall(error.status, error.detail, error.errors, error.headers)
    status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
    if isinstance(error, Invalid):
        return RefusedCall(status, "what was sent cannot be used", error.errors)
    return RefusedCall(status, str(error), headers={"Retry-After": _RETRY_SECONDS} if status in _LATER else {})
