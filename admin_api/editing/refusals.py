"""Errors that are a caller's to know, each with the status that HTTP has for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

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
    errors = error.errors if isinstance(error, Invalid) else ()
    detail = "what was sent cannot be used" if isinstance(error, Invalid) else str(error)
    return RefusedCall(status, detail, errors, {"Retry-After": _RETRY_SECONDS} if status in _LATER else {})
