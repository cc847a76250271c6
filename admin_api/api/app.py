"""The admin API as an aiohttp application: what every call goes through, in order.

Request id and log → security headers → Host → token and role → query and body → handler → problem or reply.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from admin_api.api.context import Context
from admin_api.api.http.call import ApiReply, Call
from admin_api.api.http.callers import ACTOR, REQUEST_ID, Callers
from admin_api.api.http.connections import HttpConnections
from admin_api.api.http.hosts import Hosts
from admin_api.api.http.problems import problem, problem_of
from admin_api.api.http.reading import MOST_BODY_BYTES, read_body, read_query
from admin_api.api.http.security import HEADERS, HSTS
from admin_api.api.http.turns import TURN, Turn
from admin_api.api.looks import Looks
from admin_api.api.openapi import document
from admin_api.api.people import refuse_whole
from admin_api.api.performing import Performing
from admin_api.api.route import Route, operation_name
from admin_api.api.routes import ROUTES

MOST_CALLS = 200  # worked on at once; others wait their turn
CALL_SECONDS = 60.0  # for a call, its body included
_MOST_FIELDS = 5000  # of a form: that of a group has one for each list, of which 1,000 may be, vendor and service

Next = Callable[[web.Request], Awaitable[web.StreamResponse]]
AddPages = Callable[[web.UrlDispatcher, Context, Callers, Performing], None]  # admin_api.pages.site.add_pages


def make_app(context: Context, connections: HttpConnections, add_pages: AddPages, looks: Looks) -> web.Application:
    """Make the application for one context; `add_pages` gives its router the web pages."""
    performing = Performing(ROUTES, looks)
    serving = _Serving(context, connections, performing)
    app = web.Application(middlewares=[serving.around], client_max_size=MOST_BODY_BYTES, client_max_fields=_MOST_FIELDS)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, serving.handler_of(route))
    app.router.add_get("/openapi.json", serving.describe)
    add_pages(app.router, context, serving.callers, performing)
    app.on_shutdown.append(serving.callers.finish)
    return app


class _Serving:
    """The steps that all calls go through."""

    def __init__(self, context: Context, connections: HttpConnections, performing: Performing) -> None:
        self._context = context
        self._connections = connections
        self._hosts = Hosts(context.settings)
        self.callers = Callers(context)
        self._performing = performing
        self._turns = asyncio.Semaphore(MOST_CALLS)
        self._headers = {**HEADERS, **({"Strict-Transport-Security": HSTS} if context.settings.certificate else {})}

    @property
    def around(self) -> Middleware:
        """The one middleware: an id, an answer whatever happens, a line in the log."""

        @web.middleware
        async def around(request: web.Request, handler: Next) -> web.StreamResponse:
            began = time.monotonic()
            request_id = request[REQUEST_ID] = secrets.token_hex(8)
            self._connections.call_began(request)
            try:
                response = await self._answer(request, handler)
            finally:
                self._connections.call_ended(request)
            response.headers["X-Request-Id"] = request_id
            for name, value in self._headers.items():
                response.headers.setdefault(name, value)
            self._context.log.info(
                "call",
                request_id=request_id,
                method=request.method,
                path=request.path[:200],
                status=response.status,
                ms=round((time.monotonic() - began) * 1000, 1),
                actor=request.get(ACTOR),
                client=request.remote,
            )
            return response

        return around

    async def _answer(self, request: web.Request, handler: Next) -> web.StreamResponse:
        try:
            self._hosts.check(request.headers.get("Host"))
            turn = request[TURN] = Turn(self._turns, self._connections, request)
            async with asyncio.timeout(CALL_SECONDS), turn:
                return await handler(request)
        except TimeoutError:
            return problem(503, f"this took longer than {CALL_SECONDS:g} s", headers={"Retry-After": "5"})
        except Exception as error:  # whatever happened, the client gets an answer, and the log the reason
            known = problem_of(error)
            if known is not None:
                return known
            self._context.log.error(
                "unexpected error in the admin API", request_id=request[REQUEST_ID], error=repr(error)
            )
            return problem(500, "internal error; see this request's id in the log")

    def handler_of(self, route: Route) -> Next:
        """A route's handler as aiohttp calls it."""

        async def handle(request: web.Request) -> web.StreamResponse:
            caller = None
            if route.role is not None:
                caller = await self.callers.by_header(request, route.role, takes_basic=route.takes_basic)
            refuse_whole(operation_name(route), caller.roles if caller else ())  # before what was sent is looked at
            query = read_query(request, route.query)
            body = await read_body(request, route.body, may_lack=not route.needs_body) if route.body else {}
            call = Call(
                self._context,
                request.get(ACTOR, ""),
                request[REQUEST_ID],
                request.match_info,
                query,
                body,
                request.headers,
                owner=caller.owner if caller else "",
                roles=caller.roles if caller else (),
                token=caller.token if caller else None,
            )
            return _response(await self._performing.perform(route, call), request)

        return handle

    async def describe(self, _: web.Request) -> web.StreamResponse:
        """GET /openapi.json."""
        return web.Response(body=document(), content_type="application/json")


def _response(reply: ApiReply, request: web.Request) -> web.Response:
    if request.method == "GET" and _is_known(request.headers.get("If-None-Match"), reply.headers.get("ETag")):
        return web.Response(
            status=304, headers=reply.headers
        )  # what a 200 would say of caching (RFC 9110 section 15.4.5)
    payload = reply.payload()
    headers = dict(reply.headers)
    if payload is not None:
        headers["Content-Type"] = reply.content_type
    return web.Response(status=reply.status, body=payload, headers=headers)


def _is_known(asked: str | None, tag: str | None) -> bool:
    """Whether If-None-Match names a tag, by weak comparison (RFC 9110 section 13.1.2)."""
    if asked is None or tag is None:
        return False
    known = [one.strip().removeprefix("W/") for one in asked.split(",")]
    return known == ["*"] or tag in known
