"""The site: what every request for a page goes through, in order.

Session and its caller → role → for what is sent: origin, form, CSRF → the page, or a page about what went wrong.
"""

from __future__ import annotations

import contextlib
import functools
import hmac
from http import HTTPStatus

from aiohttp import web
from multidict import MultiDictProxy

from admin_api.api.context import Context
from admin_api.api.http.callers import REQUEST_ID, Callers, demand
from admin_api.api.http.problems import EXPECTED, told_of
from admin_api.api.performing import Performing
from admin_api.editing.refusals import BadRequest, RefusedCall
from admin_api.pages.login.login import LoginPages
from admin_api.pages.login.oidc import OidcPages
from admin_api.pages.login.sessions import Session
from admin_api.pages.looks import looks
from admin_api.pages.shared.forms import demand_own_page, read_form, read_login_form
from admin_api.pages.shared.look import AsksWhy
from admin_api.pages.shared.static_files import FILES, serve_static
from admin_api.pages.shared.templates import make_templates
from admin_api.pages.shared.visit import PageRoute, Visit, Waits
from admin_api.pages.table import PAGES
from admin_api.store.errors import StoreAway


def add_pages(router: web.UrlDispatcher, context: Context, callers: Callers, performing: Performing) -> None:
    """Give a router the pages of a context, and their static files."""
    router.add_get("/static/{name:[a-z0-9._/-]+}", serve_static)
    Site(context, callers, performing).add_to(router)


class Site:
    """The pages of one context."""

    def __init__(self, context: Context, callers: Callers, performing: Performing) -> None:
        self._context = context
        self._callers = callers
        self._performing = performing
        self._templates = make_templates()
        self._login = LoginPages(context, callers, self._templates)
        self._oidc: OidcPages | None = None
        if context.issuer is not None:
            self._oidc = OidcPages(context.issuer, self._login, callers, self._templates)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Give the router all pages."""
        router.add_get("/docs", _docs)
        router.add_get("/login", self._login.show)
        router.add_post("/login", self._guarded_login)
        router.add_get("/login/link", self._login.show_link)
        router.add_post("/login/link", self._guarded_link)
        if self._oidc is not None:
            self._oidc.add_to(router)
        for page in PAGES:
            router.add_route(page.method, page.path, functools.partial(self._serve, page))
        router.add_post("/logout", self._logout)

    async def _serve(self, page: PageRoute, request: web.Request) -> web.StreamResponse:
        try:
            visit = await self._visit(request)
        except StoreAway as error:
            return self._login.page(request, told_of(error))
        if visit is None:
            return self._login.send_to(request)
        try:
            demand(visit.caller, page.role)
            if request.method == "POST":
                visit.form = await _read_form(request, visit.session)
            return await page.handler(visit)
        except Waits as waits:  # nothing was changed: another owner has to agree
            return visit.go(f"/changes/{waits.item.id}", told=waits.told)
        except AsksWhy as asks:
            return looks.ask(visit, asks.look)
        except EXPECTED as error:  # the application tells of all others, with the request's id
            return await self._tell(visit, page, told_of(error))

    async def _visit(self, request: web.Request) -> Visit | None:
        found = await self._login.session_of(request)
        if found is None:
            return None
        session, caller = found
        self._callers.note(request, caller)
        return Visit(
            context=self._context,
            performing=self._performing,
            templates=self._templates,
            session=session,
            caller=caller,
            request_id=request[REQUEST_ID],
            address=request.path,
            host=request.host,
            path=request.match_info,
            query=dict(request.query),
            is_part=request.headers.get("HX-Request") == "true" and request.headers.get("HX-Boosted") != "true",
        )

    async def _tell(self, visit: Visit, page: PageRoute, what: RefusedCall) -> web.StreamResponse:
        """The page that a form was on, with what is wrong; where there is none, a page about that."""
        visit.problem = what
        if page.shown_again is not None and visit.form and what.status != HTTPStatus.NOT_FOUND:
            try:
                return await page.shown_again(visit)
            except EXPECTED as error:  # the page cannot be shown either: then that is what is told
                visit.problem = what = told_of(error)
        response = visit.render("shared/problem.html", what=what)
        response.headers.update(what.headers)
        return response

    async def _guarded_login(self, request: web.Request) -> web.StreamResponse:
        try:
            demand_own_page(request)
            return await self._login.enter(request, await read_login_form(request))
        except EXPECTED as error:
            return self._login.page(request, told_of(error))

    async def _guarded_link(self, request: web.Request) -> web.StreamResponse:
        try:
            demand_own_page(request)
            return await self._login.enter_by_link(request, await read_login_form(request))
        except EXPECTED as error:
            return self._login.link_page(request, told_of(error))

    async def _logout(self, request: web.Request) -> web.StreamResponse:
        """Also while the store, which knows the session's token, is away: whoever leaves needs none."""
        with contextlib.suppress(StoreAway):
            await self._visit(request)  # notes whose call it is
        found = self._login.find(request)
        if found is not None:
            try:
                await _read_form(request, found[1])
            except BadRequest as error:
                return self._login.page(request, told_of(error))
        end = None if found is None or self._oidc is None else self._oidc.log_out(found[1])
        if end is None or self._oidc is None:
            return self._login.leave(request, web.Response(status=303, headers={"Location": "/login"}))
        return self._login.leave(request, self._oidc.go_on(end))


async def _read_form(request: web.Request, session: Session) -> MultiDictProxy[str]:
    """Read the fields of a form of that session. Raises BadRequest."""
    demand_own_page(request)
    form = await read_form(request)
    sent = request.headers.get("X-CSRF-Token") or form.get("csrf") or ""
    if not hmac.compare_digest(sent.encode(), session.csrf.encode()):
        raise BadRequest(403, "this form belongs to an earlier session: reload the page, and send it again")
    return form


async def _docs(_: web.Request) -> web.StreamResponse:
    file = FILES["docs.html"]
    return web.Response(body=file.body, headers={"Content-Type": file.content_type})
