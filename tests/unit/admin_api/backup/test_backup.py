"""A backup and its restore, on both engines and from one to the other; what an old copy must not revive."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from admin_api.audit.head import noted_heads
from admin_api.backup import making, restoring, state, tables
from admin_api.backup.container import BackupManifest, BackupSource, BackupWriter
from admin_api.backup.errors import BackupError, DamagedBackup, NotRestorable
from admin_api.backup.making import BackupOrder, make_backup
from admin_api.backup.restoring import RestoreDone, RestoreOrder, restore
from admin_api.query_log import files as query_log
from admin_api.store import (
    audit,
    change_requests,
    documents,
    exemptions,
    groups,
    leases,
    lists,
    pauses,
    restored,
    tokens,
    trail,
    webhooks,
)
from admin_api.store.change_requests import Asking, Finding, Sent
from admin_api.store.errors import NotFound, NothingLost
from admin_api.store.heads import Head, append_head
from admin_api.store.lease_row import LeaseRow
from admin_api.store.migrating import VERSIONS
from admin_api.store.restored import ConfirmedThings
from admin_api.store.store import Store
from admin_api.store.tables import groups as groups_table
from admin_api.store.tables import metadata, stats_rollup, store_owner
from blocklists.catalogue import Catalogue
from blocklists.loading import load_catalogue
from resolver.telemetry.pseudonyms import SECRETS_FILE
from tests.support.postgres import shared_postgres
from tests.unit.admin_api.states import group_state, new_exemption
from tests.unit.admin_api.store.conftest import OpenStore, SilentLog, make_list

Rows = dict[str, list[Any]]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The bundled one."""
    return load_catalogue()


def no_news(_: str) -> None:
    """Nobody listens."""


def lease(address: str, group: str | None, identity: str = "eve") -> LeaseRow:
    now = datetime.now(UTC)
    return LeaseRow(address, identity, group, "d" + address, "vpn", now, now, now + timedelta(hours=1))


async def fill(store: Store, state_dir: Path) -> dict[str, str]:
    """A bit of everything that a store holds; gives the text of a token and the id of an exemption."""
    await make_list(store, block=["blocked.example", "also.example"], allow=["fine.example"])
    async with store.change("ana") as change:
        await groups.create(change, group_state("open", exempt=True))
        await groups.create(
            change, group_state("strict", networks=["10.9.0.0/16"], block=["ai", "gateways", "bypass", "lists"])
        )
        _, token = await tokens.create(change, name="dashboard", owner="Ana", roles=("admin",))
        given = await exemptions.create(change, new_exemption(), owner="Ana")
        await exemptions.create(change, new_exemption(status="pending", decided_by=None), owner="Ana")
        await pauses.create(
            change, group=None, reason="an outage", expires_at=datetime.now(UTC) + timedelta(minutes=30)
        )
        leased = [lease("10.9.0.5", "open"), lease("10.8.0.5", "strict", "kim"), lease("10.9.0.6", None, "joe")]
        await leases.put(change, leased, ["set"] * 3, instead_of={})
        await change_requests.create(
            change,
            Sent("PATCH /groups/{name}", {"name": "open"}, {}, {"exempt": True}, None),
            Finding(("it opens",), [], "e"),
            Asking("ana", "Ana", "0" * 8),
            most=10,
            wait_seconds=3600,
            token_part=None,
        )
        change.touches_policy()
    async with store.count() as connection:
        rollup = {"period_seconds": 60, "at": 1, "dimension": "total", "key": "", "kind": "blocked", "n": 2**40}
        await connection.execute(stats_rollup.insert().values(rollup))
        await documents.put(connection, "totals", {"blocked": 7})
        await webhooks.put(connection, ["1", "2"], "exemption.granted", {"id": given.id})
    async with store.read() as connection:
        row, mac = await audit.head(connection)
    append_head(state_dir, Head(row, mac, store.id))
    return {"token": token, "exemption": given.id}


async def rows_of(store: Store) -> Rows:
    async with store.read() as connection:
        kept = [table for table in metadata.sorted_tables if table.name != store_owner.name]
        return {
            table.name: [tuple(row) for row in await connection.execute(select(table).order_by(*table.primary_key))]
            for table in kept
        }


