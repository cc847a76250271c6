"""Links that sign in once: what redeems one, what does not, and what the trail keeps."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from admin_api.persons import FIRST_OWNER
from admin_api.store import audit, tokens
from admin_api.store.errors import TooMany
from admin_api.store.login_links import GOOD_FOR, LONGEST_SESSION, MOST_LINKS, LinkRefused, make_link, redeem_link
from admin_api.store.store import Store
from admin_api.store.tables import tokens as table
from admin_api.store.tokens import TokenRow

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


async def made(store: Store, *, is_for_here: bool = True, now: datetime = NOW) -> str:
    async with store.change("command line") as change:
        return (await make_link(change, is_for_here=is_for_here, by="root", now=now))[1]


async def redeemed(
    store: Store, text: str, *, is_here: bool = True, after: timedelta = timedelta()
) -> TokenRow | LinkRefused:
    return await redeem_link(store, text, address="192.0.2.1", is_here=is_here, clock=lambda: NOW + after)


def why(found: TokenRow | LinkRefused) -> str:
    assert isinstance(found, LinkRefused)
    return found.why


async def trail_of(store: Store) -> list[tuple[str, str]]:
    async with store.read() as conn:
        rows = await audit.page(conn, limit=100)
    return [(row.actor, row.action) for row in reversed(rows)]


async def test_a_link_is_redeemed_once_and_is_then_the_token_of_one_session(store: Store) -> None:
    text = await made(store)
    row = await redeemed(store, text)
    assert isinstance(row, TokenRow)
    assert (row.owner, row.roles) == (FIRST_OWNER, ("admin", "investigator"))
    assert row.expires_at == NOW + LONGEST_SESSION
    async with store.read() as conn:
        assert await tokens.by_id(conn, row.id, NOW + LONGEST_SESSION - timedelta(seconds=1)) == row
        assert await tokens.by_id(conn, row.id, NOW + LONGEST_SESSION) is None
        assert await tokens.authenticate(conn, text, NOW) is None, "it is no token of the API"
        assert await tokens.authenticate(conn, text.replace("link_", "moat_"), NOW) is None
    assert why(await redeemed(store, text)) == "the link was used already"
    assert await trail_of(store) == [("command line", "create"), ("login page", "redeem"), ("login page", "refuse")]


async def test_of_many_that_redeem_a_link_at_once_one_gets_in(store: Store) -> None:
    text = await made(store)
    found = await asyncio.gather(*(redeemed(store, text) for _ in range(8)))
    assert sum(isinstance(one, TokenRow) for one in found) == 1


async def test_a_link_is_good_for_ten_minutes_and_wrong_ones_never(store: Store) -> None:
    text = await made(store)
    other = text[:-1] + ("A" if text[-1] != "A" else "B")
    assert why(await redeemed(store, other)) == "the link is wrong"
    for nobodys in ("", "link_", text[5:], f"link_00000000_{text[14:]}", text + "A", "ä" * 60, "half \ud800"):
        assert "wrong" in why(await redeemed(store, nobodys))
    assert len(await trail_of(store)) == 2, "what names no link leaves no row"
    assert "is over" in why(await redeemed(store, text, after=GOOD_FOR))
    assert isinstance(await redeemed(store, text, after=GOOD_FOR - timedelta(seconds=1)), TokenRow)


async def test_a_link_for_this_machine_is_redeemed_from_nowhere_else(store: Store) -> None:
    here, anywhere = await made(store), await made(store, is_for_here=False)
    assert "on this machine" in why(await redeemed(store, here, is_here=False))
    assert isinstance(await redeemed(store, anywhere, is_here=False), TokenRow)
    assert isinstance(await redeemed(store, here), TokenRow)


async def test_the_store_and_the_trail_have_neither_the_link_nor_its_secret(store: Store) -> None:
    text = await made(store)
    await redeemed(store, text)
    async with store.read() as conn:
        rows = [dict(row._mapping) for row in await conn.execute(select(table))]
        trail = await audit.page(conn, limit=10)
    assert text.split("_", 2)[2] not in json.dumps(rows, default=str) + repr(trail)
    assert trail[0].after["address"] == "192.0.2.1"
    assert trail[1].after["by"] == "root"


async def test_ten_links_wait_and_those_that_are_over_make_room(store: Store) -> None:
    for _ in range(MOST_LINKS):
        await made(store)
    with pytest.raises(TooMany, match="wait until they are over"):
        await made(store)
    await made(store, now=NOW + GOOD_FOR)
    async with store.read() as conn:
        assert len(await tokens.all_tokens(conn)) == 1


async def test_a_revoked_link_or_session_is_over(store: Store) -> None:
    first, second = await made(store), await made(store)
    row = await redeemed(store, second)
    assert isinstance(row, TokenRow)
    async with store.read() as conn:
        names = [one.name for one in await tokens.all_tokens(conn)]
    async with store.change("ana") as change:
        for name in names:
            await tokens.revoke(change, name)
    assert "wrong" in why(await redeemed(store, first))
    async with store.read() as conn:
        assert await tokens.by_id(conn, row.id, NOW) is None


async def test_a_link_before_the_first_start_leaves_the_first_token_to_be_made(store: Store, tmp_path: Path) -> None:
    await made(store)
    assert await tokens.ensure_first_token(store, tmp_path) is not None


async def test_no_link_and_no_session_of_one_comes_out_of_a_backup(store: Store) -> None:
    await made(store)
    assert isinstance(await redeemed(store, await made(store)), TokenRow)
    async with store.change("moatdns") as change:
        await tokens.create(change, name="ana", owner="Ana", roles=("viewer",))
        assert await tokens.suspend_all(change) == 1
    async with store.read() as conn:
        assert [(row.name, row.suspended) for row in await tokens.all_tokens(conn)] == [("ana", True)]
