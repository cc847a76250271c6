"""Records of runs and of what was in force, and readings of the past, alike on both engines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from admin_api.evidence.deeds import deeds_since, first_row_at, owners, pause_deeds
from admin_api.store import exemptions, leases, pauses, periods, tokens
from admin_api.store.exemptions import NewExemption
from admin_api.store.lease_row import LeaseRow
from admin_api.store.periods import SpanRow
from admin_api.store.store import Store

START = datetime(2026, 3, 2, 8, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def test_runs_and_spans_are_read_back_as_they_were_written(store: Store) -> None:
    async with store.count() as conn:
        run = await periods.begun(conn, node="n", version="1", started=START, began=START + HOUR)
        again = await periods.begun(conn, node="n", version="2", started=START, began=START)
        assert again == run, "another control process of the same run"
        span = await periods.put_span(conn, SpanRow(0, run.id, "policy", START + HOUR, None, {"revision": 3}))
        await periods.put_span(conn, SpanRow(0, run.id, "degraded", START, START + HOUR, {"why": ["x"]}))
        assert await periods.open_spans(conn, run.id) == [span]
        await periods.live(conn, run.id, START + 5 * HOUR, how="stopped")
    async with store.read() as conn:
        (read,) = await periods.periods_touching(conn, START, START + 9 * HOUR)
        assert (read.began, read.ended, read.how) == (START + HOUR, START + 5 * HOUR, "stopped")
        assert await periods.periods_touching(conn, START + 99 * HOUR, START + 100 * HOUR) == [read], "the last before"
        spans = await periods.spans_of(conn, [read], START + 9 * HOUR, None)
        assert [(one.kind, one.ended) for one in spans] == [
            ("degraded", START + HOUR),
            ("policy", START + 5 * HOUR),
        ]
        assert periods.running_of([read], START) == run.id
        assert periods.running_of([read], START + HOUR) is None
        assert await periods.known_since(conn) == START + HOUR
    async with store.count() as conn:
        await periods.forget(conn, START + 90 * HOUR)
        assert await periods.known_since(conn) == START + 90 * HOUR
        assert await periods.periods_touching(conn, START, START + 99 * HOUR) == []


async def test_deeds_of_the_past_are_those_of_policy_with_their_persons(store: Store) -> None:
    async with store.change("token:first") as change:
        await tokens.create(change, name="first", owner="Ana", roles=("admin",))
        pause = await pauses.create(change, group=None, reason="x", expires_at=START)
        change.record("flush", "cache", None, {"name": None})
    async with store.read() as conn:
        who = await owners(conn)
        first = await first_row_at(conn)
        assert first is not None
        found = [deed for deed in await deeds_since(conn, first, who) if deed.by.endswith("(token:first)")]
        assert [(deed.kind, deed.name, deed.by) for deed in found] == [
            ("tokens", "first", "Ana (token:first)"),
            ("pauses", pause.id, "Ana (token:first)"),
        ]
        later = datetime.now(UTC) + HOUR
        assert await deeds_since(conn, later, who) == []
        assert [deed.name for deed in await pause_deeds(conn, later, who)] == [pause.id]


async def test_exemptions_and_leases_of_a_moment_are_those_of_then(store: Store) -> None:
    now = datetime.now(UTC)
    new = NewExemption("client", ("10.0.0.1",), ("anthropic",), "Ada", "x", None, "active", "me", now, now + HOUR, None)
    async with store.change("me") as change:
        row = await exemptions.create(change, new, owner="Ada")
        lease = LeaseRow("10.0.0.1", "ana", "vpn", "d", "me", now, now, now + HOUR)
        await leases.put(change, [lease], ["set"], instead_of={})
    made = datetime.now(UTC)
    async with store.change("me") as change:
        await exemptions.move(change, row, "renew", owner="Ada", expires_at=now + 9 * HOUR)
        await leases.end(change, [lease], "ended")
    async with store.change("me") as change:
        renewed = await exemptions.get(change.connection, row.id)
        await exemptions.move(change, renewed, "revoke", owner="Ada")
    async with store.read() as conn:
        assert [(one.id, one.expires_at) for one in await exemptions.active_at(conn, made)] == [
            (row.id, row.expires_at)
        ]
        assert await exemptions.active_at(conn, now - HOUR) == []
        assert await exemptions.active_at(conn, datetime.now(UTC)) == []
        event = await leases.last_event(conn, "10.0.0.1", made)
        assert event is not None
        assert (event.action, event.group) == ("set", "vpn")
        found, more = await leases.into_groups(conn, {"vpn"}, now - HOUR, datetime.now(UTC))
        assert ([one.action for one in found], more) == (["set", "ended"], 0)


async def test_leases_into_some_groups_are_read_from_where_they_were_set_and_what_is_too_much_is_told(
    store: Store,
) -> None:
    now = datetime.now(UTC)

    async def lease(address: str, group: str | None, action: str = "set", ttl: timedelta = HOUR) -> LeaseRow:
        row = LeaseRow(address, "ana", group, f"d{address}", "me", now, now, datetime.now(UTC) + ttl)
        async with store.change("me") as change:
            there = await leases.at(change.connection, [address])
            await leases.put(change, [row], [action], instead_of=there)
        return row

    await lease("10.0.0.9", "vpn", ttl=timedelta(microseconds=1))  # over before the window begins
    await lease("10.0.0.1", "vpn")
    await lease("10.0.0.1", "vpn", "renewed")
    await lease("10.0.0.1", "vpn", "renewed")
    await lease("10.0.0.2", "guests")
    begin = datetime.now(UTC)
    await lease("10.0.0.1", None)  # in another group from now on
    moved = await lease("10.0.0.2", "vpn")
    async with store.change("me") as change:
        await leases.end(change, [moved], "ended")
    async with store.read() as conn:
        found, more = await leases.into_groups(conn, {"vpn", "lab"}, begin, datetime.now(UTC))
        assert [(one.address[-1], one.group, one.action, one.at < begin) for one in found] == [
            ("1", "vpn", "set", True),
            ("1", "vpn", "renewed", True),  # the last of them
            ("2", "guests", "set", True),
            ("1", None, "set", False),
            ("2", "vpn", "set", False),
            ("2", "vpn", "ended", False),
        ]
        assert more == 0
        some, more = await leases.into_groups(conn, {"vpn"}, begin, datetime.now(UTC), most=2)
        assert (some, more) == (found[:2], 4)
        assert await leases.into_groups(conn, (), begin, datetime.now(UTC)) == ([], 0)
