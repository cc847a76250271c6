"""The inbox of unlisted names on a whole server: what three clients ask for is found, shown, told and decided upon."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.rcode
import pytest

from tests.support.clients import ask, is_blocked
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, PATIENCE_SECONDS, wait_until
from tests.support.stub import StubUpstream

_CLIENTS = [f"127.0.9.{number}" for number in range(1, 6)]
_GROUPS = [{"name": "default", "block": ["ai", "bypass", "lists"]}]


@pytest.fixture(scope="module")
def upstream() -> Iterator[StubUpstream]:
    """Says nothing that is kept, so that each client's query is forwarded."""
    with StubUpstream(ttl=0) as stub:
        stub.rcodes = {"chat.nowhere-gpt.ai": dns.rcode.NXDOMAIN}
        stub.records = {"front.plainly.net": "front.plainly.net. 0 IN CNAME claude.ai.\nclaude.ai. 0 IN A 192.0.2.9"}
        yield stub


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, upstream: StubUpstream) -> Iterator[Moatdns]:
    """A server whose inbox is on, with names of all kinds asked for by different numbers of clients."""
    config: dict[str, Any] = {
        "workers": 2,
        "upstream": {"servers": [upstream.server], "zones": {"corp-ai.com": [upstream.server]}},
        "query_log": {"what": "all"},
        "unlisted": {"enabled": True},
        "policy": {"groups": _GROUPS},
    }
    with Moatdns(tmp_path_factory.mktemp("inbox"), config, with_api=True) as moatdns:
        api = moatdns.api
        wait_until(lambda: api.call("GET", "/ready").status == 200, "the API")

        def is_found() -> bool:
            for client in _CLIENTS:
                for name in ("api.brandnewgpt.ai", "chat.otherllm.com", "www.plain-shop.com", "llm.corp-ai.com"):
                    ask(moatdns.port, name, client=client)
                ask(moatdns.port, "chat.nowhere-gpt.ai", client=client)
            for client in _CLIENTS[:2]:
                ask(moatdns.port, "api.few-chatbot.ai", client=client)
            return len(api.get("unlisted")["items"]) >= 2

        wait_until(is_found, "the inbox", seconds=60)
        yield moatdns


def _is_blocked(server: Moatdns, name: str) -> bool:
    return is_blocked(ask(server.port, name))


def run(server: Moatdns, *words: str) -> subprocess.CompletedProcess[str]:
    command = [MOATDNS, "unlisted", *words, "--url", f"http://127.0.0.1:{server.admin_port}"]
    environment = {"MOATDNS_TOKEN": str(server.api.token), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


def test_names_with_evidence_are_shown_with_it_and_no_others(server: Moatdns) -> None:
    page = server.api.get("unlisted?status=new")
    assert page["enabled"] is True
    found = {item["domain"]: item for item in page["items"]}
    assert set(found) == {"brandnewgpt.ai", "otherllm.com"}, "not what few ask for, what is not there, nor our own"
    first = found["brandnewgpt.ai"]
    assert page["items"][0] == first, "the most evidence first"
    assert {piece["kind"] for piece in first["evidence"]} >= {"word", "top-level"}
    assert first["score"] == min(100, sum(piece["points"] for piece in first["evidence"]))
    assert first["hosts"] == ["api.brandnewgpt.ai"]
    assert 3 <= first["clients"] <= len(_CLIENTS)
    assert first["forecast"]["queries"] == first["queries"] >= 3


def test_no_client_is_in_the_store(server: Moatdns) -> None:
    with sqlite3.connect(f"file:{server.state_dir}/moatdns.sqlite?mode=ro", uri=True) as store:
        rows = store.execute("SELECT * FROM unlisted").fetchall()
    assert rows
    assert not any(client in str(row) for row in rows for client in _CLIENTS)


def test_one_click_blocks_a_name_in_every_worker_and_is_audited(server: Moatdns) -> None:
    api = server.api
    assert not _is_blocked(server, "api.otherllm.com")
    done = api.post("unlisted/otherllm.com:block", {}, status=200)
    assert (done["status"], done["list"], done["rule"], done["groups"]) == (
        "blocked",
        "unlisted",
        "otherllm.com",
        ["default"],
    )
    assert _is_blocked(server, "api.otherllm.com")
    assert api.get("lists/unlisted/rules")["items"] == [{"action": "block", "rule": "otherllm.com"}]
    row = api.get("audit?object=unlisted/otherllm.com")["items"][0]
    assert (row["action"], row["after"]["status"]) == ("block", "blocked")
    again = api.post("unlisted/otherllm.com:allow", {}, status=200)
    assert again["status"] == "allowed"
    assert not _is_blocked(server, "api.otherllm.com")
    assert api.get("lists/unlisted/rules")["items"] == [{"action": "allow", "rule": "otherllm.com"}]
    assert api.call("POST", "unlisted/otherllm.com:ignore", {}).status == 409, "its rule would stay"
    assert api.call("POST", "unlisted/nobody.ai:block", {}).status == 404
    assert api.call("POST", "unlisted/brandnewgpt.ai:block", {"rule": "com"}).status == 422
    assert api.call("POST", "unlisted/brandnewgpt.ai:block", {"list": "none-such"}).status == 422


def test_the_commands_list_and_decide(server: Moatdns) -> None:
    shown = run(server, "list", "--status", "new")
    assert shown.returncode == 0, shown.stderr
    assert "brandnewgpt.ai" in shown.stdout
    assert ".ai" in shown.stdout, "the evidence"
    done = run(server, "ignore", "brandnewgpt.ai", "--json")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "ignored")
    assert run(server, "list", "--status", "ignored", "--json").stdout.count("brandnewgpt.ai") >= 1
    assert run(server, "block", "nobody.example").returncode == 1
    assert run(server, "block", "no/name").returncode == 2


def test_metrics_count_names_by_status_and_name_none(server: Moatdns) -> None:
    metrics = str(server.api.call("GET", "/metrics").body)
    assert 'moatdns_unlisted_names{status="new"}' in metrics
    assert "brandnewgpt" not in metrics


def test_a_name_without_a_word_is_found_by_clients_that_ask_for_listed_ones_within_seconds(server: Moatdns) -> None:
    near = [f"127.0.8.{number}" for number in range(1, 6)]
    others = [f"127.0.7.{number}" for number in range(1, 31)]
    found: dict[str, Any] = {}

    def is_found() -> bool:
        for client in others:
            ask(server.port, "www.plain-shop.com", client=client)
        for client in near:
            ask(server.port, "claude.ai", client=client)
            ask(server.port, "edge.monikaworks.com", client=client)
        found.update({item["domain"]: item for item in server.api.get("unlisted?status=new")["items"]})
        return "monikaworks.com" in found

    wait_until(is_found, "a name by its company", seconds=60)
    assert [piece["kind"] for piece in found["monikaworks.com"]["evidence"]] == ["company"]
    assert "plain-shop.com" not in found


def test_without_the_setting_there_is_no_inbox_and_nothing_is_told(tmp_path: Path, upstream: StubUpstream) -> None:
    config = {"workers": 1, "upstream": {"servers": [upstream.server]}}
    with Moatdns(tmp_path, config, with_api=True) as moatdns:
        wait_until(lambda: moatdns.api.call("GET", "/ready").status == 200, "the API")
        for client in _CLIENTS:
            ask(moatdns.port, "api.brandnewgpt.ai", client=client)
        page = moatdns.api.get("unlisted")
        assert (page["items"], page["enabled"]) == ([], False)
        assert "moatdns_unlisted_names{" not in str(moatdns.api.call("GET", "/metrics").body)
