"""The operations of the admin API, called by pages: the same roles, checks and handlers, without HTTP in between."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from admin_api.context import Context
from admin_api.http.call import Call, Reply
from admin_api.http.callers import demand
from admin_api.http.reading import check_body, check_query
from admin_api.route import BASE, Route
from admin_api.store.tokens import TokenRow

_PATTERN = re.compile(r"{(\w+)(?::[^{}]*(?:{[^{}]*}[^{}]*)*)?}")  # '{name:regex}', the regex may hold '{2,45}'


class Operations:
    """All of them, by names such as 'PATCH /groups/{name}'."""

    def __init__(self, context: Context, routes: Iterable[Route]) -> None:
        self._context = context
        self._routes = {operation_name(route): route for route in routes}

    async def call(
        self,
        operation: str,
        *,
        token: TokenRow,
        request_id: str,
        path: Mapping[str, str],
        query: Mapping[str, Any],
        body: Mapping[str, Any] | None,
        version: str | None,
    ) -> Reply:
        """Do one, as that token. `version` is the ETag that the thing must still have; None demands none.

        Raises what handlers raise, and BadRequest (403, 422). KeyError for an operation that is none.
        """
        route = self._routes[operation]
        if route.role is not None:
            demand(token, route.role)
        call = Call(
            self._context,
            f"token:{token.name}",
            request_id,
            path,
            None if route.query is None else check_query(dict(query), route.query),
            {} if route.body is None else check_body(dict(body or {}), route.body),
            {} if version is None else {"If-Match": version},
            owner=token.owner,
            role=token.role,
        )
        return await route.handler(call)

    def role_of(self, operation: str) -> str | None:
        """The least role that may do it."""
        return self._routes[operation].role


def operation_name(route: Route) -> str:
    """Its method and path, without the base and the patterns of the path's parts."""
    path = _PATTERN.sub(r"{\1}", route.path).removeprefix(BASE)
    return f"{route.method} {path}"
