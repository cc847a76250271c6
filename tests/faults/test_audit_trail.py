"""An audit trail that was changed, cut, struck by an erasure, or removed with its time: told from the command line."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from admin_api.store import audit_texts
from admin_api.store.change import AuditEntry
from admin_api.store.store import Store
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, wait_until

CONFIG: dict[str, Any] = {"workers": 1, "upstream": {"servers": ["127.0.0.1:1"]}}


def run(server: Moatdns, *words: str) -> subprocess.CompletedProcess[str]:
    command = [MOATDNS, *words, "--config", str(server.config_file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


@pytest.fixture(scope="module")
def with_a_trail(tmp_path_factory: pytest.TempPathFactory) -> Moatdns:
    """A server that has ended, and left an audit trail that is whole."""
    with Moatdns(tmp_path_factory.mktemp("trail"), CONFIG, with_api=True) as server:
        for name in "abc":
            server.api.post("lists", {"name": name})
        about = {"subject": {"identity": "ana.schmidt"}, "scope": ["openai"], "owner": "Ben", "reason": "a trip"}
        server.api.post("exemptions", {**about, "duration_seconds": 600})
    server.start()  # notes the head
    wait_until(lambda: server.events_named("audit head"), "the head")
    server.stop()
    whole = run(server, "audit", "verify", "--log", str(server.log_file))
    assert whole.returncode == 0, whole.stdout
    return server


@pytest.mark.parametrize(
    ("tamper", "finding"),
    [
        ("UPDATE audit SET actor = 'nobody' WHERE id = 3", "row 3"),
        ("DELETE FROM audit WHERE id = 2", "row 2 is missing"),
        ("UPDATE audit SET id = -1 WHERE id = 2; UPDATE audit SET id = 2 WHERE id = 3; "
         "UPDATE audit SET id = 3 WHERE id = -1", "row 2"),
        ("DELETE FROM audit WHERE id > 3", "cut off"),
        ("UPDATE audit_texts SET text = '\"a trap\"' WHERE text = '\"a trip\"'", "a personal text was changed"),
        ("UPDATE audit_texts SET text = NULL, salt = NULL", "a personal text is gone, and no erasure"),
        ("DELETE FROM audit_texts WHERE text = '\"a trip\"'", "lacks a personal text, and no erasure struck it"),
    ],
)  # fmt: skip
def test_the_audit_trail_shows_what_was_done_to_it(
    tmp_path: Path, with_a_trail: Moatdns, tamper: str, finding: str
) -> None:
    server = Moatdns(tmp_path / "copy", CONFIG, with_api=True)
    shutil.copytree(with_a_trail.folder, server.folder, dirs_exist_ok=True)
    with sqlite3.connect(server.state_dir / "moatdns.sqlite") as store:
        store.executescript(tamper)
    store.close()
    found = run(server, "audit", "verify", "--json")
    assert found.returncode == 1
    assert any(finding in each for each in json.loads(found.stdout)["findings"])


def test_a_person_who_was_erased_from_the_audit_trail_is_told_of_and_is_no_fault(
    tmp_path: Path, with_a_trail: Moatdns
) -> None:
    server = Moatdns(tmp_path / "copy", CONFIG, with_api=True)
    shutil.copytree(with_a_trail.folder, server.folder, dirs_exist_ok=True)
    exported = run(server, "audit", "export").stdout
    assert ("ana.schmidt" in exported, "a trip" in exported) == (True, True)

    async def erase() -> str:
        store = await Store.open(None, server.state_dir, structlog.get_logger())
        async with store.change("root") as change:
            struck = await audit_texts.strike(change, "Ana.Schmidt")
        await store.close()
        return struck.erasure

    erasure = asyncio.run(erase())
    whole = run(server, "audit", "verify")
    assert whole.returncode == 0, whole.stdout
    assert f"(erasure {erasure})" in whole.stdout
    (told,) = json.loads(run(server, "audit", "verify", "--json").stdout)["erased"]
    assert told.startswith("personal texts of 1 row ")
    with server:  # goes on, and looks at all rows itself
        rows = server.api.get("audit?action=grant")["items"]
        assert f"by erasure {erasure})" in rows[0]["after"]["reason"]
        wait_until(lambda: server.events_named("audit head"), "the head")
        assert server.api.get("status")["audit"]["trouble"] is None
        assert "ana.schmidt" not in run(server, "audit", "export").stdout.lower()
        for place in ("audit", "exemptions"):
            assert ("ana.schmidt" in str(server.api.get(place)).lower()) == (place == "exemptions"), "that one goes on"


def test_audit_rows_whose_time_is_over_are_removed_and_the_trail_is_whole_without_them(tmp_path: Path) -> None:
    server = Moatdns(tmp_path, {**CONFIG, "retention": {"audit_days": 30}}, with_api=True)
    old = datetime.now(UTC) - timedelta(days=40)

    async def begin() -> None:
        store = await Store.open(None, server.state_dir, structlog.get_logger())
        async with store.change("root") as change:
            change.entries += [AuditEntry(old, "ana", "delete", f"lists/{each}", None, None, None) for each in range(7)]
        await store.close()

    server.state_dir.mkdir(mode=0o700, exist_ok=True)
    asyncio.run(begin())
    with server:
        told = server.wait_for("rows of the audit trail were removed")
        assert (told["rows"], told["to"]) == (7, 7)
        rows = server.api.get("audit?limit=1000")["items"]
        assert (rows[-1]["id"], server.api.get("status")["audit"]["trouble"]) == (8, None)
        (checkpoint,) = [row for row in rows if row["action"] == "checkpoint"]
        metrics = server.api.get("/metrics")
        assert "moatdns_audit_removed_rows 7" in metrics
        period = "&".join(
            f"{name}={old + timedelta(days=days):%Y-%m-%dT00:00:00Z}" for name, days in (("from", -1), ("to", 2))
        )
        spots = server.api.get(f"reports/evidence?{period}")["content"]["blind_spots"]
        assert any("rows 1 to 7 were removed when their time was over" in spot for spot in spots)
    public = run(server, "report", "key").stdout.split()[0]
    whole = run(server, "audit", "verify", "--key", public)
    assert whole.returncode == 0, whole.stdout
    assert f"by the checkpoint in row {checkpoint['id']}, which SHA256:" in whole.stdout
    assert f"known: rows 1 to 7 were removed when their time was over (the last is of {old:%Y-%m-%d}" in whole.stdout
    with sqlite3.connect(server.state_dir / "moatdns.sqlite") as store:
        store.execute("DELETE FROM audit WHERE id = 8")
    store.close()
    cut = run(server, "audit", "verify")
    assert (cut.returncode, "rows 1 to 8 are missing" in cut.stdout) == (1, True)
