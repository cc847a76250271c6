"""What is asked for on the block page waits, and what becomes of it is shown there."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from sqlalchemy import select

from admin_api.editing import exemptions as editing
from admin_api.editing.exemptions import Who
from admin_api.store import exemptions
from admin_api.store.exemptions import ExemptionRow
from admin_api.store.tables import webhook_messages
from tests.unit.admin_api.block_page.conftest import ANA, BEN, FORM, Page


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
    assert "stays blocked for everybody" in got.text
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


async def test_what_is_asked_for_lapses_and_can_be_asked_for_again(page: Page) -> None:
    await page.ask()
    (row,) = await page.rows()
    async with page.served.store.change("test") as change:
        past = datetime(2020, 1, 1, tzinfo=UTC)
        await exemptions.move(change, row, "expire", owner="test", expires_at=past)
    assert (await page.ask()).status == 303
    assert [row.status for row in await page.rows()] == ["pending", "expired"]
