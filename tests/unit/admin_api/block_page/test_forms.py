"""Forms that are foreign, lack something, or are broken."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.unit.admin_api.block_page.conftest import ANA, BEN, FORM, Open, Page


@pytest.mark.parametrize(
    ("headers", "change"),
    [
        ({"Origin": "http://evil.example"}, {}),
        ({"Origin": "null"}, {}),
        ({"Origin": "http://claude.ai:81"}, {}),
        ({"Sec_Fetch_Site": "cross-site"}, {}),
        ({"Sec_Fetch_Site": "none"}, {}),
        ({"Content_Type": "text/plain"}, {}),
        ({}, {"token": ""}),
        ({}, {"token": "1.2"}),
    ],
)
async def test_a_form_of_another_page_is_refused(page: Page, headers: dict[str, str], change: dict[str, str]) -> None:
    form = {**FORM, "token": await page.token("claude.ai"), **change}
    assert (await page.post("claude.ai", form, **headers)).status == 403
    assert await page.rows() == []
    assert page.serving.dropped["block_page_foreign_forms"] == 1


async def test_a_form_of_another_client_or_for_another_name_is_refused(page: Page) -> None:
    token = await page.token("claude.ai")
    assert (await page.post("claude.ai", {**FORM, "token": token}, client=BEN)).status == 403
    assert (await page.post("chatgpt.com", {**FORM, "token": token})).status == 403
    same = await page.post(
        "claude.ai", {**FORM, "token": token}, Origin="http://claude.ai", Sec_Fetch_Site="same-origin"
    )
    assert same.status == 303
    assert len(await page.rows()) == 1


async def test_a_form_that_lacks_something_is_shown_again_with_what_was_typed(page: Page) -> None:
    got = await page.ask(who='"><script>alert(1)</script>', reason="")
    assert got.status == 422
    assert "Say what you need it for." in got.text
    assert 'value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"' in got.text
    assert "<script" not in got.text
    assert await page.rows() == []


@pytest.mark.slow
async def test_no_more_is_read_of_a_form_than_it_may_have(page: Page) -> None:
    got = await page.ask(reason="x" * 9000)
    assert got.status == 413
    unfinished = b"POST /request-an-exemption HTTP/1.1\r\nHost: claude.ai\r\nContent-Length: 20000000\r\n"
    kind = b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    assert (await page.send(unfinished + kind + b"x" * 20_000)).status == 413
    assert await page.rows() == []


FORM_HEAD = (
    b"POST /request-an-exemption HTTP/1.1\r\nHost: claude.ai\r\nContent-Type: application/x-www-form-urlencoded\r\n"
)


@pytest.mark.parametrize(
    "octets",
    [
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nwho=a\r\nZZ\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-5\r\nwho=a\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
        b"Expect: 200-maybe\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_a_body_that_is_broken_is_the_clients_fault(page: Page, octets: bytes) -> None:
    got = await page.send(FORM_HEAD + octets)
    assert got.status is not None
    assert 400 <= got.status < 500
    assert await page.rows() == []
    assert not [line for line in page.served.log.lines if "unexpected" in line[0]]


@pytest.mark.slow
async def test_a_body_that_breaks_later_is_the_clients_fault_too(page: Page) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", page.port, local_addr=(ANA, 0))
    writer.write(FORM_HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nwho=a\r\n")
    await page.get("claude.ai", client=BEN)  # who came later: by now the head above was read
    writer.write(b"ZZ\r\n")
    assert b" 413 " in await asyncio.wait_for(reader.readline(), 20)
    writer.close()
    assert not [line for line in page.served.log.lines if "unexpected" in line[0]]


async def test_who_leaves_in_the_middle_of_a_form_is_forgotten(page: Page) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", page.port, local_addr=(ANA, 0))
    writer.write(FORM_HEAD + b"Content-Length: 500\r\n\r\nwho=")
    await writer.drain()
    assert (await page.get("claude.ai", client=BEN)).status == 403
    assert page.serving.connections >= 1
    writer.transport.abort()
    async with asyncio.timeout(20):
        while page.serving.connections:
            await page.get("claude.ai", client=BEN)
    assert not [line for line in page.served.log.lines if "unexpected" in line[0]]


async def test_no_longer_can_be_asked_for_than_the_policy_allows(page_with: Open) -> None:
    page = await page_with(longest_seconds=7200)
    assert re.findall(r'<option value="(\d+)"', (await page.get("claude.ai")).text) == ["3600"]
    assert (await page.ask(seconds="86400")).status == 422
