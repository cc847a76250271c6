"""The trail: who did what, and a tampered one shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from admin_api.store import audit, trail
from admin_api.store.errors import StoreAway, StoreLost
from admin_api.store.store import Store
from admin_api.store.tables import audit as table
from admin_api.store.tables import meta
from tests.unit.admin_api.store.conftest import OpenStore, SilentLog


async def fill(store: Store, rows: int = 10) -> None:
    for number in range(rows):
        async with store.change(f"actor-{number % 2}", f"request-{number}") as change:
            change.record("update", f"lists/{number % 3}", {"n": number}, {"n": number + 1, "what": "ä\0"})


async def findings(store: Store, heads: list[tuple[int, str]] | None = None) -> list[str]:
    async with store.read() as conn:
        return (await trail.look_through(conn, store.audit_key, heads or [])).findings


async def test_a_row_says_who_did_what_to_what(store: Store) -> None:
    async with store.change("ana", "request-7") as change:
        change.record("create", "lists/house", None, {"name": "house", "note": 'quote " and ü \0'})
        change.record("update", "groups/staff", {"exempt": False}, {"exempt": True})
    async with store.read() as conn:
        newest, first = await audit.page(conn, limit=10)
    assert (first.id, first.actor, first.action, first.object) == (1, "ana", "create", "lists/house")
    assert (first.before, first.after) == (None, {"name": "house", "note": 'quote " and ü \0'})
    assert (first.request_id, newest.id, newest.before) == ("request-7", 2, {"exempt": False})
    assert first.at.tzinfo is not None


async def test_pages_go_back_in_time_and_filters_narrow_them(store: Store) -> None:
    await fill(store)
    async with store.read() as conn:
        assert [row.id for row in await audit.page(conn, limit=3)] == [10, 9, 8]
        assert [row.id for row in await audit.page(conn, limit=3, before_id=8)] == [7, 6, 5]
        assert [row.id for row in await audit.page(conn, limit=9, actor="actor-0")] == [9, 7, 5, 3, 1]
        assert [row.id for row in await audit.page(conn, limit=9, object="lists/1", actor="actor-0")] == [5]
        assert await audit.page(conn, limit=9, action="delete") == []


async def test_an_untouched_trail_is_whole(store: Store) -> None:
    assert await findings(store) == []
    await fill(store)
    async with store.read() as conn:
        head = await audit.head(conn)
    assert head[0] == 10
    assert await findings(store, [head, (0, "")]) == []


@pytest.mark.parametrize("column", ["actor", "action", "object", "before", "after", "request_id", "mac"])
async def test_a_changed_row_shows(store: Store, column: str) -> None:
    await fill(store)
    async with store.count() as conn:
        await conn.execute(update(table).where(table.c.id == 4).values({column: "0"}))
    assert (await findings(store))[0].startswith("row 4 ")


async def test_a_changed_time_shows(store: Store) -> None:
    await fill(store)
    async with store.count() as conn:
        other = await conn.scalar(select(table.c.at).where(table.c.id == 5))
        await conn.execute(update(table).where(table.c.id == 4).values(at=other))
    assert len(await findings(store)) == 1


async def test_a_missing_row_shows(store: Store) -> None:
    await fill(store)
    async with store.count() as conn:
        await conn.execute(delete(table).where(table.c.id.in_([1, 4, 5])))
    assert await findings(store) == ["row 1 is missing", "rows 4 to 5 are missing"]


async def test_a_missing_row_whose_number_was_given_to_the_next_shows(store: Store) -> None:
    await fill(store)
    async with store.count() as conn:
        await conn.execute(delete(table).where(table.c.id == 4))
        for number in range(5, 11):
            await conn.execute(update(table).where(table.c.id == number).values(id=number - 1))
    assert (await findings(store))[0].startswith("row 4 ")


async def test_reordered_rows_show(store: Store) -> None:
    await fill(store)
    async with store.count() as conn:
        for old, new in ((4, 99), (5, 4), (99, 5)):
            await conn.execute(update(table).where(table.c.id == old).values(id=new))
    assert [finding.split(" (")[0] for finding in await findings(store)] == ["row 4", "row 5", "row 6"]


async def test_a_trail_that_was_cut_off_shows_by_a_head_that_was_noted(store: Store) -> None:
    await fill(store)
    async with store.read() as conn:
        head = await audit.head(conn)
    async with store.count() as conn:
        await conn.execute(delete(table).where(table.c.id > 7))
    assert await findings(store) == []
    assert await findings(store, [head]) == ["the trail ends with row 7, but row 10 existed: its end was cut off"]


async def test_a_trail_that_was_cut_off_and_grew_again_shows_by_a_head_that_was_noted(store: Store) -> None:
    await fill(store)
    async with store.read() as conn:
        head = await audit.head(conn)
    async with store.count() as conn:
        await conn.execute(delete(table).where(table.c.id > 7))
    await fill(store, 5)
    assert await findings(store, [head]) == ["row 10 is not the row that was recorded as the trail's head"]


async def test_a_trail_that_was_emptied_shows_by_a_head_that_was_noted(store: Store) -> None:
    await fill(store)
    async with store.count() as conn:
        await conn.execute(delete(table))
    assert len(await findings(store, [(10, "00")])) == 1


async def test_many_findings_are_cut_to_a_hundred(store: Store) -> None:
    async with store.change("ana") as change:
        for number in range(300):
            change.record("update", "thing", number, None)
    async with store.count() as conn:
        await conn.execute(update(table).values(actor="mallory"))
    assert len(await findings(store)) == 100


async def test_the_key_stays_and_a_store_whose_key_is_lost_is_refused(open_store: OpenStore, tmp_path: Path) -> None:
    first = await open_store()
    await fill(first, 2)
    await first.close()
    again = await open_store()
    assert again.audit_key == first.audit_key
    assert len(again.audit_key) == 32
    await again.close()
    key = tmp_path / "state" / "audit.key"
    key.unlink()
    with pytest.raises(StoreLost, match=r"audit\.key, is gone: nothing vouches for the 2 rows"):
        await open_store()
    assert not key.exists()
    key.write_bytes(bytes(32))
    with pytest.raises(StoreLost, match=r"audit\.key, is not that of this store"):
        await open_store()
    key.write_bytes(first.audit_key)
    assert (await open_store()).audit_key == first.audit_key


@pytest.mark.parametrize("tampered", [None, 1, 4])
async def test_the_key_of_a_store_from_before_it_was_checked_is_known_by_a_row_that_holds(
    open_store: OpenStore, tmp_path: Path, tampered: int | None
) -> None:
    first = await open_store()
    await fill(first, 4)
    async with first.count() as conn:
        await conn.execute(update(meta).values(audit_key_check=None))
        if tampered:
            await conn.execute(update(table).where(table.c.id == tampered).values(actor="mallory"))
    await first.close()
    again = await open_store()
    assert len(await findings(again)) == bool(tampered)
    async with again.count() as conn:
        await conn.execute(update(meta).values(audit_key_check=None))
    await again.close()
    (tmp_path / "state" / "audit.key").write_bytes(bytes(32))
    with pytest.raises(StoreLost, match="is not that of this store"):
        await open_store()


async def test_a_damaged_key_is_told(tmp_path: Path, log: SilentLog) -> None:
    (tmp_path / "audit.key").write_bytes(b"short")
    with pytest.raises(StoreAway, match="has 5 octets instead of 32"):
        await Store.open(None, tmp_path, log)
