"""Login and logout: a token makes a session, and a cookie that only this server gets back."""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import web
from jinja2 import Environment
from multidict import MultiDictProxy

from admin_api.api.context import Context
from admin_api.api.http.caller import Caller
from admin_api.api.http.callers import Callers, demand
from admin_api.editing.refusals import BadRequest, RefusedCall
from admin_api.pages.login.sessions import Session, Sessions
from admin_api.pages.shared.addresses import ours, split
from admin_api.sign_in.person import SignedIn
from admin_api.store import tokens
from admin_api.store.tokens import TokenRow

_COOKIE = "moatdns"
# The prefix has browsers take the cookie from this very host only, by TLS (RFC 6265bis section 4.1.3.2).
_SECURE_COOKIE = f"__Host-{_COOKIE}"


class LoginPages:
    """The login page: a token begins a session, /logout ends it."""

    def __init__(self, context: Context, callers: Callers, templates: Environment) -> None:
        self._context = context
        self._callers = callers
        self._templates = templates
        self._sessions = Sessions()
        self._is_tls = context.settings.certificate is not None
        self._cookie_names = (_SECURE_COOKIE,) if self._is_tls else (_SECURE_COOKIE, _COOKIE)

    def find(self, request: web.Request) -> tuple[str, Session] | None:
        """The cookie and the session of a browser, whether its token still holds or not; None where there is none."""
        # What htmx gets, pages ask for by themselves, every few seconds, also where nobody sits.
        is_used = request.method != "GET" or request.headers.get("HX-Request") != "true"
        for text in self._cookies(request):
            session = self._sessions.find(text, is_used=is_used)
            if session is not None:
                return text, session
        return None

    async def session_of(self, request: web.Request) -> tuple[Session, Caller] | None:
        """Whose browser it is; None for nobody's. Raises StoreAway."""
        found = self.find(request)
        if found is None:
            return None
        text, session = found
        if session.person is not None:
            return session, Caller.signed_in(session.person)
        async with self._context.store.read() as connection:
            token = await tokens.by_id(connection, session.token_id)
        if token is None:
            self._sessions.end(text)
            return None
        return session, Caller.by_token(token)

    def send_to(self, request: web.Request) -> web.Response:
        """Redirect to the login page, and from there to where they wanted to go; it says that a form was not done."""
        query = {"next": ours(_wanted(request))}
        if request.method != "GET":
            query["undone"] = "1"
        address = f"/login?{urlencode(query)}"
        if request.headers.get("HX-Request") == "true":
            return web.Response(status=401, headers={"HX-Redirect": address})
        return web.Response(status=303, headers={"Location": address})

    async def show(self, request: web.Request) -> web.StreamResponse:
        """GET /login."""
        return self.page(request, None)

    def page(self, request: web.Request, problem: RefusedCall | None) -> web.Response:
        """The login page, with what was wrong."""
        return self._door(
            "login/login.html",
            problem,
            wanted=ours(request.query.get("next", "/")),
            is_undone=problem is None and "undone" in request.query,
            token_file=tokens.FIRST_TOKEN_FILE,
            has_links=self._context.settings.login_links,
            provider=self._context.issuer.shown if self._context.issuer is not None else None,
        )

    def _door(self, template: str, problem: RefusedCall | None, **facts: object) -> web.Response:
        """A page for whoever is not logged in yet."""
        text = self._templates.get_template(template).render(problem=problem, **facts)
        status = 200 if problem is None else problem.status
        headers = {} if problem is None else {k: v for k, v in problem.headers.items() if k != "WWW-Authenticate"}
        return web.Response(text=text, status=status, content_type="text/html", headers=headers)

    async def show_link(self, request: web.Request) -> web.StreamResponse:
        """GET /login/link: its script sends what stands behind the '#' of the address; without one, people paste it."""
        return self.link_page(request, None)

    def link_page(self, _: web.Request, problem: RefusedCall | None) -> web.Response:
        """The page that redeems a link, with what was wrong."""
        return self._door("login/login_link.html", problem)

    async def enter_by_link(self, request: web.Request, form: MultiDictProxy[str]) -> web.StreamResponse:
        """POST /login/link. Raises BadRequest (401, 404, 422, 429), StoreAway."""
        text = form.get("link", "").strip().rpartition("#")[2]
        if not text:
            raise BadRequest(422, "enter the link")
        return self._begin(request, await self._callers.by_link(request, text))

    async def enter(self, request: web.Request, form: MultiDictProxy[str]) -> web.StreamResponse:
        """POST /login. Raises BadRequest (401, 403, 429), StoreAway."""
        text = form.get("token", "").strip()
        if not text:
            raise BadRequest(422, "enter a token")
        token = await self._callers.by_text(request, text)
        demand(Caller.by_token(token), "viewer")
        return self._begin(request, token)

    def _begin(self, request: web.Request, token: TokenRow) -> web.Response:
        """Begin a session that stands for a token."""
        self._callers.note(request, Caller.by_token(token))
        response = web.Response(status=303, headers={"Location": ours(request.query.get("next", "/"))})
        # A proxy's TLS shows by the page's origin, which browsers send with each form (Fetch, section 3.1).
        is_secure = request.headers.get("Origin", "").startswith("https://")
        self.begin(request, response, token_id=token.id, is_secure=is_secure)
        return response

    def begin(
        self,
        request: web.Request,
        response: web.Response,
        *,
        token_id: str = "",
        person: SignedIn | None = None,
        id_token: str = "",
        is_secure: bool,
    ) -> None:
        """Begin a session, of a token or of who signed in, and end the one that this browser had."""
        self._end(request)
        is_secure = is_secure or self._is_tls
        response.set_cookie(
            _SECURE_COOKIE if is_secure else _COOKIE,
            self._sessions.begin(token_id, person, id_token),
            httponly=True,
            samesite="Strict",
            secure=is_secure,
            path="/",
        )

    def leave(self, request: web.Request, response: web.Response) -> web.Response:
        """End the session, if there is one; the response has the browser forget it."""
        self._end(request)
        for name in self._cookie_names:
            is_secure = name == _SECURE_COOKIE
            response.del_cookie(name, path="/", httponly=True, samesite="Strict", secure=is_secure)
        return response

    def _end(self, request: web.Request) -> None:
        for text in self._cookies(request):
            self._sessions.end(text)

    def _cookies(self, request: web.Request) -> list[str]:
        return [text for name in self._cookie_names if (text := request.cookies.get(name))]


def _wanted(request: web.Request) -> str:
    """The address of the page that somebody looks at, or wants to."""
    if request.headers.get("HX-Request") == "true":  # htmx asks for a part of the page that the browser shows
        shown = split(request.headers.get("HX-Current-URL", ""))
    elif request.method == "GET":
        return request.rel_url.path_qs
    else:  # the page that the form was on
        shown = split(request.headers.get("Referer", ""))
        if shown.netloc != request.host:
            return "/"
    return shown.path + (f"?{shown.query}" if shown.query else "")
