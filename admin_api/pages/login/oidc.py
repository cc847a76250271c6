"""Sign-in at the OpenID provider: the way there, the way back, and the log-out there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from aiohttp import web
from jinja2 import Environment

from admin_api.api.http.callers import Callers
from admin_api.api.http.problems import told_of
from admin_api.editing.refusals import BadRequest
from admin_api.pages.login.login import LoginPages
from admin_api.pages.login.sessions import Session
from admin_api.pages.shared.addresses import ours
from admin_api.sign_in.refusal import ProviderAway, SignInRefused
from admin_api.sign_in.way import FLOW_SECONDS, WAY_BACK

if TYPE_CHECKING:
    from admin_api.sign_in.flows import Flow
    from admin_api.sign_in.issuer import Issuer

BEGIN: Final = "/login/oidc"

_FLOW_COOKIE: Final = "moatdns-sign-in"
_LONGEST = 4096  # characters of what the provider has a browser bring


class OidcPages:
    """The addresses of one issuer's sign-in."""

    def __init__(self, issuer: Issuer, login: LoginPages, callers: Callers, templates: Environment) -> None:
        self._issuer = issuer
        self._login = login
        self._callers = callers
        self._templates = templates
        self._is_secure = issuer.settings.url.startswith("https://")
        self._cookie = f"__Host-{_FLOW_COOKIE}" if self._is_secure else _FLOW_COOKIE

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Give the router both addresses."""
        router.add_get(BEGIN, self._begin)
        router.add_get(WAY_BACK, self._back)

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        """GET /login/oidc: on to the provider, and a cookie that binds the way back to this browser."""
        try:
            address, cookie = await self._issuer.begin(ours(request.query.get("next", "/")))
        except ProviderAway as error:
            return self._tell(request, BadRequest(503, str(error), Retry_After="30"))
        response = web.Response(status=303, headers={"Location": address})
        # Lax: the way back begins at the provider's site.
        response.set_cookie(
            self._cookie,
            cookie,
            max_age=FLOW_SECONDS,
            httponly=True,
            samesite="Lax",
            secure=self._is_secure,
            path="/",
        )
        return response

    async def _back(self, request: web.Request) -> web.StreamResponse:
        """GET /login/oidc/back: a code becomes a session."""
        try:
            sent = _parameters(request)
            flow = self._issuer.flows.opened(sent.get("state", ""), request.cookies.get(self._cookie, ""))
        except SignInRefused as error:  # of anybody's making: a sign-in under way goes on
            return self._tell(request, BadRequest(401, str(error)))
        try:
            response = await self._enter(request, flow, sent)
        except BadRequest as error:
            response = self._tell(request, error)
        response.del_cookie(self._cookie, path="/", httponly=True, samesite="Lax", secure=self._is_secure)
        return response

    async def _enter(self, request: web.Request, flow: Flow, sent: Mapping[str, str]) -> web.Response:
        person, id_token = await self._callers.by_code(request, self._issuer, flow, sent)
        response = self.go_on(flow.wanted)
        self._login.begin(request, response, person=person, id_token=id_token, is_secure=self._is_secure)
        return response

    def _tell(self, request: web.Request, error: BadRequest) -> web.Response:
        return self._login.page(request, told_of(error))

    def log_out(self, session: Session) -> str | None:
        """Where the browser of an ended session goes on to; None where there is nothing to log out of."""
        return None if session.person is None else self._issuer.end_address(session.id_token)

    def go_on(self, address: str) -> web.Response:
        """A page that has the browser go on.

        A redirect will not do: one from the provider's site has no SameSite=Strict cookie with it, and one of a form
        leads nowhere else (form-action).
        """
        text = self._templates.get_template("login/go_on.html").render(address=address)
        return web.Response(text=text, content_type="text/html")


def _parameters(request: web.Request) -> dict[str, str]:
    """Parameters that the provider has a browser bring. Raises SignInRefused."""
    sent = dict(request.query)
    if len(sent) != len(request.query):
        raise SignInRefused("the answer has a parameter twice (RFC 6749 section 3.1)")
    return {name: value for name, value in sent.items() if len(value) <= _LONGEST}
