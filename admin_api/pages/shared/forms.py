"""Forms that browsers send: from one of our own pages, in good form, and in good time."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import MultiDict, MultiDictProxy

from admin_api.api.http.reading import BROKEN, read_within
from admin_api.api.http.turns import TURN
from admin_api.editing.refusals import BadRequest
from admin_api.pages.shared.addresses import split

FORM_SECONDS = 20.0  # for a form of somebody who is logged in
LOGIN_BYTES = 4096  # of the form with a token: whoever sends it is a stranger
LOGIN_SECONDS = 5.0

_LOGIN_FIELDS = 10
_FORM = "application/x-www-form-urlencoded"
_OWN = ("same-origin", "none")  # Sec-Fetch-Site of what our own pages, or the address bar, send


def demand_own_page(request: web.Request) -> None:
    """Raises BadRequest (403) for what another site's page sends."""
    # Browsers send the first where the connection is secure or local; no page can set either.
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site not in _OWN if site is not None else origin is not None and split(origin).netloc != request.host:
        raise BadRequest(403, "this was sent from another site's page, and was not executed")


async def read_form(request: web.Request) -> MultiDictProxy[str]:
    """Read the fields of a form. Raises BadRequest (400, 408, 413, 415)."""
    _demand_form(request)
    try:
        async with asyncio.timeout(FORM_SECONDS):
            sent = await request.post()
    except TimeoutError:
        raise BadRequest(408, f"this form did not arrive within {FORM_SECONDS:g} s") from None
    except web.HTTPRequestEntityTooLarge:
        raise BadRequest(413, "this is too large for one form: send it in parts, or by the API") from None
    except BROKEN:
        raise BadRequest(400, "this form is not encoded as declared, or is truncated") from None
    except (ValueError, LookupError):  # LookupError: of a charset that nobody knows
        raise BadRequest(400, "this form cannot be read: it should be UTF-8") from None
    return MultiDictProxy(MultiDict((name, value) for name, value in sent.items() if isinstance(value, str)))


async def read_login_form(request: web.Request) -> MultiDictProxy[str]:
    """Read the fields of the login form; nobody else waits for it. Raises BadRequest (400, 413, 415)."""
    _demand_form(request)
    async with request[TURN].lent():
        body = await read_within(request, LOGIN_BYTES, LOGIN_SECONDS)
        if body is None:
            raise BadRequest(
                413, f"a token is sent in at most {LOGIN_BYTES} octets, whole and within {LOGIN_SECONDS:g} s"
            )
    try:
        sent = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_LOGIN_FIELDS)
    except ValueError:
        raise BadRequest(400, "this form cannot be read: it should be UTF-8") from None
    return MultiDictProxy(MultiDict(sent))


def _demand_form(request: web.Request) -> None:
    if request.content_type != _FORM:
        raise BadRequest(415, f"send a form: Content-Type {_FORM}")
