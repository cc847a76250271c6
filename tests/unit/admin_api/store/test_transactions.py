"""A change is whole or not there, one at a time, and a store that is away is StoreAway."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from pathlib import Path

import pytest
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from admin_api.store import audit, documents, lists, policy, rules, trail
from admin_api.store.engine import StoreLimits
from admin_api.store.errors import Duplicate, NotFound, StoreAway
from admin_api.store.store import Store
from admin_api.store.tables import meta
from tests.support.postgres import Postgres, shared_postgres
from tests.unit.admin_api.store.conftest import OpenStore, SilentLog, make_list


async def revision_of(store: Store) -> int:
    async with store.read() as conn:
        return await policy.revision(conn)


async def test_a_change_of_the_policy_brings_one_new_revision(store: Store) -> None:
    before = await revision_of(store)
    async with store.change("ana") as change:
        change.touches_policy()
        change.touches_policy()
        assert change.revision == before + 1
    assert change.revision == before + 1 == await revision_of(store)


async def test_a_change_that_is_not_of_the_policy_brings_no_revision(store: Store) -> None:
    before = await revision_of(store)
    async with store.change("ana") as change:
        await documents.put(change.connection, "note", {"text": "a"})
    assert change.revision == before == await revision_of(store)


async def test_what_raises_leaves_neither_rows_nor_audit_nor_revision(store: Store) -> None:
    before = await revision_of(store)
    with pytest.raises(LookupError):
        async with store.change("ana") as change:
            await lists.create(change, name="house", kind="own")
            change.record("create", "lists/house", None, {"name": "house"})
            change.touches_policy()
            raise LookupError
    async with store.read() as conn:
        assert await lists.all_lists(conn) == []
        assert await audit.page(conn, limit=10) == []
    assert await revision_of(store) == before


@pytest.mark.slow
async def test_two_writers_lose_nothing(open_store: OpenStore) -> None:
    stores = [await open_store(), await open_store()]

    async def count_up(store: Store) -> None:
        async with store.change("writer") as change:
            document = await documents.get(change.connection, "counter") or {"n": 0}
            await asyncio.sleep(0)
            await documents.put(change.connection, "counter", {"n": document["n"] + 1})
            change.record("count", "counter", document, None)
            change.touches_policy()

    before = await revision_of(stores[0])
    await asyncio.gather(*(count_up(stores[number % 2]) for number in range(40)))
    async with stores[0].read() as conn:
        assert await documents.get(conn, "counter") == {"n": 40}
        assert await policy.revision(conn) == before + 40
        assert [row.id for row in await audit.page(conn, limit=100)] == list(range(40, 0, -1))
        assert (await trail.look_through(conn, stores[0].audit_key)).findings == []


async def test_a_reader_sees_one_state_while_others_write(store: Store) -> None:
    async with store.read() as conn:
        before = await policy.revision(conn)
        await make_list(store)
        assert await policy.revision(conn) == before
        assert await lists.all_lists(conn) == []
    assert await revision_of(store) == before + 1


async def test_nothing_is_written_by_a_reader(store: Store) -> None:
    async with store.read() as conn:
        with contextlib.suppress(DBAPIError):  # PostgreSQL refuses at once; SQLite's is rolled back
            await conn.execute(update(meta).values(policy_revision=77))
    assert await revision_of(store) == 1


async def test_what_was_counted_is_there_and_is_no_change(store: Store) -> None:
    before = await revision_of(store)
    row = await make_list(store)
    async with store.count() as conn:
        await conn.execute(update(lists.lists).values(last_error="no answer"))
    async with store.read() as conn:
        assert (await lists.get(conn, row.name)).last_error == "no answer"
    assert await revision_of(store) == before + 1


async def test_the_store_keeps_its_identity_and_everything_else_when_opened_again(open_store: OpenStore) -> None:
    first = await open_store()
    await make_list(first, block=["a.example"])
    await first.close()
    second = await open_store()
    assert second.id == first.id
    async with second.read() as conn:
        row = await lists.get(conn, "house")
        assert [batch async for batch in rules.stream(conn, row.id)] == [[("block", "a.example")]]


async def test_names_that_no_column_can_hold_are_just_not_there(store: Store) -> None:
    async with store.read() as conn:
        for name in ("nul\0", "half \ud800", "none", "x" * 10_000):
            with pytest.raises(NotFound):
                await lists.get(conn, name)
        row = await make_list(store)
    async with store.read() as conn:
        assert await rules.page(conn, row, contains="\0", limit=10, after=None) == []
        assert await audit.page(conn, limit=10, before_id=1 << 80, actor="\0") == []


async def test_a_second_list_of_a_name_is_refused(store: Store) -> None:
    await make_list(store)
    with pytest.raises(Duplicate, match="list 'house'"):
        await make_list(store)


@pytest.mark.slow
async def test_many_readers_and_writers_at_once_all_come_through(store: Store) -> None:
    async def write(number: int) -> None:
        await make_list(store, f"list-{number}", block=[f"host-{number}.example"])

    async def read() -> None:
        async with store.read() as conn:
            await lists.all_lists(conn)

    await asyncio.gather(*(write(number) for number in range(20)), *(read() for _ in range(200)))
    async with store.read() as conn:
        assert len(await lists.all_lists(conn)) == 20


async def test_a_cancelled_change_leaves_nothing_and_blocks_nobody(store: Store) -> None:
    inside = asyncio.Event()

    async def hang() -> None:
        async with store.change("ana") as change:
            await lists.create(change, name="house", kind="own")
            inside.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(hang())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await make_list(store, block=["a.example"])


def modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def test_sqlite_files_are_readable_by_us_alone(tmp_path: Path, log: SilentLog) -> None:
    store = await Store.open(None, tmp_path, log)
    await make_list(store)
    files = modes(tmp_path)
    await store.close()
    assert {"moatdns.sqlite", "moatdns.sqlite-wal", "moatdns.sqlite-shm", "audit.key"} <= files.keys()
    assert set(files.values()) == {0o600}


async def test_a_state_directory_that_cannot_be_used_is_told(tmp_path: Path, log: SilentLog) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreAway, match="cannot be opened"):
        await Store.open(None, tmp_path / "file", log)


async def test_a_file_that_is_no_database_is_told(tmp_path: Path, log: SilentLog) -> None:
    (tmp_path / "moatdns.sqlite").write_bytes(b"surely no database" * 1000)
    with pytest.raises(StoreAway, match="file is not a database"):
        await Store.open(None, tmp_path, log)


@pytest.fixture
def own_postgres() -> object:
    """A server that only this test has."""
    with Postgres() as server:
        yield server


@pytest.mark.postgres
async def test_postgresql_that_ends_is_away_and_comes_back(
    own_postgres: Postgres, tmp_path: Path, log: SilentLog
) -> None:
    url = await own_postgres.new_database()
    store = await Store.open(url, tmp_path, log)
    await make_list(store)
    with pytest.raises(StoreAway):
        async with store.change("ana") as change:
            await lists.create(change, name="half", kind="own")
            own_postgres.stop()
            await lists.create(change, name="other-half", kind="own")
    for _ in range(3):
        with pytest.raises(StoreAway, match=r"PostgreSQL on 127\.0\.0\.1"):
            async with store.read():
                pass
    with pytest.raises(StoreAway):
        await Store.open(url, tmp_path, log)
    own_postgres.start()
    await make_list(store, "after")
    async with store.read() as conn:
        assert [row.name for row in await lists.all_lists(conn)] == ["after", "house"]
        assert (await trail.look_through(conn, store.audit_key)).findings == []
    await store.close()


@pytest.mark.postgres
async def test_postgresql_that_hangs_is_away_and_comes_back(
    own_postgres: Postgres, tmp_path: Path, log: SilentLog
) -> None:
    url = await own_postgres.new_database()
    limits = StoreLimits(connect_seconds=0.5, statement_seconds=0.5, turn_seconds=2)
    store = await Store.open(url, tmp_path, log, limits)
    await make_list(store)
    with own_postgres.hung():
        async with asyncio.timeout(20):
            with pytest.raises(StoreAway, match="takes too long"):
                async with store.read() as conn:
                    await lists.all_lists(conn)
            with pytest.raises(StoreAway):
                await make_list(store, "other")
            with pytest.raises(StoreAway):
                await Store.open(url, tmp_path, log, limits)
    await make_list(store, "after")
    async with store.read() as conn:
        assert [row.name for row in await lists.all_lists(conn)] == ["after", "house"]
    await store.close()


@pytest.mark.parametrize(
    "bad",
    [
        "postgresql://moat:se#cret-word@127.0.0.1/moat",
        "postgresql://moat:12/secret-word@127.0.0.1/moat",
        "postgresql://moat:secret-word@127.0.0.1:1/moat",
        "postgresql://moat:secret-word@nowhere.invalid/moat?sslmode=nonsense",
    ],
)
async def test_no_error_shows_the_password(bad: str, tmp_path: Path, log: SilentLog) -> None:
    with pytest.raises(StoreAway) as raised:
        await Store.open(bad, tmp_path, log)
    assert "secret" not in str(raised.value) and "cret-word" not in str(raised.value)
    assert "secret-word" not in repr(log.lines)


@pytest.mark.postgres
async def test_a_wrong_password_is_away(tmp_path: Path, log: SilentLog) -> None:
    url = shared_postgres().url("postgres").replace("moat:", "moat:wrong")
    with pytest.raises(StoreAway, match="password authentication failed"):
        await Store.open(url, tmp_path, log)


@pytest.mark.postgres
async def test_the_url_may_be_in_a_file(tmp_path: Path, log: SilentLog) -> None:
    server = shared_postgres()
    (tmp_path / "url").write_text(f"{await server.new_database()}\n")
    store = await Store.open(f"file:{tmp_path / 'url'}", tmp_path, log)
    assert store.place == "PostgreSQL on 127.0.0.1"
    await store.close()
    with pytest.raises(StoreAway, match="cannot be read"):
        await Store.open(f"file:{tmp_path / 'missing'}", tmp_path, log)
