"""One operation of the admin API, as the tables of routes have it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pydantic import BaseModel

from admin_api.api.http.call import Handler

BASE = "/api/v1"
GONE = (404,)
CONFLICT = (404, 409, 412)
_PATTERN = re.compile(r"{(\w+)(?::[^{}]*(?:{[^{}]*}[^{}]*)*)?}")  # '{name:regex}', the regex may hold '{2,45}'


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `role` is the least that may; None: no token is asked for."""

    method: str
    path: str
    handler: Handler
    role: str | None
    summary: str
    replies: dict[int, type[BaseModel] | None]
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    may_fail_with: tuple[int, ...] = field(default=())  # beside what any operation may
    needs_body: bool = True  # where there is a body at all
    other_types: tuple[str, ...] = ()  # that a 200 may be of, beside JSON where there is a model
    takes_basic: bool = False  # a token of role firewall may come by Basic authentication, as its password

    @property
    def tag(self) -> str:
        """The resource that it is about."""
        return self.path.removeprefix(BASE).split("/")[1].partition(":")[0]


def operation_name(route: Route) -> str:
    """Its method and path, without the base and the patterns of the path's parts: 'PATCH /groups/{name}'."""
    path = _PATTERN.sub(r"{\1}", route.path).removeprefix(BASE)
    return f"{route.method} {path}"
