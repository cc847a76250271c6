"""Octets that are no text, wherever a client can put them: never a fault of ours, never silence."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from unittest.mock import Mock

import pytest
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from hypothesis import given, settings
from hypothesis import strategies as st

from admin_api.api.http.odd_octets import with_text_only
from admin_api.api.routes import ROUTES
from admin_api.pages.table import PAGES
from tests.support.examples import examples
from tests.support.programs import PATIENCE_SECONDS

from .block_page.conftest import Page, page, page_with
from .browser import Browser
from .conftest import Served

__all__ = ["page", "page_with"]  # the block page's fixtures

ODD = (
    b"\xff\xfe",  # no UTF-8
    b"\xed\xa0\x80",  # half a surrogate pair
    b"a\x80\xc3",  # cut short
    "\u202eé\U000e0041".encode(),  # UTF-8, and not ASCII
)
QUOTED = (b"%FF%FE", b"%ED%A0%80", b"a%80%C3", b"%00", b"%zz%", b"%E2%80%AE%0D%0A")
HEADERS = (
    b"Accept",
    b"Accept-Encoding",
    b"Accept-Language",
    b"Authorization",
    b"Connection",
    b"Content-Encoding",
    b"Content-Type",
    b"Cookie",
    b"Expect",
    b"Host",
    b"HX-Boosted",
    b"HX-Current-URL",
    b"HX-Request",
    b"If-Match",
    b"If-Modified-Since",
    b"If-None-Match",
    b"If-Range",
    b"Origin",
    b"Range",
    b"Referer",
    b"Sec-Fetch-Site",
    b"Transfer-Encoding",
    b"Upgrade",
    b"User-Agent",
    b"X-CSRF-Token",
    b"X-Forwarded-For",
    b"X-Request-Id",
)
WHOLE = {  # what a value of such a header begins with, so that it is looked at further
    b"Authorization": b"Bearer moat_",
    b"Content-Type": b"application/x-www-form-urlencoded; charset=",
    b"Connection": b"close, ",
    b"Cookie": b"moatdns=",
    b"HX-Current-URL": b"http://localhost/",
    b"Referer": b"http://localhost/",
    b"If-Match": b'"',
    b"Host": b"localhost",
}
FORM = b"application/x-www-form-urlencoded"


def concrete(path: str) -> str:
    """A path with something in place of its named parts."""
    known = {"revision": "1", "action": "deny", "id": "ex-0000", "address": "10.1.2.3", "name": "default"}
    return re.sub(r"\{(\w+)(:(?:[^{}]|\{[^{}]*\})*)?\}", lambda part: known.get(part[1], "acme"), path)


TARGETS = sorted({(one.method, concrete(one.path)) for one in (*PAGES, *ROUTES)} | {("POST", "/login"), ("GET", "/x")})


async def send(port: int, octets: bytes, client: str = "127.0.0.1") -> tuple[int | None, bytes]:
    """The status that octets are answered with, None for a connection that was ended, and what else came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(client, 0))
    try:
        writer.write(octets)
        raw = await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
    except ConnectionError:
        raw = b""
    finally:
        writer.close()
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", raw)
    return int(found[1]) if found else None, raw


def request(method: str, path: bytes, headers: dict[bytes, bytes], body: bytes = b"") -> bytes:
    lines = [b"%s %s HTTP/1.1" % (method.encode(), path)]
    lines += [b"%s: %s" % pair for pair in ({b"Host": b"localhost", b"Connection": b"close"} | headers).items()]
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


def odd_requests(turn: int, method: str, path: str, known: dict[bytes, bytes], csrf: bytes) -> Iterator[bytes]:
    """Oddities in all places; by turns, so that a few targets are asked with each in each header."""
    at = path.encode()
    odd = ODD[turn % len(ODD)]
    for header in HEADERS[turn % 3 :: 3]:
        yield request(method, at, known | {header: WHOLE.get(header, b"") + odd})
    yield request(method, at, known | {header: WHOLE.get(header, b"") + odd for header in HEADERS[10:]})
    yield request(method, at + b"?next=/" + odd, known)
    yield request(method, at + b"/" + odd, known)
    for quoted in QUOTED[turn % 2 :: 2]:
        yield request(method, b"%s?name=%s&%s=1" % (at, quoted, quoted), known)
        if method != "GET":
            pairs = b"csrf=%s&name=%s&token=%s&owner=%s&%s=1" % (csrf, quoted, odd, quoted, quoted)
            yield request(method, at, known | {b"Content-Type": FORM}, pairs)
    if method != "GET":
        text = rb"\ud800\u0000\u202e"
        for more in (odd, b""):
            body = b'{"name": "%s", "reason": "%s", "owner": "%s"}' % (text + more, text + more, text + more)
            yield request(method, at, known | {b"Content-Type": b"application/json"}, body)


