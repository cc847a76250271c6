"""Erasures that a backup knows nothing of: a restore repeats them, down to the octets."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from admin_api.backup.container import BackupSource
from admin_api.backup.making import BackupOrder, make_backup
from admin_api.backup.restoring import RestoreDone, RestoreOrder, restore
from admin_api.query_log import files
from admin_api.query_log.erased import (
    EVENT,
    ErasureNote,
    digest_of,
    person_digest,
    read_erasures,
    told_in,
    write_erasures,
)
from admin_api.query_log.reader import QueryLogReader
from admin_api.store import audit, exemptions, leases, trail
from admin_api.store.columns import iso_text
from admin_api.store.exemptions import NewExemption
from admin_api.store.heads import Head, append_head
from admin_api.store.lease_row import LeaseRow
from admin_api.store.store import Store
from admin_api.store.tables import stats_rollup
from blocklists.catalogue import Catalogue
from blocklists.loading import load_catalogue
from tests.support.log_blocks import add_rows
from tests.support.old_query_log import add_old_rows
from tests.unit.admin_api.store.conftest import SilentLog

pytestmark = pytest.mark.slow

NOW = datetime.now(UTC)
GONE, STAYS = "10.0.0.2", "10.0.0.1"
SECRET = b"secret-1.example"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The bundled one."""
    return load_catalogue()


def rows(back: int = 0) -> list[list[Any]]:
    at = (NOW - timedelta(days=back)).timestamp()
    return [
        [at, client, "default", name, "A", "NOERROR", "block", "a/b", "a/b", name, None, "udp", 0.0]
        for client, name in ((GONE, "secret-1.example"), (STAYS, "open.example"))
    ]


async def save(state_dir: Path, *, with_query_log: bool = True) -> bytes:
    """A node with a query log of a day of blocks and an older one of rows; gives its backup."""
    folder = state_dir / files.FOLDER
    store = await Store.open(None, state_dir, SilentLog())
    async with store.change("ana") as change:
        change.record("create", "lists/x", None, {"name": "x"})
    async with store.read() as connection:
        append_head(state_dir, Head(*await audit.head(connection), store.id))
    await store.close()
    add_rows(folder, files.day_of(NOW.timestamp()), rows())
    add_old_rows(folder, files.day_of(NOW.timestamp() - 86_400), rows(1))
    out = io.BytesIO()
    await make_backup(BackupOrder(None, state_dir, None, None, with_query_log), out, lambda _: None)
    return out.getvalue()


def noted(state_dir: Path, minutes: float, client: str = GONE) -> ErasureNote:
    """An erasure so long after now."""
    key = audit.load_key(state_dir)
    assert key is not None
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    return ErasureNote(digest_of(key, client), iso_text(at), iso_text(at + timedelta(seconds=1)))


async def bring_back(
    content: bytes, state_dir: Path, catalogue: Catalogue, erasures: Sequence[ErasureNote] | None = None
) -> RestoreDone:
    await asyncio.to_thread(state_dir.mkdir, exist_ok=True)
    order = RestoreOrder(None, state_dir, True, "command line", "root", (), 30, catalogue, erasures)
    return await restore(BackupSource(io.BytesIO(content), None), order, lambda _: None)


async def names_in(state_dir: Path) -> list[str]:
    page = await QueryLogReader(state_dir, budget_seconds=60.0).page({}, None, None, limit=100, cursor=None)
    return sorted(item["name"] for item in page.items)