async def saved(url: str | None, state_dir: Path, **more: Any) -> bytes:
    out = io.BytesIO()
    order = BackupOrder(url, state_dir, b"workers: 1\n", None, with_query_log=False)
    await make_backup(replace(order, **more), out, no_news)
    return out.getvalue()


async def brought_back(
    content: bytes, state_dir: Path, catalogue: Catalogue, url: str | None = None, **more: Any
) -> RestoreDone:
    await asyncio.to_thread(state_dir.mkdir, exist_ok=True)
    order = RestoreOrder(url, state_dir, False, "command line", "root", (), 30, catalogue)
    return await restore(BackupSource(io.BytesIO(content), None), replace(order, **more), no_news)


async def opened(state_dir: Path, url: str | None = None) -> Store:
    return await Store.open(url, state_dir, SilentLog())


async def other_url(url: str | None) -> str | None:
    """An empty database of PostgreSQL where the first one is SQLite, and the other way round."""
    return await shared_postgres().new_database() if url is None else None


# There and back


@pytest.mark.slow
async def test_everything_comes_back_on_the_same_engine(
    store: Store, url: str | None, tmp_path: Path, catalogue: Catalogue
) -> None:
    await fill(store, tmp_path / "state")
    content = await saved(url, tmp_path / "state")
    before = await rows_of(store)
    target = None if url is None else await shared_postgres().new_database()
    done = await brought_back(content, tmp_path / "new", catalogue, target)
    await _compare(done, before, tmp_path / "new", target)
    if target is not None:
        await shared_postgres().drop(target)


@pytest.mark.slow
@pytest.mark.postgres
async def test_everything_comes_back_on_the_other_engine(
    store: Store, url: str | None, tmp_path: Path, catalogue: Catalogue
) -> None:
    await fill(store, tmp_path / "state")
    content = await saved(url, tmp_path / "state")
    before = await rows_of(store)
    target = await other_url(url)
    done = await brought_back(content, tmp_path / "new", catalogue, target)
    await _compare(done, before, tmp_path / "new", target)
    if target is not None:
        await shared_postgres().drop(target)


async def _compare(done: RestoreDone, before: Rows, state_dir: Path, url: str | None) -> None:
    new = await opened(state_dir, url)
    after = await rows_of(new)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {
        *("audit", "audit_texts", "change_requests", "documents", "exemption_events", "exemptions"),
        *("lease_history", "leases", "pauses", "tokens"),
        *("groups", "lists", "meta", "policy_revisions", "removed_rules", "rules"),  # what opens is closed
        "webhook_messages",
    }
    assert (after["webhook_messages"], done.counts.dropped_messages) == ([], 2), "nothing is sent a second time"
    for name in ("audit", "audit_texts", "exemption_events", "lease_history"):
        assert after[name][: len(before[name])] == before[name], "what was there is there, and more follows"
    assert (state_dir / "audit.key").read_bytes() == new.audit_key
    # Numbers go on where they were, and the trail is whole with the row that tells of the restore.
    async with new.change("ben") as change:
        row = await lists.create(change, name="next", kind="own")
        assert row.id == 2
    async with new.read() as connection:
        found = await trail.look_through(connection, new.audit_key, noted_heads(state_dir, None))
    assert found.findings == []
    assert len(found.gaps) == 1
    assert done.manifest.at in found.gaps[0]
    # The policy is as it was once an admin says that it is.
    async with new.change("root") as change:
        assert (await restored.confirm(change, [], [], None, owner="root")).policy == ("groups/open", "lists/house")
    again = await rows_of(new)
    assert {row[:3] for row in again["rules"]} == {row[:3] for row in before["rules"]}
    versions = len(groups_table.c) - 3  # and times, at the end
    assert [row[:versions] for row in again["groups"]] == [row[:versions] for row in before["groups"]]
    await new.close()


