"""The block page on a real socket and a real store, as browsers and strangers meet it."""

from __future__ import annotations

import asyncio
import functools
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import parse_headers
from io import BytesIO
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from sqlalchemy import select

from admin_api.block_page.making import make_block_page
from admin_api.block_page.serving import Serving
from admin_api.editing import exemptions as editing
from admin_api.editing.exemption_form import Terms
from admin_api.editing.exemptions import Who
from admin_api.store import exemptions
from admin_api.store.exemptions import ExemptionRow
from admin_api.store.tables import webhook_messages
from blocklists.loading import load_catalogue
from resolver.build import compile_policy
from resolver.config.policy_schema import Policy
from resolver.config.settings import BlockPageSettings, WorkerSettings
from resolver.policy.compiler import policy_in_memory
from resolver.policy.snapshot import PolicySnapshot
from tests.unit.admin_api.conftest import Served

ANA, BEN, PROXY, STRANGER = "127.0.0.7", "127.0.0.8", "127.0.0.77", "127.0.1.1"
POLICY = {
    "lists": [{"name": "house", "block": ["house.example", "=co.uk"]}],
    "groups": [{"name": "staff", "networks": [f"{ANA}/32"], "block": ["ai", "bypass", "lists"]}],
}
FORM = {"who": "Ana Ruiz", "reason": "a comparison", "seconds": "3600"}


@dataclass
class Got:
    """What came back; no status where the connection was ended without a word."""

    status: int | None
    headers: dict[str, str]
    text: str


@dataclass
class Page:
    """A block page that is served."""

    served: Served
    serving: Serving
    port: int

    async def send(self, octets: bytes, client: str = ANA) -> Got:
        """Send octets on a connection of their own, and read to its end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(client, 0))
        try:
            writer.write(octets)
            raw = await asyncio.wait_for(reader.read(), 20)
        except ConnectionError:
            raw = b""
        finally:
            writer.close()
        head, _, body = raw.partition(b"\r\n\r\n")
        if not head:
            return Got(None, {}, "")
        line, _, fields = head.partition(b"\r\n")
        headers = {name.lower(): value for name, value in parse_headers(BytesIO(fields + b"\r\n\r\n")).items()}
        return Got(int(line.split()[1]), headers, body.decode())

    async def get(
        self, host: str, path: str = "/", client: str = ANA, *, method: str = "GET", body: bytes = b"", **headers: str
    ) -> Got:
        """One request. Underscores in headers are dashes."""
        sent = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if body:
            sent["Content-Length"] = str(len(body))
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
        return await self.send("\r\n".join(lines).encode() + body, client)

    async def token(self, host: str, client: str = ANA, path: str = "/", **headers: str) -> str:
        """The token of a page's form."""
        text = (await self.get(host, path, client, **headers)).text
        found = re.search(r'name="token" value="([0-9a-f.]+)"', text)
        assert found, text
        return found[1]

    async def post(self, host: str, form: dict[str, str], client: str = ANA, **headers: str) -> Got:
        """Send the form."""
        kind = {"Content_Type": "application/x-www-form-urlencoded", **headers}
        body = urlencode(form).encode()
        return await self.get(host, "/request-an-exemption", client, method="POST", body=body, **kind)

    async def ask(self, host: str = "claude.ai", client: str = ANA, **change: str) -> Got:
        """Fill in the form of a page, and send it."""
        return await self.post(host, {**FORM, "token": await self.token(host, client), **change}, client)

    async def rows(self) -> list[ExemptionRow]:
        """All exemptions, newest first."""
        async with self.served.store.read() as connection:
            return await exemptions.page(connection, limit=1000)


@functools.cache
def _policy() -> PolicySnapshot:
    policy = Policy.model_validate(POLICY).model_dump(mode="json")
    return policy_in_memory(*compile_policy(policy, load_catalogue()))


Open = Callable[..., Awaitable[Page]]


@pytest.fixture
async def page_with(served: Served) -> AsyncIterator[Open]:
    """Serve a block page with settings."""
    served.policy.snapshot = _policy()
    async with AsyncExitStack() as opened:

        async def start(*, longest_seconds: int = 366 * 86400, **settings: Any) -> Page:
            context = served.context
            generous = {"pages_per_second": 10_000, "pages_per_second_per_client": 10_000, "names": ("ask.example",)}
            serving = make_block_page(
                BlockPageSettings(**{**generous, **settings}),
                WorkerSettings(clients_allow=("127.0.0.0/24",), trusted_proxies=(f"{PROXY}/32",)),
                Terms(four_eyes=False, longest_seconds=longest_seconds),
                door=context.door,
                policy=context.policy,
                subjects=context.subjects,
                catalogue=context.catalogue,
                log=served.log,
            )
            listening = socket.create_server(("127.0.0.1", 0))
            await serving.start([listening])
            opened.push_async_callback(serving.stop)
            return Page(served, serving, listening.getsockname()[1])

        yield start


