"""Groups that watch what they do not block, and the upgrade that gave the set `ai` resellers: real queries."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.clients import ask, is_blocked, rdata, ttls
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until
from tests.support.unbound import Unbound

REAL = ["198.51.100.4"]  # of chatgpt.com
WATCHED, LEGAL, HELD = "127.0.0.60", "127.0.0.61", "127.0.0.62"


def _config(world: Unbound) -> dict[str, Any]:
    return {"workers": 1, "upstream": {"servers": [world.server]}, "query_log": {"what": "all"}}


def _steps(server: Moatdns, name: str) -> list[str]:
    trace = server.api.get(f"explain?name={name}&client={WATCHED}")["trace"]
    return [f"{step['outcome']}: {step['detail']}" for step in trace if step["step"] == "watch"]


def test_what_is_watched_is_answered_and_counted_until_its_end(tmp_path: Path, world: Unbound) -> None:
    with Moatdns(tmp_path, _config(world), with_api=True) as server:
        assert any("model services of clouds are open" in event["event"] for event in server.events)
        end = datetime.now(UTC) + timedelta(seconds=8)
        watch = {"monitor": ["vendors", "clouds"], "monitor_until": end.isoformat()}
        server.api.post("groups", {"name": "lab", "networks": [f"{WATCHED}/32"], "block": ["anthropic"], **watch})
        for _ in range(2):
            response = ask(server.port, "chatgpt.com", client=WATCHED)
            assert (rdata(response), ttls(response)[0] <= 8) == (REAL, True)
        assert is_blocked(ask(server.port, "claude.ai", client=WATCHED))
        assert not is_blocked(ask(server.port, "bedrock-runtime.eu-west-1.amazonaws.com", client=WATCHED))
        watches, monitor = _steps(server, "chatgpt.com")
        assert watches.startswith("watched: group lab watches vendors, clouds until ")
        assert monitor.startswith("monitor: chatgpt.com of openai/chatgpt would block it if group lab blocked vendors")
        wait_until(lambda: datetime.now(UTC) >= end, "the end of the watch")
        response = ask(server.port, "chatgpt.com", client=WATCHED)
        assert (rdata(response), ttls(response)[0] > 60) == (REAL, True)  # nothing caps it any more
        assert is_blocked(ask(server.port, "claude.ai", client=WATCHED))
        (over,) = _steps(server, "chatgpt.com")
        assert over.startswith("over: group lab watched vendors, clouds until ")

        def verdicts() -> list[tuple[str, str]]:
            rows = server.api.get(f"queries?client={WATCHED}&reason=test")["items"]
            return [(row["name"].partition(".")[0], row["verdict"]) for row in reversed(rows)]

        bedrock = ("bedrock-runtime", "monitor")
        chatgpt, claude = ("chatgpt", "monitor"), ("claude", "block")
        expected = [chatgpt, chatgpt, claude, bedrock, ("chatgpt", "allow"), claude]
        wait_until(lambda: len(verdicts()) == len(expected), "the query log")
        assert verdicts() == expected
        top = {item["key"]: item["monitored"] for item in server.api.get("stats/top?by=vendor")["items"]}
        assert (top["openai"], top["amazon-bedrock"], top["anthropic"]) == (2, 1, 0)


def test_nothing_is_opened_by_the_upgrade_that_gave_ai_resellers(tmp_path: Path, world: Unbound) -> None:
    server = Moatdns(tmp_path, _config(world), with_api=True)
    with server:
        server.api.call("PATCH", "groups/default", {"block": ["ai", "gateways", "bypass", "lists"]})
        server.api.post("groups", {"name": "legal", "networks": [f"{LEGAL}/32"], "allow": ["ai"]})
        facts = {"owner": "Ana", "reason": "a trial", "duration_seconds": 3600}
        server.api.post("exemptions", {"subject": {"client": HELD}, "scope": ["ai"], **facts})
        for client in (LEGAL, HELD):
            assert not is_blocked(ask(server.port, "openrouter.ai", client=client))  # as `ai` is understood today
    store = sqlite3.connect(server.state_dir / "moatdns.sqlite")
    for column in ("monitor", "monitor_until"):
        store.execute(f"ALTER TABLE groups DROP COLUMN {column}")
    store.execute("UPDATE alembic_version SET version_num = '0008'")
    store.commit()
    store.close()
    shutil.rmtree(server.snapshots)  # where `legal` allows resellers: one of the version before did not
    for journal in (server.state_dir / "subjects").glob("journal-*.jsonl"):
        journal.write_bytes(journal.read_bytes().replace(b'"format":2', b'"format":1'))
    with server:
        for client in (LEGAL, HELD):
            assert rdata(ask(server.port, "chatgpt.com", client=client)) == REAL
            for name in ("openrouter.ai", "bedrock-runtime.eu-west-1.amazonaws.com"):
                assert is_blocked(ask(server.port, name, client=client)), (client, name)
        assert server.api.get("groups/legal")["allow"] == ["vendors"]
        assert [row["scope"] for row in server.api.get("exemptions")["items"]] == [["vendors"]]
