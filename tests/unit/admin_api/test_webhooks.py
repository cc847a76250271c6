"""Webhooks against a real receiver: signed, tried again, bounded, and no door to the inside."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from admin_api.outbox import delivery, watching
from admin_api.outbox.delivery import Deliveries
from admin_api.outbox.receivers import DEGRADED, RECOVERED, Outbox, lane_of
from admin_api.outbox.watching import Watcher
from admin_api.store import documents, exemptions, lists, webhooks
from admin_api.store.errors import StoreAway
from admin_api.store.exemptions import NewExemption
from admin_api.store.store import Store
from admin_api.store.webhooks import MOST_WAITING
from admin_api.webhooks import hooks
from admin_api.webhooks.hooks import Hook, hooks_of, send
from tests.support.outbox import until_waiting
from tests.unit.doubles import Said, SteadyAccess

SECRET = "what both know"


class Receiver:
    """Answers as it is told, and keeps what came."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        self.came.append((dict(request.headers), await request.read()))
        status = self.answers.pop(0) if self.answers else 204
        if status == 0:
            await asyncio.sleep(60)
        return web.Response(status=status, headers={"Location": self.url} if status == 302 else None)

    def hook(self, **more: Any) -> dict[str, Any]:
        return {"url": self.url, "secret": SECRET, "events": ["list.refused"], "allow_private": True, **more}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    one = Receiver()
    app = web.Application()
    app.router.add_post("/hook", one.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield one
    await runner.cleanup()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    one = await Store.open(None, tmp_path, Said())
    yield one
    await one.close()


async def until(met: Any) -> None:
    for _ in range(200):
        if await met() if asyncio.iscoroutinefunction(met) else met():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came to pass")


def is_signed(headers: dict[str, str], body: bytes) -> bool:
    """As a receiver checks it."""
    said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.new(SECRET.encode(), said, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(headers["webhook-signature"], f"v1,{mac}")


async def test_an_event_arrives_signed_and_is_tried_again_until_it_is_taken(
    store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PAUSES_SECONDS", (0, 0, 0))
    monkeypatch.setattr(delivery, "_LOOK_SECONDS", 0.02)
    receiver.answers = [500, 302]
    outbox = Outbox(hooks_of([receiver.hook()]))
    deliveries = Deliveries(SteadyAccess(store), outbox, Said())
    async with store.change("test") as change:
        await outbox.put(change.connection, "list.refused", {"list": "feed"})
        await outbox.put(change.connection, "node.degraded", {})  # which this hook does not want
    running = asyncio.ensure_future(deliveries.run())
    await until(lambda: deliveries.counts["webhook", "delivered"] == 1)
    await until_waiting(store, {})
    running.cancel()
    await asyncio.wait([running])
    assert [is_signed(headers, body) for headers, body in receiver.came] == [True] * 3
    assert len({headers["webhook-id"] for headers, _ in receiver.came}) == 1
    assert json.loads(receiver.came[-1][1])["type"] == "list.refused"
    state = deliveries.states[outbox.receivers[0].key]
    assert (state.last_error, deliveries.counts["webhook", "failed"]) == (None, 2)


async def test_a_message_that_nobody_takes_is_given_up_in_the_end(
    store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PAUSES_SECONDS", (0,))
    monkeypatch.setattr(delivery, "_LOOK_SECONDS", 0.02)
    receiver.answers = [500] * 10
    outbox, log = Outbox(hooks_of([receiver.hook()])), Said()
    deliveries = Deliveries(SteadyAccess(store), outbox, log)
    async with store.change("test") as change:
        await outbox.put(change.connection, "list.refused", {})
    running = asyncio.ensure_future(deliveries.run())
    await until(lambda: deliveries.counts["webhook", "given_up"] == 1)
    running.cancel()
    await asyncio.wait([running])
    state = deliveries.states[outbox.receivers[0].key]
    assert state.last_error == "it answered 500"
    assert SECRET not in repr(log.lines)


async def test_a_receiver_fails_as_long_as_something_waits_for_another_try_and_no_longer(
    store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PAUSES_SECONDS", (0.2,))
    monkeypatch.setattr(delivery, "_LOOK_SECONDS", 0.02)
    receiver.answers = [500, 500]
    outbox = Outbox(hooks_of([receiver.hook()]))
    deliveries = Deliveries(SteadyAccess(store), outbox, Said())
    state = deliveries.states[outbox.receivers[0].key]
    async with store.change("test") as change:
        await outbox.put(change.connection, "list.refused", {})
    running = asyncio.ensure_future(deliveries.run())
    await until(lambda: state.failing)
    assert deliveries.gauges()["moatdns_webhook_failing"] == {(): 1}
    await until(lambda: not state.failing)  # given up: nobody hears of it any more
    running.cancel()
    await asyncio.wait([running])
    assert deliveries.counts["webhook", "given_up"] == 1
    assert deliveries.gauges()["moatdns_webhook_failing"] == {(): 0}
    assert (state.last_error, state.waiting) == ("it answered 500", 0)


async def test_a_store_that_was_away_is_forgotten_when_it_is_back(
    store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_LOOK_SECONDS", 0.02)
    reading = store.read

    def away() -> Any:
        raise StoreAway("the store is away")

    monkeypatch.setattr(store, "read", away)
    outbox = Outbox(hooks_of([receiver.hook()]))
    deliveries = Deliveries(SteadyAccess(store), outbox, Said())
    state = deliveries.states[outbox.receivers[0].key]
    running = asyncio.ensure_future(deliveries.run())
    await until(lambda: state.failing)
    assert state.last_error == "the store is away"
    monkeypatch.setattr(store, "read", reading)
    await until(lambda: not state.failing)
    running.cancel()
    await asyncio.wait([running])
    assert state.last_error is None


async def test_what_is_said_of_the_node_waits_behind_no_flood_that_a_receiver_takes_slowly(
    store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_LOOK_SECONDS", 0.02)
    receiver.answers = [0]  # the first one of the flood is never answered
    outbox = Outbox(hooks_of([receiver.hook(events=["exemption.pending", "node.degraded"])]))
    deliveries = Deliveries(SteadyAccess(store), outbox, Said())
    async with store.change("test") as change:
        for number in range(100):
            await outbox.put(change.connection, "exemption.pending", {"id": number})
    running = asyncio.ensure_future(deliveries.run())
    await until(lambda: receiver.came)
    async with store.change("test") as change:
        await outbox.put(change.connection, "node.degraded", {"why": []})
    await until(lambda: len(receiver.came) == 2)
    running.cancel()
    await asyncio.wait([running])
    assert json.loads(receiver.came[1][1])["type"] == "node.degraded"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"allow_private": False}, "no public address"),
        ({"url": "http://localhost:9/", "allow_private": False}, "no public address"),
        ({"url": "http://127.0.0.1:1/"}, "cannot be reached"),
        ({"secret": "file:/nowhere/secret"}, "its secret"),
        ({"secret": "whsec_%%%"}, "its secret"),
    ],
)
async def test_what_cannot_be_sent_says_why(receiver: Receiver, more: dict[str, Any], why: str) -> None:
    hook = Hook(**{**receiver.hook(), **more})
    row = webhooks.MessageRow(1, hook.key, "msg_1", "{}", 0, datetime.now(UTC))
    assert why in (await send(hook, row) or "")
    assert receiver.came == []


async def test_a_receiver_that_hangs_is_not_waited_for(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_TRY_SECONDS", 0.1)
    receiver.answers = [0]
    row = webhooks.MessageRow(1, "", "msg_1", "{}", 0, datetime.now(UTC))
    assert "took longer" in (await send(Hook(**receiver.hook()), row) or "")


@pytest.mark.slow
async def test_no_more_than_a_bound_waits_for_a_hook(store: Store) -> None:
    async with store.change("test") as change:
        for number in range(MOST_WAITING + 5):
            await webhooks.put(change.connection, ["a"], "test", {"number": number})
        await webhooks.put(change.connection, ["b"], "test", {})
    async with store.read() as connection:
        assert await webhooks.waiting(connection) == {"a": (MOST_WAITING, 0), "b": (1, 0)}
        oldest = (await webhooks.due(connection, "a", datetime.now(UTC), 1))[0]
    assert json.loads(oldest.body)["data"] == {"number": 5}


def test_a_hooks_url_is_shown_without_what_may_be_secret() -> None:
    for url, shown in (
        (
            "https://user:pass@hooks.example:8443/services/T0/B0/what-lets-one-in?token=1",
            "https://hooks.example:8443/…",
        ),
        ("https://[2001:db8::1]/", "https://[2001:db8::1]/"),
    ):
        assert Hook(url, "s", (), False).shown == shown


async def _told(store: Store) -> list[tuple[str, dict[str, Any]]]:
    (hook,), rows = hooks_of([HOOK]), []
    async with store.read() as connection:
        for is_urgent in (False, True):
            rows += await webhooks.due(connection, lane_of(hook, is_urgent=is_urgent), datetime.now(UTC), 100)
    bodies = [json.loads(row.body) for row in sorted(rows, key=lambda row: row.id)]
    return [(body["type"], body["data"]) for body in bodies]


HOOK: dict[str, Any] = {
    "url": "http://127.0.0.1:9/",
    "secret": SECRET,
    "events": [watching.ENDING, watching.LIST_REFUSED, DEGRADED, RECOVERED],
    "allow_private": True,
}


async def test_what_nobody_does_is_noticed_and_told_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(watching, "_STEADY_SECONDS", 0.05)
    troubles: list[str] = []
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "kind": "client", "who": ("10.0.0.1",), "scope": ("ai",), "owner": "Ana", "reason": "test", "ticket": None,
        "status": "active", "decided_by": "token:a", "from_approval_seconds": None,
    }  # fmt: skip
    async with store.change("test") as change:
        feed = await lists.create(change, name="feed", kind="subscription", url="http://a.example/")
        old = {"starts_at": now - timedelta(days=40), "expires_at": now + timedelta(hours=20)}
        soon = await exemptions.create(change, NewExemption(**values, **old), owner="Ana")
        new = {"starts_at": now, "expires_at": now + timedelta(hours=20)}
        await exemptions.create(change, NewExemption(**values, **new), owner="Ana")
    running = asyncio.ensure_future(Watcher(SteadyAccess(store), Outbox(hooks_of([HOOK])), lambda: troubles).run())

    async def has(count: int) -> list[tuple[str, dict[str, Any]]]:
        for _ in range(200):
            told = await _told(store)
            if len(told) >= count:
                return told
            await asyncio.sleep(0.02)
        raise AssertionError(told)

    assert [(what, data["id"]) for what, data in await has(1)] == [(watching.ENDING, soon.id)]
    async with store.change("test") as change:
        await lists.update(change, feed, last_error="it answered 404")
    assert (await has(2))[1] == (watching.LIST_REFUSED, {"list": "feed", "why": "it answered 404"})
    troubles.append("the store is away")
    assert (await has(3))[2] == (DEGRADED, {"why": ["the store is away"]})
    troubles.clear()
    assert (await has(4))[3][0] == RECOVERED
    await asyncio.sleep(0.2)
    assert len(await _told(store)) == 4
    running.cancel()
    await asyncio.wait([running])
    async with store.read() as connection:
        assert (await documents.get(connection, "webhooks_told")) == {"lists": {"feed": "it answered 404"}}