@pytest.fixture
async def page(page_with: Open) -> Page:
    """One with the default settings."""
    return await page_with()


async def test_the_page_says_what_is_blocked_for_whom_and_why(page: Page) -> None:
    got = await page.get("claude.ai", "/any/path?at=all")
    assert got.status == 403
    assert "<h1>claude.ai is blocked</h1>" in got.text
    assert "<strong>Claude</strong> (Anthropic)" in got.text
    assert "<dd>staff (by your network, 127.0.0.7/32)</dd>" in got.text
    assert "<dd>rule claude.ai of the catalogue</dd>" in got.text
    other = await page.get("www.house.example", client=BEN)
    assert "<dd>rule house.example of the list house</dd>" in other.text
    assert "<dd>default (that of all who are in no other)</dd>" in other.text


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


async def test_a_request_waits_whatever_the_policy_says_of_approval(page: Page) -> None:
    sent = await page.ask(who="Ana <b>\x1b[1m")
    assert (sent.status, sent.headers["location"]) == (303, "/")
    (row,) = await page.rows()
    assert (row.status, row.kind, row.who, row.scope) == ("pending", "client", (ANA,), ("anthropic/claude",))
    assert row.owner == "Ana <b> [1m (not verified)"
    assert row.reason == "a comparison (asked on the block page, for claude.ai)"
    assert (row.requested_by, row.from_approval_seconds) == ("block-page", 3600)
    again = await page.get("claude.ai")
    assert f"Its number is <strong>{row.id}</strong>" in again.text
    assert "<form" not in again.text
    assert "<form" in (await page.get("claude.ai", client=BEN)).text
    async with page.served.store.read() as connection:
        (message,) = (await connection.execute(select(webhook_messages))).all()
    assert "exemption.pending" in str(message)


async def test_it_is_for_the_name_where_a_list_decides(page: Page) -> None:
    assert (await page.ask("www.house.example")).status == 303
    assert (await page.ask("co.uk")).status == 303
    assert [row.scope for row in await page.rows()] == [("=co.uk",), ("www.house.example",)]


async def test_ways_round_the_resolver_cannot_be_asked_for(page: Page) -> None:
    got = await page.get("dns.google")
    assert "stays closed for everybody" in got.text
    assert "<form" not in got.text
    sent = await page.post("dns.google", {**FORM, "token": await page.token("claude.ai")})
    assert sent.status == 303
    assert await page.rows() == []


async def test_an_exemption_by_the_own_address_is_for_the_name_that_was_looked_up(page: Page) -> None:
    token = await page.token("ask.example", path="/?name=claude.ai")
    sent = await page.post("ask.example", {**FORM, "token": token, "name": "claude.ai"})
    assert (sent.status, sent.headers["location"]) == (303, "/?name=claude.ai")
    assert [row.scope for row in await page.rows()] == [("anthropic/claude",)]
    other = await page.post("ask.example", {**FORM, "token": token, "name": "chatgpt.com"})
    assert other.status == 403


async def test_the_same_request_is_filed_once(page: Page) -> None:
    token = await page.token("claude.ai")
    sent = await asyncio.gather(*(page.post("claude.ai", {**FORM, "token": token}) for _ in range(5)))
    assert {got.status for got in sent} == {303}
    assert len(await page.rows()) == 1
    assert page.serving.events["filed"] == 1
    assert page.serving.events["asked_again"] == 4


async def decide(page: Page, how: str) -> ExemptionRow:
    (row, *_) = await page.rows()
    who = Who("token:boss", "Boss")
    if how == "approve":
        await editing.approve(page.served.context.subjects, row.id, who=who, expected_version=None)
    else:
        await editing.deny(page.served.context.subjects, row.id, reason="a secret", who=who, expected_version=None)
    return row


async def test_what_is_approved_opens_and_says_until_when(page: Page) -> None:
    await page.ask()
    row = await decide(page, "approve")
    got = await page.get("claude.ai")
    assert got.status == 421
    assert f"The exemption <strong>{row.id}</strong> lets you through until" in got.text
    assert (await page.get("claude.ai", client=BEN)).status == 403


async def test_what_is_denied_is_told_and_cannot_be_asked_for_at_once(page: Page) -> None:
    await page.ask()
    token = await page.token("claude.ai", client=BEN)
    row = await decide(page, "deny")
    got = await page.get("claude.ai")
    assert f"it was denied (number {row.id})" in got.text
    assert "a secret" not in got.text
    assert "<form" not in got.text
    assert (await page.post("claude.ai", {**FORM, "token": token}, client=BEN)).status == 303
    assert [(row.who, row.status) for row in await page.rows()] == [((BEN,), "pending"), ((ANA,), "denied")]


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


