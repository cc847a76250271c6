"""A call of the API as handlers see it, and what they reply."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, TypedDict, TypeVar

from pydantic import BaseModel

from admin_api.api.context import Context
from admin_api.api.models.common import JsonObject
from admin_api.store.change import Change
from admin_api.store.change_requests import ChangeRequestRow
from admin_api.store.errors import StaleVersion
from admin_api.store.roles import may
from admin_api.store.tokens import TokenRow
from resolver.system.safe_text import visible_json

IN_FORCE_HEADER = "X-Moatdns-In-Force"
MOST_RULES_AT_ONCE = 10_000  # a write of more is answered before it is in force

Model = TypeVar("Model", bound=BaseModel)


class By(TypedDict):
    """The author of a change, as the functions of admin_api.editing take it."""

    actor: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call, authenticated and in good form."""

    context: Context
    actor: str
    request_id: str
    path: Mapping[str, str]  # the parts of the path that are named
    query: Any  # of the route's query model; None where it takes none
    body: JsonObject
    headers: Mapping[str, str]
    owner: str = ""  # who answers for the token
    roles: tuple[str, ...] = ()
    token: TokenRow | None = None
    asker: str = ""  # the owner who asked for it, where another one's approval carries it out
    token_part: str | None = None  # of a token that is made: the half that who asked for it has
    carry_out: CarryOut | None = None  # does what a change request asks for: api/performing.py

    @property
    def by(self) -> By:
        """The author of the call."""
        return {"actor": self.actor, "request_id": self.request_id}

    @property
    def is_admin(self) -> bool:
        """Whether it is made with the role admin."""
        return may(self.roles, "admin")

    def change(self) -> AbstractAsyncContextManager[Change]:
        """A change of the store by this call. Raises StoreAway."""
        return self.context.store.change(self.actor, self.request_id)

    def expected_version(self) -> int | None:
        """The version that If-Match demands; None when it demands none. Raises StaleVersion for none of ours."""
        wanted = self.headers.get("If-Match")
        if wanted is None or wanted.strip() == "*":
            return None
        tag = wanted.strip().strip('"')
        if not (tag.isascii() and tag.isdigit()):
            raise StaleVersion("the resource")
        return int(tag[:18])


@dataclass(frozen=True, slots=True)
class ApiReply:
    """A handler's reply: a model, plain data for JSON, or bytes of another type.

    `octets` is the body as it goes out, where a large one was written beside the loop; `written` writes a model as
    another type than JSON.
    """

    body: BaseModel | Mapping[str, object] | bytes | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    octets: bytes | None = None
    written: Callable[[Any], bytes] | None = None

    def payload(self) -> bytes | None:
        """As it goes out."""
        if self.octets is not None:
            return self.octets
        if self.body is None or isinstance(self.body, bytes):
            return self.body
        if self.written is not None:
            return self.written(self.body)
        if isinstance(self.body, BaseModel):
            return visible_json(self.body.model_dump_json(by_alias=True)).encode()
        return visible_json(json.dumps(self.body, default=_plain)).encode()


Handler = Callable[[Call], Awaitable[ApiReply]]
CarryOut = Callable[[Call, ChangeRequestRow, int | None], Awaitable[ApiReply]]


def as_model(model: type[Model], row: object, **more: object) -> Model:
    """A row as the API tells of it: its attributes of the model's names, and `more` beside or instead of them."""
    names = model.model_fields.keys() - more.keys()
    own = {name: getattr(row, name) for name in names if hasattr(row, name)}
    return model.model_validate({**own, **more}, from_attributes=True)


def tagged(
    body: BaseModel, version: int, headers: Mapping[str, str] = MappingProxyType({}), status: int = 200
) -> ApiReply:
    """A single resource with its ETag."""
    return ApiReply(body, status, {"ETag": f'"{version}"', **headers})


async def in_force(call: Call, revision: int) -> dict[str, str]:
    """Wait until a revision is in force; gives a header that says so where it is not."""
    call.context.policy.changed()
    is_in_force = await call.context.policy.wait_until_in_force(revision)
    return {} if is_in_force else {IN_FORCE_HEADER: "false"}


async def subjects_in_force(call: Call, number: int) -> dict[str, str]:
    """Wait until a change of leases, exemptions or pauses is in force; gives a header that says so where it is not."""
    is_in_force = await call.context.subjects.wait_until_in_force(number)
    return {} if is_in_force else {IN_FORCE_HEADER: "false"}


def rfc3339(at: datetime) -> str:
    """A time in UTC, to the microsecond where it has any."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(type(value).__name__)
