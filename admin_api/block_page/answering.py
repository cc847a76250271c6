"""From an HTTP request to a page: any path is answered, since a blocked name may be asked for anything.

Client and rate → method → Host → the name's page, or the form. A blocked name's page comes as 403, so that a script
that fetched something fails; one that is not blocked (any more) as 421: this server does not speak for it.
"""

from __future__ import annotations

import asyncio
import secrets
from urllib.parse import quote

from aiohttp import web

from admin_api.api.http.reading import read_within
from admin_api.block_page.asked_names import Host, name_in, read_host
from admin_api.block_page.bounds import Bounds
from admin_api.block_page.findings import Findings, NameFinding
from admin_api.block_page.form import CONTENT_TYPE, MOST_BYTES, Form, choices, plain, read_form, read_pairs
from admin_api.block_page.pages import FORM_PATH, BlockPages, RequestSection
from admin_api.block_page.requests import Requests, TooManyRequests
from admin_api.block_page.tokens import FormTokens
from admin_api.block_page.visitors import Visitors
from admin_api.editing.errors import Invalid
from admin_api.store.errors import StoreAway, TooMany

_LOOK_SECONDS = 2.0  # for the store to say what was asked for before
_BODY_SECONDS = 5.0
_FILE_SECONDS = 10.0
_METHODS = ("GET", "HEAD", "POST")
_AWAY = "Requests cannot be accepted right now. Try again in a few minutes."
_SHOWN = 100  # characters of what somebody typed that is no name


class BlockPageHandler:
    """Answers to requests of the block page."""

    def __init__(
        self,
        visitors: Visitors,
        findings: Findings,
        requests: Requests | None,
        pages: BlockPages,
        bounds: Bounds,
        own_names: tuple[str, ...],
    ) -> None:
        """`requests` is None where no exemption can be asked for."""
        self._visitors = visitors
        self._findings = findings
        self._requests = requests
        self._pages = pages
        self._bounds = bounds
        self._own_names = own_names
        self._tokens = FormTokens()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to any request."""
        pages = self._pages
        peer = request.remote
        if peer is None:  # whoever asked is gone
            return pages.nothing(400)
        client = self._visitors.client_of(peer, request.headers.getall("X-Forwarded-For", ()))
        if client is None:  # by a proxy: others have no connection
            self._bounds.bite("strangers", peer)
            return pages.nothing(403)
        if not self._bounds.may_come(client):
            return pages.nothing(429, **{"Retry-After": "1"})
        if request.method not in _METHODS:
            return pages.nothing(405, Allow=", ".join(_METHODS))
        host = read_host(request.headers.getall("Host", ()), self._own_names)
        if request.method == "POST" and request.path == FORM_PATH and self._requests is not None:
            return await self._take(request, host, client, self._requests)
        typed = read_pairs(request.rel_url.raw_query_string).get("name", "") if host.is_own else ""
        name = name_in(typed) if host.is_own else host.name
        if name is None:
            self._bounds.events["look_up"] += 1
            status = 200 if host.is_own and not typed else 400
            return pages.look_up(status, client, plain(typed)[:_SHOWN]) if host.is_own else self._no_name()
        finding = self._findings.of(client, name)
        if finding is None:
            return self._no_policy()
        if not finding.is_blocked:
            return self._not_blocked(finding, host)
        asking = await self._asking(finding)
        self._bounds.events["blocked"] += 1
        return pages.blocked(200 if host.is_own else 403, finding, asking)

    async def _asking(self, finding: NameFinding) -> RequestSection:
        """The part of the page about asking for an exemption."""
        requests = self._requests
        if requests is None or finding.scope is None:
            return RequestSection()
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                state = await requests.state_of(finding.client, finding.scope)
        except (StoreAway, TimeoutError):
            return RequestSection(away=_AWAY)
        if state is not None:
            return RequestSection(state=state)
        return self._with_form(finding, Form(), requests)

    def _with_form(self, finding: NameFinding, form: Form, requests: Requests, trouble: str = "") -> RequestSection:
        token = self._tokens.make(finding.client, finding.name)
        filled = Form(finding.name, token, form.who, form.reason, form.seconds, form.errors)
        return RequestSection(filled, tuple(choices(requests.longest_seconds)), trouble=trouble)

    async def _take(self, request: web.BaseRequest, host: Host, client: str, requests: Requests) -> web.StreamResponse:
        """A form that was sent."""
        if not _is_same_origin(request) or request.content_type != CONTENT_TYPE:
            self._bounds.bite("foreign_forms", client)
            return self._pages.message(403, "This cannot be used", "It was sent from another page.")
        body = await read_within(request, MOST_BYTES, _BODY_SECONDS)
        if body is None:
            return self._pages.message(
                413, "This cannot be used", f"A form must be complete, with at most {MOST_BYTES} octets."
            )
        form = read_form(body, requests.longest_seconds)
        name = name_in(form.name) if host.is_own else host.name
        finding = self._findings.of(client, name) if name else None
        if finding is None:
            return self._no_name() if name is None else self._no_policy()
        here = f"/?name={quote(finding.name)}" if host.is_own else "/"
        if not finding.is_blocked or finding.scope is None:
            return self._pages.elsewhere(here)
        if not self._tokens.is_good(form.token, client, finding.name):
            self._bounds.bite("foreign_forms", client)
            trouble = "This page was open for too long, or your address has changed. Please send it once more."
            return self._pages.blocked(403, finding, self._with_form(finding, form, requests, trouble))
        if form.is_wrong:
            trouble = "Something is missing: see below."
            return self._pages.blocked(422, finding, self._with_form(finding, form, requests, trouble))
        try:
            async with asyncio.timeout(_FILE_SECONDS):
                if await requests.state_of(client, finding.scope) is not None:
                    self._bounds.events["asked_again"] += 1
                else:
                    await requests.file(finding, finding.scope, form, secrets.token_hex(8))
        except TooManyRequests as error:
            status, trouble = 429, str(error)
        except (StoreAway, TooMany, Invalid, TimeoutError):
            status, trouble = 503, _AWAY
        else:
            return self._pages.elsewhere(here)
        return self._pages.blocked(status, finding, self._with_form(finding, form, requests, trouble))

    def _not_blocked(self, finding: NameFinding, host: Host) -> web.Response:
        self._bounds.events["not_blocked"] += 1
        return self._pages.not_blocked(200 if host.is_own else 421, finding)

    def _no_name(self) -> web.Response:
        return self._pages.message(400, "No name", "Your browser did not send a host name that could be blocked.")

    def _no_policy(self) -> web.Response:
        text = "This server has just been started. Try again in a few seconds."
        return self._pages.message(503, "One moment", text, **{"Retry-After": "2"})


def _is_same_origin(request: web.BaseRequest) -> bool:
    """Whether a form was sent by a page of the same origin, as far as the browser says (and all of today's do).

    Over plain HTTP there is no Sec-Fetch-Site but on loopback; a form that is sent across origins has an Origin.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    origin = request.headers.get("Origin")
    host = request.headers.get("Host", "")
    return origin is None or origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())