async def test_a_body_that_breaks_later_is_the_clients_fault_too(page: Page) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", page.port, local_addr=(ANA, 0))
    writer.write(FORM_HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nwho=a\r\n")
    await page.get("claude.ai", client=BEN)  # who came later: by now the head above was read
    writer.write(b"ZZ\r\n")
    assert b" 413 " in (await asyncio.wait_for(_rest(reader), 20))[:20]
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


async def test_a_client_has_few_requests_waiting(page_with: Open) -> None:
    page = await page_with(most_pending_per_client=2)
    assert [(await page.ask(host)).status for host in ("claude.ai", "chatgpt.com")] == [303, 303]
    fresh = await page.ask("www.house.example")
    assert fresh.status == 429
    assert "2 requests from your device wait already" in fresh.text
    assert (await page.ask(client=BEN)).status == 303
    assert len(await page.rows()) == 3
    assert page.serving.dropped["block_page_most_pending_per_client"] == 1


async def test_all_clients_together_have_so_many(page_with: Open) -> None:
    page = await page_with(most_pending=3)
    for client in (ANA, BEN, "127.0.0.9"):
        assert (await page.ask(client=client)).status == 303
    assert (await page.ask(client="127.0.0.10")).status == 429
    assert len(await page.rows()) == 3
    assert page.serving.dropped["block_page_most_pending"] == 1
    assert (
        "the block page turns somebody away",
        {"why": "most_pending", "client": "127.0.0.10"},
    ) in page.served.log.lines


async def test_so_many_are_taken_in_a_minute(page_with: Open) -> None:
    page = await page_with(requests_per_minute=2)
    statuses = [(await page.ask(client=f"127.0.0.{number}")).status for number in range(10, 14)]
    assert statuses == [303, 303, 429, 429]
    assert page.serving.dropped["block_page_requests_per_minute"] == 2


async def test_so_many_pages_are_shown_in_a_second(page_with: Open) -> None:
    page = await page_with(pages_per_second_per_client=3)
    got = await asyncio.gather(*(page.get("claude.ai") for _ in range(20)))
    refused = [one for one in got if one.status == 429]
    assert len(refused) >= 10
    assert all(one.text == "" and one.headers["retry-after"] == "1" for one in refused)
    assert page.serving.dropped["block_page_pages_per_second_per_client"] == len(refused)


async def test_a_client_has_few_connections_and_a_silent_one_is_ended(
    page_with: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin_api.block_page.serving._SILENT_SECONDS", 2.0)
    page = await page_with(connections_per_client=3)
    held = [await asyncio.open_connection("127.0.0.1", page.port, local_addr=(ANA, 0)) for _ in range(4)]
    held[0][1].write(b"GET / HTTP/1.1\r\nHost: cl")
    ended = asyncio.ensure_future(held[3][0].read())
    assert await asyncio.wait_for(ended, 5) == b""
    assert page.serving.dropped["block_page_connections_per_client"] == 1
    assert (await page.get("claude.ai", client=BEN)).status == 403
    for reader, _ in held[:3]:
        assert await asyncio.wait_for(_rest(reader), 20) == b""
    assert (await page.get("claude.ai")).status == 403
    for _, writer in held:
        writer.close()


async def test_of_too_many_connections_the_most_silent_makes_room(page_with: Open) -> None:
    page = await page_with(connections=2)
    first, _ = held = await asyncio.open_connection("127.0.0.1", page.port, local_addr=(ANA, 0))
    held = [held, await asyncio.open_connection("127.0.0.1", page.port, local_addr=(ANA, 0))]
    async with asyncio.timeout(20):  # the server looks for silent ones each second
        while (await page.get("claude.ai", client=BEN)).status is None:
            pass
    assert await asyncio.wait_for(_rest(first), 5) == b""
    assert page.serving.dropped["block_page_connections"] >= 1
    for _, writer in held:
        writer.close()


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def test_the_page_stays_while_the_store_is_away(page: Page) -> None:
    token = await page.token("claude.ai")
    page.served.door.trouble = "it is away"
    got = await page.get("claude.ai")
    assert got.status == 403
    assert "Requests cannot be taken right now" in got.text
    assert (await page.post("claude.ai", {**FORM, "token": token})).status == 503
    page.served.door.trouble = None
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
    page.served.policy.snapshot = None  # type: ignore[assignment]
    got = await page.get("claude.ai")
    assert (got.status, got.headers["retry-after"]) == (503, "2")


async def test_what_is_asked_for_lapses_and_can_be_asked_for_again(page: Page) -> None:
    await page.ask()
    (row,) = await page.rows()
    async with page.served.store.change("test") as change:
        past = datetime(2020, 1, 1, tzinfo=UTC)
        await exemptions.move(change, row, "expire", owner="test", expires_at=past)
    assert (await page.ask()).status == 303
    assert [row.status for row in await page.rows()] == ["pending", "expired"]
