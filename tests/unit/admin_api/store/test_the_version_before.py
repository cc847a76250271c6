"""A store that the version before has really made: what the upgrade makes of it, and the way back.

`store-0010.sql` was dumped from a store of tables 0010, made by that version's own code on 2026-11-27. docs/backup.md
promises the step from the version before: with the next one, dump another.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from admin_api.store import (
    audit,
    audit_texts,
    exemptions,
    groups,
    leases,
    lists,
    migrating,
    pauses,
    rules,
    tokens,
    trail,
)
from admin_api.store.before_upgrade import copy_of
from admin_api.store.store import Store
from admin_api.store.widened import note_widened
from tests.unit.admin_api.store.conftest import SilentLog

pytestmark = pytest.mark.slow

DUMP = Path(__file__).with_name("store-0010.sql")
KEY = "801cce9ae3afe2828ff1f91014b3c92745d3f4daaef28d77d9d951f4fb023e43"
TOKEN = "moat_f6bc45e3_" + "AmT6x3zxl6y06JW_y-kjlLbn47cZWu6BJTWy08G2T5e"
FILE = "moatdns.sqlite"


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """The state directory as the version before has left it."""
    tmp_path.chmod(0o700)
    for name, content in (("audit.key", bytes.fromhex(KEY)), (FILE, b"")):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_bytes(content)
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.executescript(DUMP.read_text())
    connection.close()
    return tmp_path


def dumped(file: Path) -> str:
    """All of a database, as text."""
    with sqlite3.connect(file) as connection:
        lines = "\n".join(connection.iterdump()) + "\n"
    connection.close()
    return lines


async def test_all_of_it_is_there_after_the_upgrade_and_the_copy_is_what_was(state_dir: Path) -> None:
    store = await Store.open(None, state_dir, SilentLog())
    async with store.read() as connection:
        assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == migrating.VERSIONS[-1]
        row = await lists.get(connection, "house")
        assert await rules.page(connection, row, contains=None, limit=10, after=None) == [
            ("allow", "fine.example"),
            ("block", "*.also.example"),
            ("block", "blocked.example"),
        ]
        lab = await groups.get(connection, "lab")
        assert (lab.networks, lab.exempt, lab.client_names) == (("10.9.0.0/16",), True, ("lab-1",))
        token = await tokens.authenticate(connection, TOKEN)
        assert token is not None
        assert (token.name, token.roles) == ("dashboard", ("admin", "investigator")), "it saw persons until now"
        assert [one.status for one in await exemptions.page(connection, limit=10)] == ["active"]
        assert [one.address for one in await leases.all_leases(connection)] == ["10.9.0.5"]
        assert [one.group for one in await pauses.all_pauses(connection)] == ["lab"]
        found = await trail.look_through(connection, store.audit_key, [])
        assert (found.findings, found.gaps) == ([], [])
    async with store.change("ben") as change:  # and it can be written
        await lists.create(change, name="since", kind="own")
        change.touches_policy()
    await store.close()
    copy = copy_of(state_dir / FILE, "0010")
    assert dumped(copy) == DUMP.read_text(), "the way back leads to just what was there"


async def test_audit_rows_of_before_keep_their_texts_and_new_ones_have_them_beside_the_trail(state_dir: Path) -> None:
    store = await Store.open(None, state_dir, SilentLog())
    async with store.read() as conn:
        (before,) = await audit.page(conn, limit=10, action="grant")
        (exemption,) = await exemptions.page(conn, limit=10)
    assert (before.after["subject"], before.chained) == ({"client": ["10.0.0.1"]}, None)
    async with store.change("ben") as change:
        await exemptions.move(change, exemption, "revoke", owner="Ben")
    async with store.change("ben") as change:
        struck = await audit_texts.strike(change, "10.0.0.1")
    async with store.read() as conn:
        (same,) = await audit.page(conn, limit=10, action="grant")
        (revoked,) = await audit.page(conn, limit=10, action="revoke")
        assert await audit_texts.rows_naming(conn, "10.0.0.1") == [before.id]
        assert (await trail.look_through(conn, store.audit_key)).findings == []
    assert same == before
    assert (struck.rows, revoked.before["status"]) == (1, "active")
    assert revoked.before["subject"]["client"][0].startswith("(erased at ")
    await store.close()


async def test_tokens_of_before_that_see_persons_are_told_of_once(state_dir: Path) -> None:
    with sqlite3.connect(state_dir / FILE) as connection:
        for role in ("viewer", "operator", "lease", "firewall"):
            values = (f"{role:.8}", f"a-{role}", role, f"none-{role}")
            connection.execute("INSERT INTO tokens VALUES (?, ?, 'Ana', ?, ?, 0, NULL, NULL, NULL, NULL)", values)
    connection.close()
    store = await Store.open(None, state_dir, SilentLog())
    async with store.read() as conn:
        roles = {row.name: row.roles for row in await tokens.all_tokens(conn)}
    assert roles == {
        "a-firewall": ("firewall",),
        "a-lease": ("lease",),
        "a-operator": ("operator", "investigator"),
        "a-viewer": ("viewer", "investigator"),
        "dashboard": ("admin", "investigator"),
    }
    assert await note_widened(store) == ("a-operator", "a-viewer", "dashboard")
    assert await note_widened(store) == ()
    async with store.read() as conn:
        (row,) = await audit.page(conn, limit=10, action="widen")
        found = await trail.look_through(conn, store.audit_key, [])
    assert (row.object, row.after["tokens"]) == ("tokens", ["a-operator", "a-viewer", "dashboard"])
    assert found.findings == []
    await store.close()


async def test_a_new_store_has_no_tokens_of_before(tmp_path: Path) -> None:
    store = await Store.open(None, tmp_path, SilentLog())
    async with store.change("ana") as change:
        row, _ = await tokens.create(change, name="new", owner="Ana", roles=["admin"])
    assert row.roles == ("admin",)
    assert await note_widened(store) == ()
    await store.close()
