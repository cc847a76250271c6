"""A store that is gone, away, damaged or restored from an older copy, as a running service and its admin meet it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.clients import ask, is_blocked, is_open_everywhere
from tests.support.moatdns import Moatdns
from tests.support.postgres import Postgres
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, wait_until

CONFIG: dict[str, Any] = {"workers": 1, "upstream": {"servers": ["127.0.0.1:1"]}}


def run(server: Moatdns, *words: str) -> subprocess.CompletedProcess[str]:
    command = [MOATDNS, *words, "--config", str(server.config_file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


def ready(server: Moatdns, status: str) -> list[str]:
    """Wait until /ready says that; gives why."""
    api = Api(server.admin_port, None)

    def found() -> list[str] | None:
        try:
            body = api.call("GET", "/ready").body
        except OSError:
            return None
        return [body["status"], *body["why"]] if body["status"] == status else None

    return list(wait_until(found, f"/ready says {status}"))[1:]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Moatdns]:
    """A service with a list of the API's; its changes are in force, and its audit trail's head is noted."""
    with Moatdns(tmp_path, CONFIG, with_api=True) as one:
        one.api.post("lists", {"name": "house", "block": ["blocked.example"]})
        assert is_blocked(ask(one.port, "blocked.example"))
        yield one


def test_a_removed_store_changes_no_answer_until_an_admin_begins_anew(server: Moatdns) -> None:
    api = server.api
    server.stop()
    store = server.state_dir / "moatdns.sqlite"
    for path in server.state_dir.glob("moatdns.sqlite*"):
        path.unlink()
    server.start()
    (why,) = ready(server, "degraded")
    assert "is gone" in why
    assert "begin-anew" in why
    assert is_blocked(ask(server.port, "blocked.example"))
    for method, path in (("GET", "lists"), ("POST", "lists"), ("GET", "status")):
        reply = api.call(method, path, {"name": "other"} if method == "POST" else None)
        assert (reply.status, reply.headers["content-type"]) == (503, "application/problem+json")
        assert "is gone" in reply.body["detail"]
    refused = run(server, "token", "create", "--name", "x", "--role", "admin")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "is gone" in refused.stderr
    assert not store.exists()
    # The server waits for the word, and goes on with the new store by itself.
    begun = run(server, "store", "begin-anew", "--reason", "the disk died", "--json")
    assert begun.returncode == 0, begun.stderr
    assert ready(server, "ready") == []
    again = wait_until(lambda: _lets_in(server), "a new first token")
    assert again.get("lists")["items"] is not None
    first = again.get("audit?limit=1000")["items"][-1]
    assert (first["id"], first["action"], first["object"], first["actor"]) == (1, "begin-anew", "store", "command line")
    assert [row for row, _ in first["after"]["lost_heads"]] == [row for row, _ in json.loads(begun.stdout)["lost"]]
    assert first["after"]["lost_heads"]
    wait_until(lambda: is_open_everywhere(server.port, "blocked.example"), "the new policy")
    whole = run(server, "audit", "verify", "--json")
    assert (whole.returncode, len(json.loads(whole.stdout)["gaps"])) == (0, 1)
    assert run(server, "store", "begin-anew").returncode == 1, "nothing is lost now"


def _lets_in(server: Moatdns) -> Api | None:
    api = Api(server.admin_port, (server.state_dir / "admin.token").read_text().strip())
    return api if api.call("GET", "lists").status == 200 else None


def test_a_store_that_is_taken_away_in_use_is_lost_at_once(server: Moatdns) -> None:
    api = server.api
    kept = server.folder / "kept"
    (server.state_dir / "moatdns.sqlite").rename(kept)
    reply = api.call("POST", "lists", {"name": "into-nothing"})
    assert (reply.status, "removed or replaced" in reply.body["detail"]) == (503, True)
    wait_until(lambda: "is gone" in ready(server, "degraded")[0], "another control process looks")
    assert is_blocked(ask(server.port, "blocked.example"))
    kept.rename(server.state_dir / "moatdns.sqlite")
    assert ready(server, "ready") == []
    assert [item["name"] for item in api.get("lists?kind=own")["items"]] == ["house"]


def test_a_store_restored_from_an_older_copy_is_told_until_an_admin_acknowledges_it(server: Moatdns) -> None:
    api = server.api
    viewer = api.post("tokens", {"name": "looks", "role": "viewer", "owner": "tests"})["token"]
    server.stop()
    store = server.state_dir / "moatdns.sqlite"
    shutil.copy(store, server.folder / "backup")
    server.start()
    for name in ("one", "two"):
        api.post("lists", {"name": name})
    server.stop()
    shutil.copy(server.folder / "backup", store)
    server.start()
    (why,) = ready(server, "degraded")
    assert "lacks rows that existed" in why
    assert server.events_named("the audit trail was cut off or replaced")
    for name in ("three", "four", "five"):  # more rows than were lost
        api.post("lists", {"name": name})
    status = api.get("status")["audit"]
    assert status["lost_rows"]
    assert "acknowledge" in status["trouble"]
    found = run(server, "audit", "verify", "--json")
    assert (found.returncode, json.loads(found.stdout)["ok"]) == (1, False)
    assert Api(server.admin_port, viewer).call("POST", "audit:acknowledge", {"reason": "mine"}).status == 403
    assert api.call("POST", "audit:acknowledge", {"reason": ""}).status == 422
    told = api.post("audit:acknowledge", {"reason": "restored the backup"}, status=200)
    assert [head["row"] for head in told["lost_heads"]] == status["lost_rows"]
    assert api.call("POST", "audit:acknowledge", {"reason": "again"}).status == 409
    assert ready(server, "ready") == []
    whole = run(server, "audit", "verify")
    assert whole.returncode == 0, whole.stdout
    assert "restored the backup" in whole.stdout
    row = api.get("audit?limit=1&action=acknowledge")["items"][0]
    assert (row["object"], row["after"]["reason"]) == ("audit", "restored the backup")
    assert [row for row, _ in row["after"]["lost_heads"]] == status["lost_rows"]


def test_a_cut_trail_that_grew_again_shows_and_the_command_line_acknowledges(server: Moatdns) -> None:
    api = server.api
    server.stop()
    with sqlite3.connect(server.state_dir / "moatdns.sqlite") as store:
        store.execute("DELETE FROM audit WHERE id > (SELECT max(id) - 2 FROM audit)")
    store.close()
    server.start()
    for name in ("one", "two", "three"):
        api.post("lists", {"name": name})
    ready(server, "degraded")
    server.stop()
    assert run(server, "audit", "verify").returncode == 1
    assert run(server, "audit", "acknowledge", "--reason", " ").returncode == 2
    done = run(server, "audit", "acknowledge", "--reason", "a test of ours")
    assert done.returncode == 0, done.stderr
    assert run(server, "audit", "verify").returncode == 0
    assert run(server, "audit", "acknowledge", "--reason", "again").returncode == 1


def test_dns_goes_on_while_postgresql_is_away_and_the_api_comes_back_with_it(tmp_path: Path) -> None:
    with Postgres() as postgres:
        config = {**CONFIG, "store": {"url": postgres.url("postgres")}}
        with Moatdns(tmp_path, config, with_api=True) as server:
            api = server.api
            api.post("lists", {"name": "house", "block": ["blocked.example"]})
            postgres.stop()
            server.stop()
            server.start()
            assert is_blocked(ask(server.port, "blocked.example")), "the last good snapshot"
            ready = wait_until(lambda: api.call("GET", "/ready"), "an answer")
            assert (ready.status, ready.body["status"]) == (200, "degraded")
            assert "p@ss" not in server.log_text
            assert api.call("GET", "lists").status == 503
            postgres.start()
            wait_until(lambda: api.call("GET", "lists").status == 200, "the store")
            api.post("lists", {"name": "second", "block": ["second.example"]})
            assert is_blocked(ask(server.port, "second.example"))
            wait_until(lambda: api.get("/ready")["status"] == "ready", "ready")