async def test_who_was_erased_since_the_backup_is_erased_from_it_by_the_journal_that_is_there(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    state_dir = tmp_path / "state"
    content = await save(state_dir)
    note = noted(state_dir, 5)
    write_erasures(state_dir, [note, replace(note, digest="0" * 64)])  # and a pseudonym of the same client
    done = await bring_back(content, state_dir, catalogue)
    assert (done.erased.clients, done.erased.queries, done.erased.is_known) == (1, 2, True)
    assert await names_in(state_dir) == ["open.example"] * 2
    folder = state_dir / files.FOLDER
    assert not [path for path in folder.iterdir() if SECRET in path.read_bytes()], "not an octet is left"
    # The journal goes on: an even older copy would be cleansed, too.
    again = await bring_back(content, state_dir, catalogue)
    assert (again.erased.clients, again.erased.queries) == (1, 2)
    store = await Store.open(None, state_dir, SilentLog())
    async with store.read() as connection:
        (row,) = await audit.page(connection, limit=1, action="restore")
    await store.close()
    assert row.after["erased_again"] == {"clients": 1, "queries": 2, "is_known": True, "people": 0}


async def test_where_the_node_is_lost_a_log_or_exported_audit_rows_tell_whom_to_erase(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    content = await save(tmp_path / "state")
    note = noted(tmp_path / "state", 5)
    line = {"event": EVENT, "erased": note.digest, "asked": note.asked, "done": note.done, "queries": 2}
    row = {"id": 9, "at": note.asked, "action": "erase", "object": "queries", "after": {"erased": note.digest}}
    for number, told in enumerate((line, row)):
        erasures = told_in(["<13>1 host moatdns - - " + json.dumps(told), "nonsense about erase"])
        new = tmp_path / f"new-{number}"
        done = await bring_back(content, new, catalogue, erasures)
        assert (done.erased.clients, done.erased.queries, done.erased.is_known) == (1, 2, True)
        assert await names_in(new) == ["open.example"] * 2
    done = await bring_back(content, tmp_path / "unknown", catalogue)
    assert (done.erased.clients, done.erased.queries, done.erased.is_known) == (0, 0, False)
    assert await names_in(tmp_path / "unknown") == ["open.example"] * 2 + ["secret-1.example"] * 2


async def test_what_was_erased_before_the_backup_takes_out_nothing_that_came_later(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    state_dir = tmp_path / "state"
    await (await Store.open(None, state_dir, SilentLog())).close()
    before = noted(state_dir, -5)
    unfinished = ErasureNote(noted(state_dir, 0, STAYS).digest, before.asked)
    write_erasures(state_dir, [before])
    content = await save(state_dir)
    done = await bring_back(content, tmp_path / "new", catalogue)
    assert (done.erased.clients, done.erased.queries) == (0, 0)
    assert read_erasures(tmp_path / "new") == [before]
    # One that was not over is.
    done = await bring_back(content, tmp_path / "new", catalogue, [unfinished])
    assert (done.erased.clients, done.erased.queries) == (1, 2)
    assert await names_in(tmp_path / "new") == ["secret-1.example"] * 2


async def test_a_damaged_day_of_a_backup_is_left_out_where_somebody_is_to_be_erased(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    state_dir = tmp_path / "state"
    content = await save(state_dir)
    source = BackupSource(io.BytesIO(content), None)
    manifest = source.check()
    (day, *_) = files.days(state_dir / files.FOLDER)
    from admin_api.backup import restored_files

    (new := tmp_path / "new").mkdir()
    restored_files.write_files(source, manifest, new, 30, lambda _: None)
    path = files.path_of(new / files.FOLDER, day)
    path.write_bytes(path.read_bytes()[:1024] + b"\xff" * 8192)
    key = audit.load_key(state_dir)
    assert key is not None
    told = restored_files.erase_again(new, key, manifest, [noted(state_dir, 5)], lambda _: None)
    assert told.clients == 1
    assert not path.exists()
    assert await names_in(new) == ["open.example"]


ANA, BEN = "Ana.Schmidt@corp.example", "ben@corp.example"


async def lived(store: Store) -> None:
    """Two people have a lease, an exemption, and counts; each is named in a text about the other."""
    for number, (name, other) in enumerate(((ANA, BEN), (BEN, ANA))):
        at = datetime.now(UTC)
        row = LeaseRow(f"192.0.2.{number}", name, None, name, "vpn", at, at, at + timedelta(hours=1))
        until = at + timedelta(days=1)
        new = NewExemption("identity", (name,), ("ai",), "Cem", f"as {other}", None, "active", "Cem", at, until, None)
        async with store.change("tests") as change:
            await leases.put(change, [row], ["set"], instead_of={})
            await exemptions.create(change, new, owner="Cem")
            values = {"period_seconds": 60, "at": 0, "dimension": "identity", "key": name, "kind": "blocked", "n": 3}
            await change.connection.execute(insert(stats_rollup).values(values))


async def test_a_person_who_was_erased_since_the_backup_is_nowhere_in_the_store_that_it_brings_back(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    state_dir = tmp_path / "state"
    store = await Store.open(None, state_dir, SilentLog())
    await lived(store)
    key = store.audit_key
    await store.close()
    content = await save(state_dir)
    at = datetime.now(UTC) + timedelta(minutes=5)
    erasure = ErasureNote(person_digest(key, ANA.upper()), iso_text(at), iso_text(at + timedelta(seconds=1)))
    done = await bring_back(content, tmp_path / "new", catalogue, [erasure])
    assert (done.erased.people, done.counts.exemptions) == (1, 1)
    left = [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
    assert not [path for path in left if b"ana.schmidt" in path.read_bytes().lower()]
    store = await Store.open(None, tmp_path / "new", SilentLog())
    async with store.read() as connection:
        assert await leases.all_leases(connection) == []  # his is ended: it opens something
        assert {row.identity for row in await leases.history(connection, limit=9)} == {BEN}
        (his,) = await exemptions.suspended(connection)
        assert (his.who, his.owner, his.reason) == ((BEN,), "Cem", "erased")
        (row,) = await audit.page(connection, limit=1, action="erase")
        found = await trail.look_through(connection, store.audit_key)
        counts = await connection.execute(select(stats_rollup.c.key, stats_rollup.c.n))
        assert sorted(map(tuple, counts)) == [(BEN, 3), ("erased", 3)]
    await store.close()
    assert (row.object, row.after["erased"]) == ("people", erasure.digest)
    assert found.findings == []
    # What was erased before the backup is not looked for in it.
    earlier = ErasureNote(erasure.digest, iso_text(at - timedelta(hours=1)), iso_text(at - timedelta(hours=1)))
    done = await bring_back(content, tmp_path / "before", catalogue, [earlier])
    assert done.erased.people == 0


async def test_a_query_log_that_stays_where_it_is_needs_no_repeating(tmp_path: Path, catalogue: Catalogue) -> None:
    state_dir = tmp_path / "state"
    content = await save(state_dir, with_query_log=False)
    done = await bring_back(content, state_dir, catalogue)
    assert done.erased.is_known
    assert len(await names_in(state_dir)) == 4