@pytest.mark.slow
async def test_odd_octets_are_never_our_fault(served: Served) -> None:
    browser = await Browser.log_in(served, "admin")
    csrf = (await browser.csrf()).encode()
    session = {b"Cookie": browser.cookie.encode(), b"X-CSRF-Token": csrf}
    token = {b"Authorization": b"Bearer " + served.tokens["admin"].encode()}
    asked = 0
    for turn, (method, path) in enumerate(TARGETS):
        for octets in odd_requests(turn, method, path, token if path.startswith("/api/") else session, csrf):
            status, raw = await send(served.port, octets)
            assert status is not None and status != 500, (octets, raw, served.log.lines[-2:])
            asked += 1
            if path == "/logout" and status == 303:
                browser = await Browser.log_in(served, "admin")
                session = {b"Cookie": browser.cookie.encode(), b"X-CSRF-Token": (await browser.csrf()).encode()}
    assert asked > 10 * len(TARGETS)
    assert not [line for line in served.log.lines if "unexpected" in line[0]]


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (b"Content-Encoding: gzip", b"{}"),
        (b"Content-Encoding: deflate", b"\xff\xfe"),
        (b"Content-Encoding: gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff"),
        (b"Transfer-Encoding: chunked", b"2\r\n{}\r\nxyz\r\n"),
        (b"Transfer-Encoding: chunked", b"2\r\n{}ab0\r\n\r\n"),
    ],
)
async def test_a_body_that_is_not_encoded_as_it_says_is_the_callers_fault(
    served: Served, header: bytes, body: bytes
) -> None:
    browser = await Browser.log_in(served, "admin")
    session = {b"Cookie": browser.cookie.encode(), b"X-CSRF-Token": (await browser.csrf()).encode()}
    token = {b"Authorization": b"Bearer " + served.tokens["admin"].encode()}
    name, _, value = header.partition(b": ")
    length = {} if name == b"Transfer-Encoding" else {b"Content-Length": b"%d" % len(body)}
    for path, known, kind in (
        (b"/api/v1/groups", token, b"application/json"),
        (b"/api/v1/cache:flush", token, b"application/json"),
        (b"/groups", session, FORM),
    ):
        octets = request("POST", path, known | length | {name: value, b"Content-Type": kind}) + body
        status, raw = await send(served.port, octets)
        assert status == 400, (octets, raw)
    assert not [line for line in served.log.lines if "unexpected" in line[0]]


@pytest.mark.parametrize("odd", ODD)
async def test_a_csrf_header_of_odd_octets_is_a_form_of_nobody(served: Served, odd: bytes) -> None:
    browser = await Browser.log_in(served, "admin")
    headers = {b"Cookie": browser.cookie.encode(), b"X-CSRF-Token": odd, b"Content-Type": FORM}
    assert (await send(served.port, request("POST", b"/groups", headers, b"name=x")))[0] == 403


@pytest.mark.parametrize("odd", ODD)
async def test_a_token_of_odd_octets_is_nobodys(served: Served, odd: bytes) -> None:
    for value in (b"Bearer " + odd, b"Bearer " + served.tokens["admin"].encode() + odd, odd + b" x"):
        status, _ = await send(served.port, request("GET", b"/api/v1/lists", {b"Authorization": value}))
        assert status == 401
    assert (await send(served.port, request("GET", b"/api/v1/lists", {b"Host": odd})))[0] == 421


@pytest.mark.slow
async def test_the_block_page_shrugs_at_odd_octets(page: Page) -> None:
    for turn, path in enumerate(("/", "/request-an-exemption", "/x", "/favicon.ico")):
        for method in ("GET", "POST", "HEAD"):
            for header in HEADERS:
                value = WHOLE.get(header, b"") + ODD[turn]
                got, raw = await send(page.port, request(method, path.encode(), {b"Host": b"claude.ai", header: value}))
                assert got is not None and got != 500, (header, value, raw)
            for octets in odd_requests(turn, method, path, {b"Host": b"claude.ai"}, b"x"):
                got, raw = await send(page.port, octets)
                assert got is not None and got != 500, (octets, raw)
    assert not [line for line in page.served.log.lines if "unexpected" in line[0]]


@settings(max_examples=examples(150))
@given(st.binary(max_size=60).map(lambda raw: raw.translate(None, bytes(range(33)) + b"\x7f#")))
def test_any_octets_in_a_message_leave_it_with_text_that_can_be_sent(octets: bytes) -> None:
    parser = HttpRequestParser(Mock(), Mock(), 2**16)
    try:
        messages, _, _ = parser.feed_data(request("GET", b"/" + octets, {b"Cookie": octets, b"X-Any": octets}))
    except (HttpProcessingError, ValueError):
        return  # aiohttp answers 400
    (message,) = map(with_text_only(lambda made: made), [messages[0][0]])
    for text in (message.path, str(message.url), *message.headers.values(), message.url.query_string):
        assert text.encode().decode() == text
