"""Migrations make just the tables that the code expects, once, whoever opens the store at the same time."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from admin_api.store import before_upgrade, groups, lists, migrating
from admin_api.store.errors import StoreAway
from admin_api.store.store import Store
from admin_api.store.tables import metadata
from tests.unit.admin_api.states import group_state
from tests.unit.admin_api.store.conftest import OpenStore, SilentLog, make_list

_OPEN = """
import asyncio, json, sys
from pathlib import Path
from admin_api.store.engine import StoreLimits
from admin_api.store.store import Store
from resolver.telemetry.log import make_log

async def main():
    patient = StoreLimits(connect_seconds=60, lock_seconds=60, row_lock_seconds=60, statement_seconds=120)
    store = await Store.open(sys.argv[1] or None, Path(sys.argv[2]), make_log(), patient)
    print(json.dumps([store.id, store.audit_key.hex(), "alembic" in sys.modules]))
    await store.close()

asyncio.run(main())
"""


def open_in_a_process(url: str | None, state_dir: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _OPEN, url or "", str(state_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def told_by(process: subprocess.Popen[str]) -> list[Any]:
    out, err = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0, err
    told: list[Any] = json.loads(out)
    return told


async def test_migrations_make_the_tables_of_the_code(store: Store) -> None:
    def differences(connection: Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with store.read() as conn:
        assert await conn.run_sync(differences) == []


async def test_columns_sort_by_code_points_on_both_engines(store: Store) -> None:
    names = ["a-b", "a.b", "a_b", "aa", "b"]
    async with store.change("tests") as change:
        for name in reversed(names):
            await groups.create(change, group_state(name))
    async with store.read() as conn:
        assert [row.name for row in await groups.page(conn, limit=10)] == [*names, "default"]


def test_the_known_versions_are_those_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrating.__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    assert [script.revision for script in scripts.walk_revisions()][::-1] == list(migrating.VERSIONS)


@pytest.mark.slow
async def test_two_processes_that_open_an_empty_store_at_once_make_one(url: str | None, tmp_path: Path) -> None:
    processes = [open_in_a_process(url, tmp_path) for _ in range(3)]
    told = [await told_by(process) for process in processes]
    assert len({(identity, key) for identity, key, _ in told}) == 1


@pytest.mark.slow
async def test_a_store_that_is_up_to_date_is_opened_without_alembic(
    open_store: OpenStore, url: str | None, tmp_path: Path
) -> None:
    await (await open_store()).close()
    assert (await told_by(open_in_a_process(url, tmp_path / "state")))[2] is False


async def test_groups_of_a_store_from_before_client_names_have_none(open_store: OpenStore) -> None:
    store = await open_store()
    async with store.change("tests") as change:
        await groups.create(change, group_state("staff", networks=["10.0.0.0/8"], client_names=["lost"]))
    async with store.count() as conn:
        await conn.execute(text("ALTER TABLE groups DROP COLUMN client_names"))
        await conn.execute(text("ALTER TABLE meta DROP COLUMN audit_key_check"))
        await conn.execute(text("DROP TABLE store_owner"))
        await conn.execute(text("UPDATE alembic_version SET version_num = '0005'"))
    store = await open_store()
    async with store.read() as conn:
        staff = await groups.get(conn, "staff")
        assert (staff.networks, staff.client_names) == (("10.0.0.0/8",), ())


async def test_a_store_of_a_later_version_is_refused(open_store: OpenStore) -> None:
    store = await open_store()
    async with store.count() as conn:
        await conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreAway, match="made by a later version of moatdns"):
        await open_store()


@pytest.mark.slow
async def test_an_upgrade_keeps_the_way_back_and_the_version_before_goes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two neighbouring versions: the later migrates, the earlier refuses what it made, and takes the copy."""
    state_dir, later = tmp_path / "state", migrating.VERSIONS
    log = SilentLog()
    earlier = pytest.MonkeyPatch()
    _become(earlier, later[:-1])
    store = await Store.open(None, state_dir, log)
    await make_list(store, block=["blocked.example"])
    await store.close()
    earlier.undo()
    store = await Store.open(None, state_dir, log)  # the upgrade
    assert "a copy of the store is kept for the way back" in [event for _, event, _ in log.lines]
    await make_list(store, "since", block=["other.example"])
    await store.close()
    copy = state_dir / f"before-upgrade-{later[-2]}-moatdns.sqlite"
    assert copy.stat().st_mode & 0o777 == 0o600
    _become(monkeypatch, later[:-1])
    with pytest.raises(StoreAway, match=r"run that version, or restore a backup from before .* kept a copy") as refused:
        await Store.open(None, state_dir, log)
    assert str(copy) in str(refused.value)
    copy.replace(state_dir / "moatdns.sqlite")
    store = await Store.open(None, state_dir, log)
    async with store.read() as conn:
        assert [row.name for row in await lists.all_lists(conn)] == ["house"]
    await store.close()


def _become(patch: pytest.MonkeyPatch, versions: tuple[str, ...]) -> None:
    """Have the program be one that knows only those migrations."""
    patch.setattr(migrating, "VERSIONS", versions)
    patch.setattr(migrating, "_upgrade", lambda connection: migrating.upgrade_to(connection, versions[-1]))


def test_only_the_newest_copies_stay_and_a_full_disk_stops_no_upgrade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, log = tmp_path / "moatdns.sqlite", SilentLog()
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE t (n)")
    connection.close()
    for number in range(4):
        before_upgrade.keep_copy(file, f"000{number}", log)
        os.utime(before_upgrade.copy_of(file, f"000{number}"), (number, number))
    before_upgrade.keep_copy(file, "0004", log)
    assert sorted(path.name for path in tmp_path.glob("before-*")) == [
        "before-upgrade-0003-moatdns.sqlite",
        "before-upgrade-0004-moatdns.sqlite",
    ]
    monkeypatch.setattr(before_upgrade, "_SPARE_OCTETS", 1 << 60)
    before_upgrade.keep_copy(file, "0005", log)
    assert not before_upgrade.copy_of(file, "0005").exists()
    assert log.lines[-1][:2] == ("warning", "the store is upgraded without a copy: the disk has no room for it")


@pytest.mark.slow
async def test_a_migration_that_was_cut_short_is_done_again(tmp_path: Path) -> None:
    # What a kill leaves: the file, with nothing committed in it.
    connection = sqlite3.connect(tmp_path / "moatdns.sqlite")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    assert len(await told_by(open_in_a_process(None, tmp_path))) == 3
