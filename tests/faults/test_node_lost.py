"""A node that is lost, and one that takes its place from a backup that was made under load.

On SQLite by commands as they are, one of which is killed again and again; on PostgreSQL by the same within this
process. A heavier load is in `python -m prove backups`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from typer.testing import CliRunner

from moatdns.cli.commands import app
from tests.support.api import Api
from tests.support.clients import ask, is_blocked, is_blocked_everywhere, is_open_everywhere
from tests.support.moatdns import Moatdns
from tests.support.postgres import Postgres
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, program, wait_until

CONFIG: dict[str, Any] = {"workers": 1, "upstream": {"servers": ["127.0.0.1:1"]}}
GRANT = {"subject": {"client": "127.0.0.1"}, "owner": "ana", "reason": "a test", "duration_seconds": 3600}
RATE = 500  # queries per second
OPENED, ERASED = "127.0.0.9", "127.0.0.8"


def run(server: Moatdns, *words: str, status: int = 0) -> str:
    """A command as a process of its own."""
    command = [MOATDNS, *words, "--config", str(server.config_file)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=4 * PATIENCE_SECONDS, check=False)
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def ask_cli(server: Moatdns, *words: str, status: int = 0) -> str:
    """A command in this process: to start one costs more than most commands."""
    ended = CliRunner().invoke(app, [*words, "--config", str(server.config_file)])
    assert ended.exit_code == status, ended.output
    return ended.output


def why_degraded(server: Moatdns) -> list[str]:
    why: list[str] = Api(server.admin_port, None).call("GET", "/ready").body["why"]
    return why


def logged(api: Api, client: str) -> list[Any]:
    """Queries of a client: the first that are found, and nothing only where all of the log was searched."""
    page = api.get(f"queries?client={client}&reason=test")
    while not page["items"] and page["next"]:
        page = api.get(f"queries?client={client}&cursor={quote(page['next'])}&reason=test")
    items: list[Any] = page["items"]
    return items


class Load:
    """Queries by dnsperf, and changes by the API, beside everything else."""

    def __init__(self, server: Moatdns, folder: Path) -> None:
        self.changes = 0
        self._api = server.api
        names = folder / "queries"
        names.write_text("blocked.example A\n")
        words = ["-s", "127.0.0.1", "-p", str(server.port), "-d", str(names), "-l", "600", "-Q", str(RATE)]
        self._dnsperf = subprocess.Popen([program("dnsperf"), *words], stdout=subprocess.DEVNULL)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._change)
        self._thread.start()

    def _change(self) -> None:
        while not self._stop.is_set():
            self._api.post("lists", {"name": f"made-{self.changes}", "block": [f"n{self.changes}.example"]})
            self.changes += 1

    def end(self) -> None:
        self._stop.set()
        self._thread.join()
        self._dnsperf.terminate()
        self._dnsperf.wait()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A real one."""
    with Postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def config(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A config of each engine."""
    if request.param == "sqlite":
        return CONFIG
    return {**CONFIG, "store": {"url": request.getfixturevalue("postgres").url("postgres")}}


def test_a_lost_node_comes_back_from_a_backup_made_under_load(tmp_path: Path, config: dict[str, Any]) -> None:
    backup = tmp_path / "node.backup"
    secret = tmp_path / "secret"
    secret.write_text("correct horse battery staple\n")
    server = Moatdns(tmp_path / "node", config, with_api=True)
    server.expects_trouble = True  # of a state directory that is taken away
    server.start()
    try:
        _lose_and_restore(server, backup, secret, is_postgres="store" in config)
    finally:
        server.stop()


def _kill_restores(server: Moatdns, words: Sequence[str], whole_seconds: float) -> None:
    """Kill the same restore at moments that are spread over it: the old state is whole, or the new."""
    command = [MOATDNS, *words, "--config", str(server.config_file)]
    for part in (0.7, 0.9):
        killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(whole_seconds * part)
        killed.kill()
        killed.wait()
        verified = json.loads(ask_cli(server, "audit", "verify", "--json"))
        assert verified["ok"], verified


def _lose_and_restore(server: Moatdns, backup: Path, secret: Path, *, is_postgres: bool) -> None:
    api = server.api
    command = ask_cli if is_postgres else run
    blocked = ["blocked.example", "revoked.example", "kept.example", "closed.example"]
    api.post("lists", {"name": "house", "block": blocked})
    api.post("lists", {"name": "fine", "allow": ["closed.example"]})
    for name, network in (("lab", "10.9.0.0/16"), ("open", f"{OPENED}/32")):
        api.post("groups", {"name": name, "networks": [network], "exempt": True})
    for role in ("stays", "revoked"):
        api.post("tokens", {"name": role, "role": "admin", "owner": "Ana"})
    revoked = api.post("exemptions", {**GRANT, "scope": ["revoked.example"]})
    kept = api.post("exemptions", {**GRANT, "scope": ["kept.example"]})
    token = server.api.post("tokens", {"name": "leaver", "role": "admin", "owner": "Eve"})["token"]
    assert not is_blocked(ask(server.port, "revoked.example"))
    assert not is_blocked(ask(server.port, "closed.example"))
    assert not is_blocked(ask(server.port, "blocked.example", client=OPENED))
    assert is_blocked(ask(server.port, "blocked.example", client=ERASED))
    wait_until(lambda: logged(api, ERASED), "the query log")
    load = Load(server, backup.parent)
    try:
        wait_until(lambda: load.changes >= 5, "changes")
        wait_until(lambda: api.get("stats/summary")["blocked"] > RATE, "counts")
        before = api.get("stats/summary")
        words = ("backup", str(backup), "--passphrase-file", str(secret), "--with-query-log", "--json")
        told = json.loads(command(server, *words))
        changes = load.changes
        wait_until(lambda: load.changes >= changes + 5, "changes that the backup lacks")
        api.post(f"exemptions/{revoked['id']}:revoke", {}, status=200)
        api.delete("tokens/leaver")
        for path, body in (("groups/open", {"exempt": False}), ("lists/fine", {"enabled": False})):
            assert api.call("PATCH", path, body).status == 200
        assert api.post("queries:erase", {"client": ERASED, "reason": "asked for"}, status=200)["queries"] > 0
    finally:
        load.end()
    assert backup.stat().st_mode & 0o777 == 0o600
    assert ask_cli(server, "audit", "verify").startswith("the audit trail is intact")
    assert "in use by another moatdns" in ask_cli(
        server, "restore", str(backup), "--passphrase-file", str(secret), status=1
    )
    # What the log, on another machine, has of the trail by the minute.
    last = json.loads(ask_cli(server, "audit", "export").splitlines()[-1])
    server.stop()
    log = server.folder / "old.log"
    head = json.dumps({"event": "audit head", "row": last["id"], "mac": last["mac"]})
    log.write_text(f"{server.log_text}\n{head}\n")
    # The node is lost, with all that it had; of PostgreSQL the database is.
    shutil.rmtree(server.state_dir)
    words = ("restore", str(backup), "--passphrase-file", str(secret), "--log", str(log))
    began = time.monotonic()
    done = command(server, *words, *(("--replace",) if is_postgres else ()))
    assert "moatdns token create" in done
    for line in ("closed until you confirm it: groups/lab is exempt", "of 1 clients"):
        assert line in done
    if not is_postgres:
        _kill_restores(server, (*words, "--replace"), time.monotonic() - began)
    admin = ask_cli(
        server, "token", "create", "--name", "new-admin", "--role", "admin", "--role", "investigator", "--owner", "Root"
    ).strip()
    server.start()
    api = Api(server.admin_port, admin)
    wait_until(lambda: is_blocked_everywhere(server.port, "blocked.example"), "the restored policy")

    assert not list(server.state_dir.glob("restore.ready"))

    # Whole: lists and groups as they were at the backup, statistics, the trail.
    names = {item["name"] for item in api.get("lists?limit=1000")["items"]}
    assert "house" in names
    assert len([name for name in names if name.startswith("made-")]) == told["rows"]["lists"] - 2
    assert 5 <= told["rows"]["lists"] - 2 <= changes + 1
    assert api.get("groups/lab")["networks"] == ["10.9.0.0/16"]
    after = api.get("stats/summary")
    assert after["queries"] >= before["queries"]
    assert after["blocked"] >= before["blocked"]
    verified = json.loads(ask_cli(server, "audit", "verify", "--log", str(log), "--json"))
    assert verified["ok"], verified["findings"]
    assert any("was restored from the backup of" in gap for gap in verified["gaps"])
    row = api.get("audit?action=restore&limit=1")["items"][0]
    assert row["id"] == told["audit_row"] + 1
    assert row["after"]["lost_rows"] == last["id"] - told["audit_row"] > 5

    evidence = api.get("reports/evidence")["content"]
    lost = [gap for gap in evidence["gaps"] if (gap["kind"], gap["source"]) == ("not known", f"audit row {row['id']}")]
    assert (lost[-1]["begins"], lost[-1]["ends"]) == (told["at"], row["at"])
    # Since the last sign of life that the backup has, perhaps.
    assert [gap["ends"] for gap in lost[:-1]] in ([], [told["at"]])
    assert told["at"] in lost[-1]["reason"]
    assert [gap["begins"] for gap in evidence["gaps"] if gap["kind"] == "not running"] == [row["at"]]
    assert [run["how"] for run in evidence["running"]] == ["not known", "running"]
    assert any(f"{told['audit_row'] + 1} to {last['id']}" in text for text in evidence["blind_spots"])
    (again,) = [line for line in evidence["openings"] if line["kind"] == "store"]
    assert f"policy revision {told['policy_revision']}" in again["what"]
    granted = [line for line in evidence["openings"] if line["kind"] == "exemption"]
    assert [line["ended"] is not None for line in granted] == [True, True], "both are suspended"

    # Nothing is open that had been revoked, nor what had not been: until somebody says so.
    (why,) = wait_until(lambda: [text for text in why_degraded(server) if "restored from" in text], "it is told")
    assert "confirm-restored" in why
    for name in ("revoked.example", "kept.example", "closed.example"):
        assert is_blocked(ask(server.port, name))
    assert is_blocked(ask(server.port, "blocked.example", client=OPENED))
    # Who was erased since the backup is not in its query log.
    assert logged(api, ERASED) == []
    assert logged(api, "127.0.0.1")
    refused = Api(server.admin_port, token).call("GET", "lists")
    assert (refused.status, "suspended" in refused.body["detail"]) == (401, True)
    assert api.get("status")["store"]["suspended"] == why
    # One by one: by the command line, which the running server hears of, and by the API.
    ask_cli(server, "store", "confirm-restored", "--exemption", kept["id"], "--policy", "groups/lab")
    wait_until(lambda: is_open_everywhere(server.port, "kept.example"), "the confirmed exemption")
    assert is_blocked(ask(server.port, "revoked.example"))
    api.post(f"exemptions/{revoked['id']}:revoke", {}, status=200)
    api.delete("tokens/leaver")
    assert [one["object"] for one in api.get("restored")["policy"]] == ["groups/open", "lists/fine"]
    api.post("restored:confirm", {"leave_closed": ["groups/open", "lists/fine"]}, status=200)
    confirmed = api.post("restored:confirm", {"all": True}, status=200)
    assert (confirmed["exemptions"], confirmed["policy"]) == ([], [])
    assert {"stays", "revoked"} <= set(confirmed["tokens"])
    wait_until(lambda: not [text for text in why_degraded(server) if "restored" in text], "nothing is suspended")
    assert Api(server.admin_port, token).call("GET", "lists").status == 401
    for name in ("revoked.example", "closed.example"):
        assert is_blocked(ask(server.port, name))
    assert is_blocked(ask(server.port, "blocked.example", client=OPENED))
    assert (api.get("groups/lab")["exempt"], api.get("groups/open")["exempt"]) == (True, False)
    assert ask_cli(server, "audit", "verify").startswith("the audit trail is intact")
