"""Callers: tokens of the API, and sessions of the web pages, which stand for tokens."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from aiohttp import web

from admin_api.api.context import Context
from admin_api.api.http.auth import Throttle, authenticate, demand_for_basic, from_basic, is_basic
from admin_api.editing.refusals import BadRequest
from admin_api.store import tokens
from admin_api.store.errors import StoreAway
from admin_api.store.roles import may
from admin_api.store.tokens import TokenRow

_BASIC: Final = 'Basic realm="moatdns", charset="UTF-8"'  # RFC 7617 section 2.1

ACTOR = web.RequestKey("actor", str)  # for the log line of a call
REQUEST_ID = web.RequestKey("request_id", str)


class Callers:
    """Says whose call it is, and notes that a token was used."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._throttle = Throttle(ipv6_prefix=context.settings.networks.ipv6_prefix)
        self._touching: set[asyncio.Task[None]] = set()

    async def by_header(self, request: web.Request, role: str, *, takes_basic: bool = False) -> TokenRow:
        """Whose token the Authorization header has. Raises BadRequest (401, 403, 429), StoreAway."""
        sent = request.headers.get("Authorization")
        by_basic = takes_basic and is_basic(sent)
        try:
            token = await authenticate(
                self._context, self._throttle, request.remote or "", from_basic(sent) if by_basic else sent
            )
        except BadRequest as error:
            if takes_basic and error.status == HTTPStatus.UNAUTHORIZED:  # some send a password only when asked for it
                error.headers["WWW-Authenticate"] += f", {_BASIC}"
            raise
        self.note(request, token)
        demand(token, role)
        if by_basic:
            demand_for_basic(token)
        return token

    async def by_text(self, request: web.Request, text: str) -> TokenRow:
        """Whose token a text is. Raises BadRequest (401, 429), StoreAway."""
        return await authenticate(self._context, self._throttle, request.remote or "", f"Bearer {text}")

    def note(self, request: web.Request, token: TokenRow) -> None:
        """This call is made with that token: for the log, and for the token's last use."""
        request[ACTOR] = f"token:{token.name}"
        if tokens.needs_touch(token):
            task = asyncio.ensure_future(self._touch(token))
            self._touching.add(task)
            task.add_done_callback(self._touching.discard)

    async def _touch(self, token: TokenRow) -> None:
        try:
            await tokens.touch(self._context.store, token)
        except StoreAway as error:
            self._context.log.warning("a token's last use is not noted", token=token.name, why=str(error))

    async def finish(self, _: web.Application) -> None:
        """Wait for what goes on beside calls."""
        if self._touching:
            await asyncio.wait(self._touching, timeout=2.0)


def demand(token: TokenRow, role: str) -> None:
    """Raises BadRequest (403) where the token's roles are not enough."""
    if not may(token.roles, role):
        raise BadRequest(403, f"this needs the role {role}; the token {token.name!r} has {', '.join(token.roles)}")
