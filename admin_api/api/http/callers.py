"""Callers: tokens of the API, and sessions of the web pages, which stand for tokens."""

from __future__ import annotations

import asyncio
import ipaddress
from http import HTTPStatus
from typing import Final

from aiohttp import web

from admin_api.api.context import Context
from admin_api.api.http.auth import Throttle, authenticate, demand_for_basic, from_basic, is_basic
from admin_api.editing.refusals import BadRequest
from admin_api.store import tokens
from admin_api.store.errors import StoreAway
from admin_api.store.login_links import LinkRefused, redeem_link
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

    async def by_link(self, request: web.Request, text: str) -> TokenRow:
        """Whose link a text is, which is worth nothing afterwards. Raises BadRequest (401, 404, 429), StoreAway."""
        if not self._context.settings.login_links:
            raise BadRequest(404, "links sign nobody in here: the config turns them off")
        address = request.remote or ""
        self._throttle.check_before_look(address, text)
        self._throttle.check(address)
        found = await redeem_link(self._context.store, text, address=address, is_here=_is_here(request))
        if isinstance(found, LinkRefused):
            self._throttle.wrong(address, text)
            raise BadRequest(401, f"{found.why}. Make a new one: moatdns login-link")
        return found

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


def _is_here(request: web.Request) -> bool:
    """Whether a call comes from this machine."""
    remote = (request.remote or "").partition("%")[0]
    own = request.transport.get_extra_info("sockname") if request.transport else None
    try:
        address = ipaddress.ip_address(remote)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or bool(own and own[0].partition("%")[0] == remote)


def demand(token: TokenRow, role: str) -> None:
    """Raises BadRequest (403) where the token's roles are not enough."""
    if not may(token.roles, role):
        raise BadRequest(403, f"this needs the role {role}; the token {token.name!r} has {', '.join(token.roles)}")
