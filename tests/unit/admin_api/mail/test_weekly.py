"""The weekly summary: once a week, on Mondays at seven, also over a restart, and with figures of that week."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from admin_api.mail.receiver import MailReceiver
from admin_api.mail.texts import Sender, text_of
from admin_api.mail.weekly import WeeklySummary, week_of
from admin_api.outbox.receivers import Outbox
from admin_api.statistics.service import StatisticsService
from admin_api.store.store import Store
from admin_api.store.tables import webhook_messages
from resolver.config.settings import ControlSettings, MailSettings
from tests.unit.doubles import Said, SteadyAccess

MONDAY = datetime(2026, 11, 30, 7, 0, tzinfo=UTC)
SETTINGS = MailSettings("localhost", 25, "moatdns@corp.example", ("dns@corp.example",))


@pytest.mark.parametrize(
    ("at", "week"),
    [
        (MONDAY - timedelta(seconds=1), "2026-W48"),
        (MONDAY, "2026-W49"),
        (MONDAY + timedelta(days=6, hours=23), "2026-W49"),
        (datetime(2027, 1, 4, 6, 59, tzinfo=UTC), "2026-W53"),
    ],
)
def test_weeks_begin_on_mondays_at_seven(at: datetime, week: str) -> None:
    assert week_of(at) == week


async def test_it_comes_once_a_week_and_not_for_the_week_of_the_installation(tmp_path: Path) -> None:
    store, now = await Store.open(None, tmp_path, Said()), [MONDAY - timedelta(days=3)]
    access: Any = SteadyAccess(store)
    outbox = Outbox([MailReceiver(SETTINGS)])
    statistics = StatisticsService(access, ControlSettings(str(tmp_path)), Said(), dict)

    async def looked_at() -> list[dict[str, Any]]:
        """Look as a node that has just been started; gives all summaries so far."""
        await WeeklySummary(access, outbox, statistics, lambda: ["a disk is full"], clock=lambda: now[0]).look()
        async with store.read() as connection:
            bodies = (await connection.execute(select(webhook_messages.c.body))).scalars()
            return [json.loads(body) for body in bodies]

    assert await looked_at() == []
    now[0] = MONDAY + timedelta(minutes=1)
    (told,) = await looked_at()
    now[0] += timedelta(days=6)
    assert len(await looked_at()) == 1
    now[0] += timedelta(days=1)
    assert len(await looked_at()) == 2
    assert told["type"] == "summary.weekly"
    assert (told["data"]["from"], told["data"]["to"]) == ("2026-11-23T07:00:00+00:00", "2026-11-30T07:00:00+00:00")
    assert told["data"]["queries"] == 0
    body = text_of(told["type"], told["data"], Sender("dns1")).body
    assert "The week from 2026-11-23 07:00 UTC to 2026-11-30 07:00 UTC." in body
    assert "What is the matter now:\n- a disk is full\n" in body
    await store.close()


def test_who_wants_none_gets_none() -> None:
    settings = MailSettings("localhost", 25, "a@corp.example", ("b@corp.example",), weekly=False)
    assert not Outbox([MailReceiver(settings)]).wants("summary.weekly")
