"""Callers: tokens of the API, JWTs of the OpenID provider, and sessions of the web pages, which stand for either."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Collection, Coroutine, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiohttp import web

from admin_api.api.context import Context
from admin_api.api.http.auth import Throttle, authenticate, demand_for_basic, from_basic, is_basic
from admin_api.api.http.caller import Caller
from admin_api.api.http.hosts import without_port
from admin_api.editing.refusals import BadRequest
from admin_api.sign_in.person import SignedIn
from admin_api.sign_in.refusal import ProviderAway, SignInRefused
from admin_api.store import tokens
from admin_api.store.errors import StoreAway
from admin_api.store.login_links import LinkRefused, redeem_link
from admin_api.store.roles import INVESTIGATOR, OPERATOR, may
from admin_api.store.tokens import TokenRow

_BASIC: Final = 'Basic realm="moatdns", charset="UTF-8"'  # RFC 7617 section 2.1

if TYPE_CHECKING:
    from admin_api.sign_in.flows import Flow
    from admin_api.sign_in.issuer import Issuer

TOKEN_USED: Final = "token.used"  # noqa: S105 (an event)
_TOLD_SECONDS = 3600.0
_OF_PEOPLE: Final = (OPERATOR, INVESTIGATOR)  # roles of tokens that people have, and not machines
_DOTS = 2  # of a JWT
_OF_PROXIES: Final = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")
Proved = TypeVar("Proved")

ACTOR = web.RequestKey("actor", str)  # for the log line of a call
REQUEST_ID = web.RequestKey("request_id", str)


class Callers:
    """Says whose call it is, and notes that a token was used."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._throttle = Throttle(ipv6_prefix=context.settings.networks.ipv6_prefix)
        self._beside: set[asyncio.Task[None]] = set()
        self._told: OrderedDict[str, float] = OrderedDict()  # when a token's use was told, by its id

    async def by_header(self, request: web.Request, role: str, *, takes_basic: bool = False) -> Caller:
        """Whose token or JWT the Authorization header has. Raises BadRequest (401, 403, 429, 503), StoreAway."""
        sent = request.headers.get("Authorization")
        by_basic = takes_basic and is_basic(sent)
        issuer, jwt = self._context.issuer, self._jwt_in(sent)
        if issuer is not None and jwt is not None:
            person = await self._by_jwt(request, issuer, jwt)
            self.note(request, person)
            demand(person, role)
            return person
        try:
            token = await authenticate(
                self._context, self._throttle, request.remote or "", from_basic(sent) if by_basic else sent
            )
        except BadRequest as error:
            if takes_basic and error.status == HTTPStatus.UNAUTHORIZED:  # some send a password only when asked for it
                error.headers["WWW-Authenticate"] += f", {_BASIC}"
            raise
        caller = Caller.by_token(token)
        self.note(request, caller)
        demand(caller, role)
        if by_basic:
            demand_for_basic(token)
        return caller

    def _jwt_in(self, authorization: str | None) -> str | None:
        """The JWT of a header, where the config takes some; None for all else."""
        oidc = self._context.settings.oidc
        scheme, _, text = (authorization or "").partition(" ")
        is_jwt = scheme.lower() == "bearer" and text.count(".") == _DOTS
        return text.strip() if is_jwt and oidc is not None and oidc.audience is not None else None

    async def _by_jwt(self, request: web.Request, issuer: Issuer, text: str) -> Caller:
        """Whose JWT that is. Raises BadRequest (401, 429, 503)."""
        person = await self._proved(request, text, issuer.bearer(text), 'Bearer realm="moatdns", error="invalid_token"')
        self._throttle.good(text)
        return Caller.signed_in(person)

    async def by_code(
        self, request: web.Request, issuer: Issuer, flow: Flow, sent: Mapping[str, str]
    ) -> tuple[SignedIn, str]:
        """The person that came back from the provider, and the ID token. Raises BadRequest (401, 403, 429, 503)."""
        person, id_token = await self._proved(request, flow.state, issuer.finish(flow, sent))
        caller = Caller.signed_in(person)
        try:
            demand(caller, "viewer")
        except BadRequest as error:
            self._log_refused(request, f"{person.owner}: {error}")
            raise
        self.note(request, caller)
        return person, id_token

    async def _proved(
        self, request: web.Request, text: str, proof: Coroutine[Any, Any, Proved], demanded: str | None = None
    ) -> Proved:
        """Have the issuer say who it is, unless this address was wrong too often. Raises BadRequest (401, 429, 503).

        `demanded` is the WWW-Authenticate of a refusal.
        """
        address = request.remote or ""
        with contextlib.closing(proof):
            self._throttle.check_before_look(address, text)
            try:
                return await proof
            except ProviderAway as error:
                raise BadRequest(503, str(error), Retry_After="30") from error
            except SignInRefused as error:
                self._throttle.check(address)
                self._throttle.wrong(address, text)
                self._log_refused(request, str(error))
                headers = {} if demanded is None else {"WWW_Authenticate": demanded}
                raise BadRequest(401, str(error), None, **headers) from error

    def _log_refused(self, request: web.Request, why: str) -> None:
        self._context.log.warning("a sign-in is refused", client=request.remote, path=request.path[:200], why=why)

    async def by_text(self, request: web.Request, text: str) -> TokenRow:
        """Whose token a text is. Raises BadRequest (401, 429), StoreAway."""
        return await authenticate(self._context, self._throttle, request.remote or "", f"Bearer {text}")

    async def by_link(self, request: web.Request, text: str) -> TokenRow:
        """Whose link a text is, which is worth nothing afterwards. Raises BadRequest (401, 404, 429), StoreAway."""
        if not self._context.settings.login_links:
            raise BadRequest(404, "links sign nobody in here: the config turns them off")
        address = request.remote or ""
        self._throttle.check_before_look(address, text)
        found = await redeem_link(
            self._context.store,
            text,
            address=address,
            is_here=_is_here(request),
            notes_refusal=self._throttle.hears(address),
        )
        if isinstance(found, LinkRefused):
            self._throttle.check(address)
            self._throttle.wrong(address, text)
            raise BadRequest(401, f"{found.why}. Make a new one: moatdns login-link")
        return found

    def note(self, request: web.Request, caller: Caller) -> None:
        """This call is that caller's: for the log, for a token's last use, and for those who are told of one."""
        request[ACTOR] = caller.actor
        token = caller.token
        if token is None:
            return
        if tokens.needs_touch(token):
            self._do_beside(self._touch(token))
        if self._context.settings.oidc is not None and any(may(token.roles, role) for role in _OF_PEOPLE):
            now = time.monotonic()
            if now - self._told.get(token.id, -_TOLD_SECONDS) >= _TOLD_SECONDS:
                self._told[token.id] = now
                self._told.move_to_end(token.id)
                while len(self._told) > tokens.MOST_TOKENS:
                    self._told.popitem(last=False)
                facts = {"token": token.name, "owner": token.owner, "roles": [*token.roles]}
                told = {**facts, "client": request.remote or "", "path": request.path[:200]}
                self._do_beside(self._context.outbox.tell(self._context.store_access, TOKEN_USED, told))

    def _do_beside(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _touch(self, token: TokenRow) -> None:
        try:
            await tokens.touch(self._context.store, token)
        except StoreAway as error:
            self._context.log.warning("a token's last use is not noted", token=token.name, why=str(error))

    async def finish(self, _: web.Application) -> None:
        """Wait for what goes on beside calls."""
        if self._beside:
            await asyncio.wait(self._beside, timeout=2.0)


def _is_here(request: web.Request) -> bool:
    """Whether a call comes from this machine itself, for a page that it calls by an address of this machine.

    By a proxy on this machine everybody comes from here: so a call that says that it was passed on (RFC 7239), or
    whose Host is another name, does not. A proxy that says neither is not told from a browser here.
    """
    if any(name in request.headers for name in _OF_PROXIES):
        return False
    own = request.transport.get_extra_info("sockname") if request.transport else None
    ours = (own[0].partition("%")[0],) if own else ()
    called = without_port(request.headers.get("Host", "").strip().lower())
    return all(_is_ours(text.partition("%")[0], ours) for text in (request.remote or "", called))


def _is_ours(text: str, ours: Collection[str]) -> bool:
    """Whether an address is of the loopback interface, or the one that was connected to."""
    if text == "localhost":
        return True
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or text in ours


def demand(caller: Caller, role: str) -> None:
    """Raises BadRequest (403) where the caller's roles are not enough."""
    if not may(caller.roles, role):
        raise BadRequest(403, f"this needs the role {role}; {caller.told} has {', '.join(caller.roles) or 'none'}")
