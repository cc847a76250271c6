"""A store that was there and is gone is never taken for a new one; an admin's word begins anew, and is audited."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, text

from admin_api.audit.head import noted_heads
from admin_api.store import audit, heads, trail
from admin_api.store.anew import begin_anew
from admin_api.store.errors import NothingLost, StoreAway, StoreLost
from admin_api.store.evidence import known_store
from admin_api.store.heads import HEAD_FILE, Head, append_head, read_heads, thin
from admin_api.store.store import Store
from admin_api.store.tables import audit as table
from tests.unit.admin_api.store.conftest import OpenStore, SilentLog


async def fill(store: Store, rows: int = 4) -> None:
    for number in range(rows):
        async with store.change("ana") as change:
            change.record("update", "lists/house", {"n": number}, {"n": number + 1})


async def note(store: Store, state_dir: Path) -> Head:
    async with store.read() as conn:
        row, mac = await audit.head(conn)
    append_head(state_dir, Head(row, mac, store.id))
    return Head(row, mac, store.id)


async def verified(store: Store, state_dir: Path) -> trail.Verified:
    async with store.read() as conn:
        return await trail.look_through(conn, store.audit_key, noted_heads(state_dir, None))


async def cut(store: Store, behind: int) -> None:
    async with store.count() as conn:
        await conn.execute(delete(table).where(table.c.id > behind))


# Heads


@pytest.mark.parametrize("plant", [lambda at: at.symlink_to("/etc/hostname"), Path.mkdir])
def test_heads_that_cannot_be_read_are_not_taken_for_none(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    plant(tmp_path / HEAD_FILE)
    for look in (read_heads, known_store, lambda folder: noted_heads(folder, None)):
        with pytest.raises(StoreAway, match=r"audit\.head, cannot be read"):
            look(tmp_path)


async def test_beginning_anew_follows_no_link(tmp_path: Path) -> None:
    append_head(tmp_path, Head(3, "aa", "one"))
    (tmp_path / "elsewhere").write_bytes(b"precious")
    (tmp_path / "moatdns.sqlite").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreAway, match="symbolic link"):
        await begin_anew(None, tmp_path, SilentLog(), actor="test", reason="")
    assert (tmp_path / "elsewhere").read_bytes() == b"precious"
    assert (tmp_path / "moatdns.sqlite").is_symlink()


def test_heads_are_added_and_a_torn_line_hides_none(tmp_path: Path) -> None:
    append_head(tmp_path, Head(3, "aa", "one"))
    with (tmp_path / HEAD_FILE).open("ab") as file:
        file.write(b"4 b")  # cut by a loss of power
    append_head(tmp_path, Head(5, "cc", "one"))
    assert [head.row for head in read_heads(tmp_path)] == [3, 4, 5]
    assert (tmp_path / HEAD_FILE).stat().st_mode & 0o777 == 0o600


def test_the_head_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    (tmp_path / HEAD_FILE).write_text("12 abcdef\n")
    assert read_heads(tmp_path) == [Head(12, "abcdef", "")]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("precious\n")
    (tmp_path / HEAD_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        append_head(tmp_path, Head(1, "aa", "one"))
    assert (tmp_path / "elsewhere").read_text() == "precious\n"


@pytest.mark.slow
def test_too_many_heads_are_thinned_but_never_lost_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "MOST_HEADS", 40)
    lost = {(row, f"{row:x}") for row in (2, 3, 4, 17)}
    for row in range(1, 500):
        append_head(tmp_path, Head(row, f"{row:x}", "one"), lost)
        assert len(read_heads(tmp_path)) <= 40 + 1
    kept = read_heads(tmp_path)
    assert lost <= {head.pair for head in kept}
    assert (kept[0].row, kept[-1].row) == (1, 499)
    assert [head.row for head in kept] == sorted(head.row for head in kept)


def test_thinning_keeps_the_newer_half() -> None:
    some = [Head(row, "aa", "one") for row in range(10)]
    assert [head.row for head in thin(some, ())] == [0, 2, 4, 5, 6, 7, 8, 9]


# A trail that lost its end


async def test_a_trail_that_was_cut_and_grew_beyond_its_noted_head_shows(store: Store, tmp_path: Path) -> None:
    await fill(store)
    await note(store, tmp_path)
    await cut(store, 2)
    await fill(store, 6)
    await note(store, tmp_path)  # the later head stands beside the earlier one, not in its place
    assert (await verified(store, tmp_path)).findings == ["row 4 is not the row that was recorded as the trail's head"]


async def test_an_acknowledged_loss_is_a_gap_and_later_ones_are_not(store: Store, tmp_path: Path) -> None:
    await fill(store)
    await note(store, tmp_path)
    await cut(store, 2)
    async with store.change("ana") as change:
        lost = await trail.acknowledge(change, store.audit_key, noted_heads(tmp_path, None), "restored")
    assert [row for row, _ in lost] == [4]
    found = await verified(store, tmp_path)
    assert found == trail.Verified([], ["row 4 is lost, which row 3 acknowledges (ana: restored)"])
    await fill(store)
    await note(store, tmp_path)
    await cut(store, 5)
    found = await verified(store, tmp_path)
    assert (len(found.findings), len(found.gaps)) == (1, 1)
    async with store.change("ana") as change:
        await trail.acknowledge(change, store.audit_key, noted_heads(tmp_path, None), "again")
    found = await verified(store, tmp_path)
    assert (len(found.findings), len(found.gaps)) == (0, 2)
    with pytest.raises(NothingLost):
        async with store.change("ana") as change:
            await trail.acknowledge(change, store.audit_key, noted_heads(tmp_path, None), "and again")


async def test_an_acknowledgement_tells_since_when_rows_are_lost_where_the_heads_do(store: Store) -> None:
    heads: list[tuple[int, str]] = []
    for _ in range(3):
        await fill(store, 2)
        async with store.read() as conn:
            heads.append(await audit.head(conn))
    async with store.read() as conn:
        second = (await audit.page(conn, limit=1, before_id=5))[0].at
    await cut(store, 4)  # only the last of them is lost
    await fill(store, 1)
    async with store.read() as conn:
        later = await audit.head(conn)
        lost = [heads[2]]
        known = {"since": second.isoformat().replace("+00:00", "Z")}
        assert await trail.since_of(conn, [*heads, later], lost) == known
        assert await trail.since_of(conn, [heads[2], *heads[:2], later], lost) == {}, "nothing stands before it"
        assert await trail.since_of(conn, [later, *heads], lost) == known, "another file begins"
        assert await trail.since_of(conn, heads[:2], []) == {}
    async with store.change("ana") as change:
        await trail.acknowledge(change, store.audit_key, [*heads, later], "a copy of Monday")
    async with store.read() as conn:
        (row,) = await audit.page(conn, limit=1)
    assert row.after["since"] == known["since"]


async def test_an_acknowledgement_that_goes_itself_excuses_nothing(store: Store, tmp_path: Path) -> None:
    await fill(store)
    await note(store, tmp_path)
    await cut(store, 2)
    async with store.change("ana") as change:
        await trail.acknowledge(change, store.audit_key, noted_heads(tmp_path, None), "restored")
    await cut(store, 2)
    assert len((await verified(store, tmp_path)).findings) == 1


async def test_an_acknowledgement_that_was_not_made_with_the_key_excuses_nothing(store: Store, tmp_path: Path) -> None:
    await fill(store)
    head = await note(store, tmp_path)
    await cut(store, 2)
    async with store.count() as conn:
        row = {"id": 3, "at": 0, "actor": "ana", "action": "acknowledge", "object": "audit", "mac": "00"}
        await conn.execute(
            text(
                "INSERT INTO audit (id, at, actor, action, object, after, mac) "
                "VALUES (:id, :at, :actor, :action, :object, :after, :mac)"
            ),
            {**row, "after": f'{{"lost_heads":[[{head.row},"{head.mac}"]],"reason":"x"}}'},
        )
    async with store.read() as conn:
        assert await trail.lost_heads(conn, store.audit_key, [head.pair]) == [head.pair]
    assert len((await verified(store, tmp_path)).findings) == 2


# A store that is gone


def gone(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def halved(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_within_a_page(path: Path) -> None:
    os.truncate(path, 100)


def overwritten(path: Path) -> None:
    path.write_bytes(b"not a database, but a text of some length\n" * 500)


def recreated(path: Path) -> None:
    path.unlink()
    sqlite3.connect(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (x)")
    connection.close()


HARM = [gone, emptied, halved, cut_within_a_page, overwritten, recreated]


@pytest.mark.parametrize("harm", HARM)
async def test_a_lost_sqlite_store_is_refused_until_an_admin_begins_anew(
    tmp_path: Path, log: SilentLog, harm: Callable[[Path], None]
) -> None:
    store = await Store.open(None, tmp_path, log)
    await fill(store)
    head = await note(store, tmp_path)
    await store.close()
    path = tmp_path / "moatdns.sqlite"
    harm(path)
    left = path.read_bytes() if path.exists() else None
    for _ in range(2):
        with pytest.raises(StoreLost, match="begin-anew"):
            await Store.open(None, tmp_path, log)
    if harm is not recreated:
        assert (path.read_bytes() if path.exists() else None) == left, "nothing was made of it"
    begun = await begin_anew(None, tmp_path, log, actor="command line", reason="the disk died")
    assert (begun.before, begun.lost) == (head.store_id, (head.pair,))
    if harm in (halved, cut_within_a_page, overwritten):
        assert begun.put_aside is not None
        assert (tmp_path / begun.put_aside).read_bytes() == left, "what was there is kept"
    again = await Store.open(None, tmp_path, log)
    assert again.id != head.store_id
    async with again.read() as conn:
        first = (await audit.page(conn, limit=9))[-1]
    assert (first.id, first.action, first.object, first.actor) == (1, "begin-anew", "store", "command line")
    assert first.after["lost_heads"] == [[head.row, head.mac]]
    assert (await verified(again, tmp_path)).findings == []
    assert len((await verified(again, tmp_path)).gaps) == 1
    await again.close()


async def test_an_emptied_database_is_refused_and_begun_anew(
    open_store: OpenStore, url: str | None, tmp_path: Path, log: SilentLog
) -> None:
    store, state_dir = await open_store(), tmp_path / "state"
    await fill(store)
    await note(store, state_dir)
    async with store.count() as conn:
        names = [name for name in table.metadata.tables if name != "meta"]
        for name in [*reversed(names), "meta", "alembic_version"]:
            await conn.execute(text(f"DROP TABLE {name}" + ("" if url is None else " CASCADE")))
    with pytest.raises(StoreAway, match="emptied or replaced" if url else "no such table"):
        await store.check_identity()
    await store.close()
    with pytest.raises(StoreLost, match="is empty"):
        await open_store()
    begun = await begin_anew(url, state_dir, log, actor="command line", reason="")
    assert (begun.row, len(begun.lost)) == (1, 1)
    assert (await verified(await open_store(), state_dir)).findings == []


async def test_a_store_without_its_key_keeps_its_rows_when_it_begins_anew(
    open_store: OpenStore, url: str | None, tmp_path: Path, log: SilentLog
) -> None:
    store, state_dir = await open_store(), tmp_path / "state"
    await fill(store)
    await note(store, state_dir)
    await store.close()
    (state_dir / "audit.key").unlink()
    with pytest.raises(StoreLost, match="is gone"):
        await open_store()
    begun = await begin_anew(url, state_dir, log, actor="command line", reason="")
    assert (begun.rows_kept, begun.row, begun.store_id, begun.lost) == (4, 5, store.id, ())
    again = await open_store()
    await fill(again, 2)
    assert await verified(again, state_dir) == trail.Verified(
        [], ["rows 1 to 4 were made with another key, which can no longer verify them"]
    )
    async with again.count() as conn:
        await conn.execute(table.update().where(table.c.id == 6).values(actor="mallory"))
    assert len((await verified(again, state_dir)).findings) == 1


async def test_the_store_of_another_installation_is_refused(
    url: str | None, open_store: OpenStore, tmp_path: Path, log: SilentLog
) -> None:
    store = await open_store()
    await fill(store)
    await note(store, tmp_path / "state")
    elsewhere = await Store.open(None, tmp_path / "elsewhere", log)
    await fill(elsewhere, 1)
    await note(elsewhere, tmp_path / "elsewhere")
    await elsewhere.close()
    if url is None:
        await store.close()
        for suffix in ("", "-wal", "-shm"):
            (tmp_path / "state" / f"moatdns.sqlite{suffix}").unlink(missing_ok=True)
        (tmp_path / "elsewhere" / "moatdns.sqlite").rename(tmp_path / "state" / "moatdns.sqlite")
        with pytest.raises(StoreLost, match="is another than that of"):
            await open_store()
    else:
        with pytest.raises(StoreLost, match="is another than that of"):
            await Store.open(url, tmp_path / "elsewhere", log)


async def test_a_store_that_is_there_does_not_begin_anew(
    open_store: OpenStore, url: str | None, tmp_path: Path, log: SilentLog
) -> None:
    store = await open_store()
    await fill(store)
    await note(store, tmp_path / "state")
    with pytest.raises(NothingLost, match="nothing is lost"):
        await begin_anew(url, tmp_path / "state", log, actor="command line", reason="")
    async with store.read() as conn:
        assert (await audit.head(conn))[0] == 4


async def test_a_new_installation_begins_without_a_word(open_store: OpenStore, tmp_path: Path, log: SilentLog) -> None:
    assert known_store(tmp_path / "state") is None
    await open_store()
    assert {line[0] for line in log.lines} <= {"info"}


async def test_a_removed_file_is_noticed_by_the_next_write(tmp_path: Path, log: SilentLog) -> None:
    store = await Store.open(None, tmp_path, log)
    (tmp_path / "moatdns.sqlite").unlink()
    with pytest.raises(StoreLost, match="removed or replaced"):
        await fill(store, 1)
    with pytest.raises(StoreLost, match="removed or replaced"):
        await store.check_identity()
    await store.close()