@pytest.mark.slow
async def test_what_was_revoked_since_is_not_revived(tmp_path: Path, catalogue: Catalogue) -> None:
    state_dir = tmp_path / "state"
    store = await opened(state_dir)
    given = await fill(store, state_dir)
    content = await saved(None, state_dir)
    async with store.change("ben") as change:
        await tokens.revoke(change, "dashboard")
        row = await exemptions.get(change.connection, given["exemption"])
        await exemptions.move(change, row, "revoke", owner="Ben")
    await store.close()
    done = await brought_back(content, tmp_path / "new", catalogue)
    counts = done.counts
    assert (counts.tokens, counts.exemptions, counts.ended_pauses, counts.ended_requests) == (1, 1, 1, 2)
    new = await opened(tmp_path / "new")
    async with new.read() as connection:
        assert await tokens.authenticate(connection, given["token"]) is None
        assert await tokens.is_suspended(connection, given["token"])
        assert not await tokens.is_suspended(connection, given["token"][:-1] + "~")
        (token,) = await tokens.all_tokens(connection)
        assert token.suspended
        assert await tokens.by_id(connection, token.id) is None
        statuses = {row.status for row in await exemptions.page(connection, limit=10)}
        assert statuses == {"suspended", "expired"}
        assert await pauses.all_pauses(connection) == []
        assert await change_requests.count_pending(connection, datetime.now(UTC)) == 0
        # 10.9.0.5 was leased into an exempt group; the others open nothing.
        assert {row.address for row in await leases.all_leases(connection)} == {"10.8.0.5", "10.9.0.6"}
        waiting = await restored.suspended(connection)
    assert waiting is not None
    assert (waiting.tokens, waiting.exemptions) == (("dashboard",), (given["exemption"],))
    assert "1 token, 1 exemption and 2 openings by the policy (groups/open, lists/house) are suspended" in waiting.told
    # One by one, and each only once.
    async with new.change("root") as change:
        assert await restored.confirm(change, ["dashboard"], [], owner="root") == ConfirmedThings(("dashboard",), ())
    async with new.read() as connection:
        assert await tokens.authenticate(connection, given["token"]) is not None
    with pytest.raises(NotFound, match="suspended token 'dashboard'"):
        async with new.change("root") as change:
            await restored.confirm(change, ["dashboard"], [], owner="root")
    async with new.change("root") as change:
        done_now = await restored.confirm(change, None, None, None, owner="root")
    assert [(row.id, row.status) for row in done_now.exemptions] == [(given["exemption"], "active")]
    with pytest.raises(NothingLost, match="nothing is suspended"):
        async with new.change("root") as change:
            await restored.confirm(change, None, None, owner="root")
    await new.close()


async def test_a_suspended_exemption_whose_time_is_over_is_not_confirmed(open_store: OpenStore) -> None:
    store = await open_store()
    over = datetime.now(UTC) - timedelta(seconds=1)
    async with store.change("root") as change:
        row = await exemptions.create(change, new_exemption(expires_at=over), owner="Ana")
        await restored.suspend(change, "2026-11-27T03:00:00Z", [])
    async with store.change("root") as change:
        assert await restored.confirm(change, None, None, owner="root") == ConfirmedThings((), ())
        assert (await exemptions.get(change.connection, row.id)).status == "expired"


# What was lost


@pytest.mark.slow
async def test_the_trail_tells_which_rows_were_lost(tmp_path: Path, catalogue: Catalogue) -> None:
    state_dir = tmp_path / "state"
    store = await opened(state_dir)
    await fill(store, state_dir)
    content = await saved(None, state_dir)
    for number in range(5):
        async with store.change("ben") as change:
            change.record("update", "lists/house", None, {"n": number})
        async with store.read() as connection:
            row, mac = await audit.head(connection)
        append_head(state_dir, Head(row, mac, store.id))
    await store.close()
    with pytest.raises(NotRestorable, match="it holds the same store"):
        await brought_back(content, state_dir, catalogue)
    done = await brought_back(content, state_dir, catalogue, replace=True)
    assert done.aside is not None
    assert (state_dir / done.aside / "moatdns.sqlite").exists()
    assert [number for number, _ in done.lost] == list(range(row - 4, row + 1))
    new = await opened(state_dir)
    async with new.read() as connection:
        found = await trail.look_through(connection, new.audit_key, noted_heads(state_dir, None))
        told = (await audit.page(connection, limit=1, action="restore"))[0]
    assert found.findings == []
    assert len(found.gaps) == 2, "the restore, and the rows that it lost"
    assert (told.id, told.after["lost_rows"]) == (done.row, 5)
    # A head that turns up later, in another log, is told with the restore.
    async with new.read() as connection:
        later = await trail.look_through(connection, new.audit_key, [(told.id + 1, "ab" * 32)])
    assert "perhaps of before the restore" in later.findings[0]
    await new.close()


