"""Signed heads of the audit trail that were kept elsewhere, as verify, acknowledge and restore take them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import delete
from typer.testing import CliRunner

from admin_api.signed.keys import load_key
from admin_api.store.heads import HEAD_FILE
from admin_api.store.store import Store
from admin_api.store.tables import audit
from moatdns.cli.audit import audit_app
from moatdns.cli.backup import app as backup_app
from resolver.telemetry.log import make_log
from tests.support.empty_store import put_empty_store

pytestmark = pytest.mark.slow


class Node:
    """A folder with a config and a store; each change is a row of its audit trail."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state_dir = folder / "state"
        (folder / "moatdns.yaml").write_text("state_dir: state\nworkers: 1\n")
        put_empty_store(self.state_dir)

    def change(self, rows: int) -> None:
        asyncio.run(self._change(rows))

    async def _change(self, rows: int) -> None:
        store = await Store.open(None, self.state_dir, make_log())
        for number in range(rows):
            async with store.change("ana") as change:
                change.record("update", "lists/house", {"n": number}, {"n": number + 1})
        await store.close()

    def cut(self, behind: int) -> None:
        async def without() -> None:
            store = await Store.open(None, self.state_dir, make_log())
            async with store.count() as conn:
                await conn.execute(delete(audit).where(audit.c.id > behind))
            await store.close()

        asyncio.run(without())

    def audit(self, *words: str) -> tuple[int, str]:
        done = CliRunner().invoke(audit_app, [*words, "--config", str(self.folder / "moatdns.yaml")])
        return done.exit_code, done.output

    def run(self, *words: str) -> tuple[int, str]:
        done = CliRunner().invoke(backup_app, [*words, "--config", str(self.folder / "moatdns.yaml")])
        return done.exit_code, done.output.replace("\n", " ")

    def head(self, name: str) -> str:
        """A file, elsewhere, with the signed head of now."""
        status, said = self.audit("head")
        assert status == 0, said
        path = self.folder / name
        path.write_text(said)
        return str(path)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_loss_that_only_a_kept_head_shows_is_acknowledged_by_it(node: Node) -> None:
    node.change(3)
    early = node.head("early.json")
    node.change(3)
    late = node.head("late.json")
    node.cut(4)
    (node.state_dir / HEAD_FILE).unlink(missing_ok=True)  # lost with the rest
    assert node.audit("acknowledge", "--reason", "x")[0] == 1, "nothing is known to be lost"
    assert node.audit("verify", "--head", early)[0] == 0
    status, said = node.audit("verify", "--head", early, "--head", late)
    assert (status, "row 6 existed" in said) == (1, True), said
    status, said = node.audit("acknowledge", "--reason", "a copy of Monday", "--head", early, "--head", late, "--json")
    assert (status, [one["row"] for one in json.loads(said)["lost_heads"]]) == (0, [6]), said
    status, said = node.audit("verify", "--head", early, "--head", late)
    assert (status, "a copy of Monday" in said) == (0, True), said


def test_a_restore_tells_what_is_lost_by_heads_that_were_kept_elsewhere(node: Node, tmp_path: Path) -> None:
    node.change(3)
    backup = str(tmp_path / "node.backup")
    assert node.run("backup", backup)[0] == 0
    node.change(4)
    late = node.head("late.json")
    key = load_key(None, node.state_dir).public.line
    altered = tmp_path / "altered.json"
    changed = json.loads(Path(late).read_text())
    changed["content"]["row"] += 2
    altered.write_text(json.dumps(changed))
    (tmp_path / "other").mkdir()
    other = Node(tmp_path / "other")
    with contextlib.closing(sqlite3.connect(other.state_dir / "moatdns.sqlite")) as conn:
        conn.execute("UPDATE meta SET store_id = 'another'")
        conn.commit()
    other.change(1)
    of_other, other_key = other.head("its.json"), load_key(None, other.state_dir).public.line
    shutil.rmtree(node.state_dir)
    for words, why in (
        (("--head", late), "--key names the public key"),
        (("--head", str(altered), "--key", key), "content.row was changed"),
        (("--head", of_other, "--key", other_key), "of what it lost, the head says nothing"),
    ):
        status, said = node.run("restore", backup, *words)
        assert (status, why in said) == (1, True), said
    status, said = node.run("restore", backup, "--head", late, "--key", key)
    assert status == 0, said
    assert "lost: at least 4 audit rows, up to row 7; row 4 of the trail says so" in said
    assert node.audit("verify", "--head", late, "--key", key)[0] == 0
    status, said = node.audit("verify", "--head", of_other, "--key", other_key)
    assert (status, "is of the audit trail of store" in said) == (1, True), said
