"""The operations of the admin API, called by pages: the same roles, checks and handlers, without HTTP in between."""

from __future__ import annotations

from collections.abc import Mapping

from admin_api.api import models
from admin_api.api.context import Context
from admin_api.api.http.call import ApiReply, Call
from admin_api.api.http.callers import demand
from admin_api.api.http.reading import check_body, check_query
from admin_api.api.performing import Performing
from admin_api.api.route import operation_name
from admin_api.store.tokens import TokenRow

__all__ = ["Operations", "Waits", "operation_name"]


class Waits(Exception):
    """Nothing was changed: what was asked for waits until another owner approves it."""

    def __init__(self, item: models.ChangeWaits) -> None:
        super().__init__(item.id)
        self.item = item

    @property
    def told(self) -> str:
        """The problem's text, as the page shows it."""
        part = self.item.token_part
        half = f" The second half of the token, shown this once, is {part}" if part else ""
        return f"Nothing has changed yet: this waits for another owner's approval.{half}"


class Operations:
    """All of them, by names such as 'PATCH /groups/{name}'."""

    def __init__(self, context: Context, performing: Performing) -> None:
        self._context = context
        self._performing = performing

    async def call(
        self,
        operation: str,
        *,
        token: TokenRow,
        request_id: str,
        path: Mapping[str, str],
        query: Mapping[str, object],
        body: Mapping[str, object] | None,
        version: str | None,
    ) -> ApiReply:
        """Do one, as that token. `version` is the ETag that the thing must still have; None demands none.

        Raises what handlers raise, BadRequest (403, 422), and Waits. KeyError for an operation that is none.
        """
        route = self._performing.routes[operation]
        if route.role is not None:
            demand(token, route.role)
        call = Call(
            self._context,
            f"token:{token.name}",
            request_id,
            path,
            None if route.query is None else check_query(query, route.query),
            {} if route.body is None else check_body(dict(body or {}), route.body),
            {} if version is None else {"If-Match": version},
            owner=token.owner,
            role=token.role,
            token=token,
        )
        reply = await self._performing.perform(route, call)
        if isinstance(reply.body, models.ChangeWaits):
            raise Waits(reply.body)
        return reply

    def has(self, operation: str) -> bool:
        """Whether there is one of that name."""
        return operation in self._performing.routes

    def role_of(self, operation: str) -> str | None:
        """The least role that may do it."""
        return self._performing.routes[operation].role
