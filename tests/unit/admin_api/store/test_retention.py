"""What has come to its end is removed when it is old, on both engines; what is open or young stays."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from admin_api import retention
from admin_api.retention import RetentionKeeper
from admin_api.store import change_requests, exemptions
from admin_api.store.change_requests import Asking, Finding, Sent
from admin_api.store.exemptions import NewExemption
from admin_api.store.store import Store
from admin_api.store.tables import change_requests as change_request_table
from admin_api.store.tables import exemption_events
from resolver.config.settings import Retention
from tests.unit.doubles import Said, SteadyAccess

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


async def exempted(store: Store, days_ago: float, *, is_over: bool = True) -> str:
    """An exemption that was made so long ago, and revoked an hour later."""
    at = NOW - days_ago * DAY
    subject = ("identity", ("ana@corp.example",), ("anthropic",))
    new = NewExemption(*subject, "Ana", "a test", None, "active", "me", at, NOW + DAY, None)
    async with store.change("me") as change:
        row = await exemptions.create(change, new, owner="Ana")
        if is_over:
            await exemptions.move(change, row, "revoke", owner="Ana", ended_at=at + DAY / 24)
    return row.id


async def decided(store: Store, days_ago: float) -> str:
    """A change request that was denied so long ago."""
    sent = Sent("PATCH /groups/{name}", {"name": "default"}, {}, {"x": days_ago}, None)
    async with store.change("me") as change:
        row = await change_requests.create(
            change,
            sent,
            Finding(("opens",), [], "effect"),
            Asking("me", "Ana", "t1"),
            most=200,
            wait_seconds=600,
            token_part=None,
        )
        await change_requests.decide(change, row, "deny", owner="Ben", note=None)
        at = update(change_request_table).where(change_request_table.c.id == row.id)
        await change.connection.execute(at.values(decided_at=NOW - days_ago * DAY))
    return row.id


async def looked(store: Store, kept: Retention) -> Said:
    """The first look of a keeper."""
    log = Said()
    task = asyncio.create_task(RetentionKeeper(SteadyAccess(store), kept, log).run())
    await asyncio.sleep(0.5)
    task.cancel()
    return log


async def left(store: Store) -> set[str]:
    async with store.read() as connection:
        made = await connection.scalars(select(exemptions.exemptions.c.id))
        asked = await connection.scalars(select(change_request_table.c.id))
        return {*made.all(), *asked.all()}


@pytest.mark.slow
async def test_what_ended_longer_ago_is_removed_with_its_events(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    for _ in range(5):
        await exempted(store, 40)
    stays = {await exempted(store, 20), await exempted(store, 400, is_over=False)}
    await decided(store, 40)
    stays |= {await decided(store, 20)}
    log = await looked(store, Retention(exemptions_days=30, change_requests_days=30))
    assert await left(store) == stays
    async with store.read() as connection:
        events = await connection.scalars(select(func.distinct(exemption_events.c.exemption_id)))
        assert set(events.all()) < stays
    assert [(facts["what"], facts["removed"]) for _, facts in log.lines] == [("exemptions", 5), ("change requests", 1)]


async def test_without_such_a_setting_nothing_is_removed(store: Store) -> None:
    stays = {await exempted(store, 4000), await decided(store, 4000)}
    assert not (await looked(store, Retention())).lines
    assert await left(store) == stays