# Files


@pytest.mark.slow
async def test_files_of_the_state_directory_come_along_and_what_follows_from_them_does_not(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    state_dir = tmp_path / "state"
    store = await opened(state_dir)
    await fill(store, state_dir)
    kept = {"cookie.secret": "c", "later.key": "k", "lists/aa.rules": "block x\n", "feed/state.json": "{}"}
    gone = {"boot.json": "{}", "snapshots/1": "x", "lists/1.fetched": "x", ".x.part": "x", "lost-1-moatdns.sqlite": "x"}
    for name, content in {**kept, **gone, "subjects/journal-000001.jsonl": "{}\n", "counters/1.counters": "x"}.items():
        (state_dir / name).parent.mkdir(exist_ok=True)
        (state_dir / name).write_text(content)
    (state_dir / "elsewhere").symlink_to("/etc/hostname")
    (state_dir / SECRETS_FILE).write_text("a copy would outlive the rows")
    for place in ("signing.key", "keys/mine.key"):
        (state_dir / place).parent.mkdir(exist_ok=True)
        (state_dir / place).write_text("untrusted comment: secret")
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    for each in (day, "2020-01-01"):
        log = query_log.open_to_write(state_dir / query_log.FOLDER, each)
        log.execute("INSERT INTO blocks (oldest, newest, count, packed) VALUES (1, 2, 3, x'00')")
        if each != day:
            log.close()
    named = f"file:{state_dir / 'keys/mine.key'}"
    content_of = await saved(None, state_dir, with_query_log=True, signing_key=named)
    log.close()
    await store.close()
    source = BackupSource(io.BytesIO(content_of), None)
    manifest = source.check()
    assert manifest.notes == (
        "elsewhere is no plain file, and is left out",
        "keys/mine.key, the key that signs evidence, is left out: save it apart from backups",
        "signing.key, the key that signs evidence, is left out: save it apart from backups",
    )
    assert not [part.name for part in manifest.parts if part.name.endswith(("signing.key", "mine.key", SECRETS_FILE))]
    assert "journals/journal-000001.jsonl" in {part.name for part in manifest.parts}
    new = tmp_path / "new"
    done = await brought_back(content_of, new, catalogue)
    assert done.old_days == 1, "its time is over: it does not come back"
    for name, content in kept.items():
        assert (new / name).read_text() == content
        assert (new / name).stat().st_mode & 0o777 == 0o600
    assert not [name for name in (*gone, "subjects", "elsewhere") if (new / name).exists()]
    assert (new / "counters/1.counters").read_text() == "x"
    with sqlite3.connect(new / query_log.FOLDER / f"{day}.sqlite") as copied:
        assert copied.execute("SELECT count FROM blocks").fetchall() == [(3,)]
    copied.close()
    assert sorted(path.name for path in new.glob("moatdns.sqlite*")) == ["moatdns.sqlite"]


@pytest.mark.slow
async def test_the_key_that_signs_stays_where_it_is_when_a_backup_is_restored(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    state_dir, new = tmp_path / "state", tmp_path / "new"
    store = await opened(state_dir)
    await store.close()
    content = await saved(None, state_dir)
    new.mkdir()
    (new / "signing.key").write_text("put back by hand")
    assert (await brought_back(content, new, catalogue)).aside is None, "it is nothing that is in the way"
    assert (new / "signing.key").read_text() == "put back by hand"
    done = await brought_back(content, new, catalogue, replace=True)
    assert done.aside is not None
    assert (new / "signing.key").read_text() == "put back by hand"
    assert not (new / done.aside / "signing.key").exists()


@pytest.mark.slow
async def test_two_backups_at_once_leave_each_others_copies_of_the_query_log_alone(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    store = await opened(state_dir)
    await store.close()
    for day in (1, 2):
        query_log.open_to_write(state_dir / query_log.FOLDER, f"2026-11-0{day}").close()
    (left := state_dir / ".backup-killed").mkdir()
    (left / "day").write_bytes(b"x")

    with state.work_folder(state_dir) as others:  # of a backup that is in the middle of a day
        content = await saved(None, state_dir, with_query_log=True)
        assert others.exists()
    manifest = BackupSource(io.BytesIO(content), None).check()
    assert len([part for part in manifest.parts if "query-log" in part.name]) == 2
    assert not list(state_dir.glob(".backup-*"))


@pytest.mark.slow
async def test_copying_the_store_alone_loses_rows_and_a_backup_does_not(tmp_path: Path, catalogue: Catalogue) -> None:
    state_dir = tmp_path / "state"
    store = await opened(state_dir)
    await fill(store, state_dir)
    shutil.copy(state_dir / "moatdns.sqlite", tmp_path / "copy.sqlite")
    content = await saved(None, state_dir)
    with sqlite3.connect(tmp_path / "copy.sqlite") as alone:
        have = alone.execute("SELECT count(*) FROM sqlite_master WHERE name = 'audit'").fetchone()
        rows = alone.execute("SELECT count(*) FROM audit").fetchone()[0] if have[0] else 0
    alone.close()
    manifest = BackupSource(io.BytesIO(content), None).check()
    assert rows < manifest.audit_row == manifest.rows["audit"]
    await store.close()


@pytest.mark.slow
async def test_a_backup_is_of_one_moment_while_others_write(store: Store, url: str | None, tmp_path: Path) -> None:
    await fill(store, tmp_path / "state")
    stop = asyncio.Event()

    async def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            async with store.change("ben") as change:
                await lists.create(change, name=f"n{number}", kind="own")
                change.record("create", f"lists/n{number}", None, {"n": number})

    writing = asyncio.ensure_future(write())
    try:
        for _ in range(3):
            source = BackupSource(io.BytesIO(await saved(url, tmp_path / "state")), None)
            manifest = source.check()
            parts = {name: part.read(1 << 26) for name, part in source.parts(manifest)}
            rows = [json.loads(line) for line in parts["store/audit/000001.jsonl"].splitlines()[1:]]
            made = [row for row in rows if row[4].startswith("lists/n")]
            names = [json.loads(line) for line in parts["store/lists/000001.jsonl"].splitlines()[1:]]
            assert len(made) == len(names) - 1
            assert rows[-1][0] == manifest.audit_row
    finally:
        stop.set()
        await writing


# Refusals: each before anything is changed


async def _edited(content: bytes, name: str | None = None, new: bytes = b"", **facts: Any) -> bytes:
    """The same backup with another part, or other facts in its manifest, written as a good one is."""
    source = BackupSource(io.BytesIO(content), None)
    manifest = source.check()
    out = io.BytesIO()
    writer = BackupWriter(out, manifest.moatdns, None)
    for each, part in source.parts(manifest):
        writer.add(each, new if each == name else part.read(1 << 26))
    writer.finish(replace(manifest, **facts))
    return out.getvalue()


@pytest.mark.slow
async def test_what_does_not_fit_is_refused_and_nothing_is_left(tmp_path: Path, catalogue: Catalogue) -> None:
    state_dir, new = tmp_path / "state", tmp_path / "new"
    store = await opened(state_dir)
    await fill(store, state_dir)
    await store.close()
    good = await saved(None, state_dir)
    lists_part = "store/lists/000001.jsonl"
    wrong: list[tuple[bytes, type[BackupError], str]] = [
        (good[:-20], DamagedBackup, "end is missing"),
        (b"hello", DamagedBackup, "no backup"),
        (await _edited(good, schema="9999"), NotRestorable, "restore it with moatdns"),
        (await _edited(good, audit_row=1), DamagedBackup, "not the one that the manifest tells of"),
        (await _edited(good, store_id="other"), DamagedBackup, "not the one that the manifest tells of"),
        (await _edited(good, rows={"lists": 5}), DamagedBackup, "does not have the 5 rows"),
        (await _edited(good, lists_part, b'["id","nonsense"]\n'), DamagedBackup, "columns"),
        (await _edited(good, lists_part, b'["id"]\n[1]\n'), DamagedBackup, "do not fit"),
        (await _edited(good, lists_part, b'["id"]\n[1,2]\n'), DamagedBackup, "2 values instead of 1"),
        (await _edited(good, lists_part, b'["id"]\nnonsense\n'), DamagedBackup, "not JSON"),
        (await _edited(good, lists_part, b'["id"]\n[1]'), DamagedBackup, "cut off"),
        (await _edited(good, "state/audit.key", b"short"), BackupError, "octets instead of 32"),
    ]
    for content, kind, match in wrong:
        with pytest.raises(kind if kind is not BackupError else Exception, match=match):
            await brought_back(content, new, catalogue)
        assert list(new.iterdir()) == []
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    huge = BackupSource(io.BytesIO(good), None).check()
    with pytest.raises(NotRestorable, match="MiB of free space"):
        restoring.check_room(new, replace(huge, parts=(replace(huge.parts[0], octets=free),)))
    other = await opened(tmp_path / "other")
    append_head(tmp_path / "other", Head(1, "ab", other.id))
    await other.close()
    with pytest.raises(NotRestorable, match=f"it holds the store {other.id}"):
        await brought_back(good, tmp_path / "other", catalogue)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(NotRestorable, match="other things"):
        await brought_back(good, tmp_path / "photos", catalogue)


@pytest.mark.slow
@pytest.mark.postgres
async def test_tables_of_postgresql_are_set_aside_only_when_told_to(tmp_path: Path, catalogue: Catalogue) -> None:
    postgres = shared_postgres()
    url = await postgres.new_database()
    state_dir = tmp_path / "state"
    store = await opened(state_dir, url)
    given = await fill(store, state_dir)
    content = await saved(url, state_dir)
    await store.close()
    with pytest.raises(NotRestorable, match=r"the same\. With --replace"):
        await brought_back(content, tmp_path / "new", catalogue, url)
    done = await brought_back(content, tmp_path / "new", catalogue, url, replace=True)
    assert done.aside_schema is not None
    new = await opened(tmp_path / "new", url)
    async with new.read() as connection:
        old = await connection.scalar(text(f"SELECT count(*) FROM {done.aside_schema}.tokens"))
        assert old == 1
        assert await tokens.authenticate(connection, given["token"]) is None
    await new.close()
    await postgres.drop(url)


async def test_no_backup_is_made_where_there_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="there is no store"):
        await saved(None, tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    store = await opened(tmp_path / "state")
    await store.close()
    (tmp_path / "state" / "audit.key").unlink()
    with pytest.raises(BackupError, match="a backup without it is none"):
        await saved(None, tmp_path / "state")


@pytest.mark.slow
async def test_a_backup_of_an_earlier_revision_is_restored_and_migrated(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = VERSIONS[:-1]
    state_dir = tmp_path / "state"
    with monkeypatch.context() as earlier:
        _as_version(earlier, before)
        store = await opened(state_dir)
        await make_list(store, block=["blocked.example"])
        await store.close()
        content = await saved(None, state_dir)
    manifest: BackupManifest = BackupSource(io.BytesIO(content), None).check()
    assert manifest.schema == before[-1]
    await brought_back(content, tmp_path / "new", catalogue)
    new = await opened(tmp_path / "new")
    async with new.read() as connection:
        assert [row.name for row in await lists.all_lists(connection)] == ["house"]
        assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == VERSIONS[-1]
    await new.close()


def _as_version(patch: pytest.MonkeyPatch, versions: tuple[str, ...]) -> None:
    """Have the program be one that knows only those migrations."""
    from admin_api.store import migrating

    patch.setattr(migrating, "VERSIONS", versions)
    patch.setattr(making, "VERSIONS", versions)
    patch.setattr(migrating, "_upgrade", lambda connection: migrating.upgrade_to(connection, versions[-1]))


def test_the_tables_that_no_backup_keeps_are_named() -> None:
    assert {"store_owner", "alembic_version"} == tables.NOT_KEPT
