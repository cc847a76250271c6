"""Backup and restore as scripts use them: exit statuses, JSON, and what they say when something is wrong."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from admin_api.store.store import Store
from moatdns.cli.backup import app
from resolver.telemetry.log import make_log
from tests.support.empty_store import put_empty_store

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def ways_given(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """An entry for each time that a command gave way: this process does not, whose other tests would be slow."""
    given: list[bool] = []
    monkeypatch.setattr("moatdns.cli.backup.give_way", lambda: given.append(True))
    return given


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A folder with a config, a store, and files with passphrases."""
    (tmp_path / "moatdns.yaml").write_text("state_dir: state\nworkers: 1  # of this node\n")
    put_empty_store(tmp_path / "state")
    asyncio.run(_open(tmp_path / "state"))
    (tmp_path / "secret").write_text("correct horse battery staple\n")
    (tmp_path / "other").write_text("another passphrase\nand a second line\n")
    (tmp_path / "short").write_text("hunter2\n")
    return tmp_path


async def _open(state_dir: Path) -> None:
    await (await Store.open(None, state_dir, make_log())).close()


def run(node: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*words, "--config", str(node / "moatdns.yaml")])
    return done.exit_code, done.output


def test_a_backup_is_checked_and_shown_before_it_is_restored(node: Path) -> None:
    file = str(node / "node.backup")
    status, said = run(node, "backup", file, "--json")
    told = json.loads(said)
    assert (status, told["encrypted"], told["engine"], told["rows"]["groups"]) == (0, False, "sqlite", 1)
    status, said = run(node, "restore", file, "--check")
    assert (status, "whole; store " in said) == (0, True)
    status, said = run(node, "restore", file, "--show-config")
    assert (status, "workers: 1  # of this node" in said) == (0, True)
    status, said = run(node, "restore", file)
    assert (status, "--replace" in said) == (1, True)
    status, said = run(node, "restore", file, "--replace")
    assert status == 0, said
    assert "moatdns token create" in said
    (aside,) = (node / "state").glob("before-restore-*")
    assert f"the old state is now {aside}" in said.replace("\n", " ")
    assert (aside / "moatdns.sqlite").exists()


def test_wrong_usage_is_status_2_and_a_refusal_status_1(node: Path) -> None:
    file = str(node / "node.backup")
    for name, match in (("short", "fewer than 12 characters"), ("nowhere", "No such file")):
        status, said = run(node, "backup", file, "--passphrase-file", str(node / name))
        assert (status, match in said) == (2, True), said
    status, said = run(node, "backup", str(node / "state" / "x"))
    assert (status, "would be lost with it" in said) == (2, True)
    assert not Path(file).exists()
    assert run(node, "backup", file, "--passphrase-file", str(node / "secret"))[0] == 0
    for words, match in (
        ((), "--passphrase-file"),
        (("--passphrase-file", str(node / "other")), "not that of this file"),
        (("--check", "--passphrase-file", str(node / "other")), "not that of this file"),
    ):
        status, said = run(node, "restore", file, *words)
        assert (status, match in said) == (1, True), said
    status, said = run(node, "restore", str(node / "nowhere"))
    assert (status, "No such file" in said) == (1, True)
    assert run(node, "backup", str(node / "no" / "folder"))[0] == 1
    assert run(node, "restore", file, "--check", "--passphrase-file", str(node / "secret"))[0] == 0
    assert sorted(path.name for path in node.glob(".*")) == [], "nothing half written is left"


def test_a_backup_gives_way_to_what_serves(node: Path, ways_given: list[bool]) -> None:
    assert run(node, "backup", str(node / "node.backup"))[0] == 0
    assert ways_given == [True]
