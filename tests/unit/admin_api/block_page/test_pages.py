"""What the page shows, to whom, and that what strangers send comes to nothing."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from tests.unit.admin_api.block_page.conftest import ANA, BEN, FORM, PROXY, STRANGER, Open, Page


async def test_the_page_says_what_is_blocked_for_whom_and_why(page: Page) -> None:
    got = await page.get("claude.ai", "/any/path?at=all")
    assert got.status == 403
    assert "<h1>claude.ai is blocked</h1>" in got.text
    assert "<strong>Claude</strong> (Anthropic)" in got.text
    assert "<dd>staff (by your network, 127.0.0.7/32)</dd>" in got.text
    assert "<dd>rule claude.ai of the catalogue</dd>" in got.text
    other = await page.get("www.house.example", client=BEN)
    assert "<dd>rule house.example of the list house</dd>" in other.text
    assert "<dd>default (the group of all clients in no other group)</dd>" in other.text


async def test_nothing_but_the_page_may_be_done_with_it(page: Page) -> None:
    got = await page.get("claude.ai")
    assert got.headers["cache-control"] == "no-store"
    assert got.headers["connection"] == "close"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in got.headers["content-security-policy"]
    assert "script" not in got.headers["content-security-policy"]
    assert "<script" not in got.text
    assert not re.findall(r'(?:src|href|action)="(?!data:,|/request-an-exemption")', got.text)
    assert "set-cookie" not in got.headers


async def test_methods_other_than_the_pages_are_not_known(page: Page) -> None:
    head = await page.get("claude.ai", method="HEAD")
    assert (head.status, head.text) == (403, "")
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "QUERY"):
        got = await page.get("claude.ai", method=method)
        assert (got.status, got.headers["allow"], got.text) == (405, "GET, HEAD, POST", "")
    posted = await page.get("claude.ai", "/api/completions", method="POST", body=b"{}")
    assert posted.status == 403
    assert "<h1>claude.ai is blocked</h1>" in posted.text


@pytest.mark.parametrize(
    "host",
    [
        b"<script>alert(1)</script>",
        b'"><img src=x onerror=alert(1)>',
        b"claude.ai\x00<b>",
        b"claude.ai\x0b",
        b"\xff\xfe<i>",
        b"a" * 255,
        b".".join([b"a" * 62] * 4) + b"<u>",
        b"{{ 7*7 }}",
        b"[::1<script>",
        b"",
        b"claude.ai\r\nHost: chatgpt.com",
        b"x" * 9000,
    ],
)
async def test_a_hostile_host_comes_to_nothing(page: Page, host: bytes) -> None:
    got = await page.send(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    assert got.status == 400
    for part in ("<script", "<img", "<b>", "<i>", "<u>", "{{", ">49", "is blocked", "alert(", "aiohttp", "Python"):
        assert part not in got.text + str(got.headers)
    assert got.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "octets", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nbad header\r\n\r\n", b"\x00" * 100]
)
async def test_what_is_no_http_is_counted_and_not_repeated(page: Page, octets: bytes) -> None:
    got = await page.send(octets + b"\r\n\r\n")
    assert (got.status, got.text) == (400, "")
    assert page.serving.dropped["block_page_malformed"] == 1


async def test_a_stranger_gets_no_octet(page: Page) -> None:
    assert (await page.get("claude.ai", client=STRANGER)).status is None
    assert page.serving.dropped["block_page_strangers"] == 1
    by_proxy = await page.get("claude.ai", client=PROXY, X_Forwarded_For="198.51.100.7")
    assert (by_proxy.status, by_proxy.text) == (403, "")


async def test_a_trusted_proxy_is_believed_and_nobody_else(page: Page) -> None:
    assert "<dd>staff (" in (await page.get("claude.ai", client=PROXY, X_Forwarded_For=f"127.0.0.9, {ANA}")).text
    assert "<dd>default (" in (await page.get("claude.ai", client=BEN, X_Forwarded_For=ANA)).text


async def test_a_name_that_is_not_blocked_has_a_neutral_page(page: Page) -> None:
    got = await page.get("www.example.com")
    assert got.status == 421
    assert "<h1>www.example.com is not blocked for you</h1>" in got.text
    assert "<form" not in got.text


async def test_names_are_looked_up_on_the_pages_own_address_alone(page: Page) -> None:
    for host in ("127.0.0.1", "ask.example", "[2001:db8::53]:80"):
        assert "Is a name blocked?" in (await page.get(host)).text
        typed = await page.get(host, "/?name=" + quote("https://claude.ai/new"))
        assert (typed.status, "<h1>claude.ai is blocked</h1>" in typed.text) == (200, True)
        assert "is not blocked for you" in (await page.get(host, "/?name=example.com")).text
        wrong = await page.get(host, "/?name=" + quote('"><script>alert(1)</script>'))
        assert wrong.status == 400
        assert "&lt;script&gt;" in wrong.text
        assert "<script>" not in wrong.text
    # A page of somebody else's whose name leads here (DNS rebinding) learns nothing.
    rebound = await page.get("evil.example", "/?name=claude.ai")
    assert "claude.ai" not in rebound.text


async def test_the_page_stays_while_the_store_is_away(page: Page) -> None:
    token = await page.token("claude.ai")
    page.served.store_access.trouble = "it is away"
    got = await page.get("claude.ai")
    assert got.status == 403
    assert "Requests cannot be accepted right now" in got.text
    assert (await page.post("claude.ai", {**FORM, "token": token})).status == 503
    page.served.store_access.trouble = None
    assert (await page.post("claude.ai", {**FORM, "token": token})).status == 303


async def test_without_a_form_none_is_taken(page_with: Open) -> None:
    page = await page_with(request_form=False, contact="https://help.corp.example/ai?a=1&b=2")
    got = await page.get("claude.ai")
    assert "<form" not in got.text
    assert '<a href="https://help.corp.example/ai?a=1&amp;b=2" rel="noreferrer">' in got.text
    assert (await page.post("claude.ai", FORM)).status == 403
    assert await page.rows() == []


@pytest.mark.parametrize(
    ("contact", "shown"),
    [
        ("it@corp.example", '<a href="mailto:it@corp.example" rel="noreferrer">it@corp.example</a>.'),
        ("javascript:alert(1)", " javascript:alert(1)"),
        ("the help desk, phone <200>", " the help desk, phone &lt;200&gt;"),
    ],
)
async def test_a_contact_leads_where_it_says(page_with: Open, contact: str, shown: str) -> None:
    page = await page_with(contact=contact)
    assert f"Contact{'' if shown.startswith(' ') else ' '}{shown}" in (await page.get("claude.ai")).text


async def test_before_the_first_policy_it_asks_for_patience(page: Page) -> None:
    page.served.policy.snapshot = None
    got = await page.get("claude.ai")
    assert (got.status, got.headers["retry-after"]) == (503, "2")
