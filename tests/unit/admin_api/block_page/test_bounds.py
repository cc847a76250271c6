"""What bounds the block page has, and that what they refuse is counted."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.admin_api.block_page.conftest import ANA, BEN, Open, rest


@pytest.mark.slow
async def test_a_client_has_few_requests_waiting(page_with: Open) -> None:
    page = await page_with(most_pending_per_client=2)
    assert [(await page.ask(host)).status for host in ("claude.ai", "chatgpt.com")] == [303, 303]
    fresh = await page.ask("www.house.example")
    assert fresh.status == 429
    assert "2 requests from your device are pending" in fresh.text
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
    page = await page_with(pages_per_second_per_client=1)
    got = await asyncio.gather(*(page.get("claude.ai") for _ in range(20)))
    refused = [one for one in got if one.status == 429]
    assert len(refused) >= 10
    assert all(one.text == "" and one.headers["retry-after"] == "1" for one in refused)
    assert page.serving.dropped["block_page_pages_per_second_per_client"] == len(refused)


@pytest.mark.slow
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
        assert await asyncio.wait_for(rest(reader), 20) == b""
    assert (await page.get("claude.ai")).status == 403
    for _, writer in held:
        writer.close()


@pytest.mark.slow
async def test_of_too_many_connections_the_most_silent_makes_room(page_with: Open) -> None:
    page = await page_with(connections=2)
    first, _ = held = await asyncio.open_connection("127.0.0.1", page.port, local_addr=(ANA, 0))
    held = [held, await asyncio.open_connection("127.0.0.1", page.port, local_addr=(ANA, 0))]
    async with asyncio.timeout(20):  # the server looks for silent ones each second
        while (await page.get("claude.ai", client=BEN)).status is None:
            pass
    assert await asyncio.wait_for(rest(first), 5) == b""
    assert page.serving.dropped["block_page_connections"] >= 1
    for _, writer in held:
        writer.close()
