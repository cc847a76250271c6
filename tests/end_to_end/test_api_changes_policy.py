"""The main job of the admin API: a change by curl is in force in every worker, is audited, and outlives a restart."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.message
import pytest

from tests.support.clients import UdpClient, dig, is_blocked, query
from tests.support.moatdns import Moatdns
from tests.support.programs import PATIENCE_SECONDS, program
from tests.support.unbound import Unbound

IN_FORCE_SECONDS = 1.0  # after its 2xx, a change is in force in every worker
MOST_MIB = 150  # of memory in all processes, shared pages counted once (PSS)
_SOCKETS = 32  # that no worker of two is asked by any of them has a chance of one in 2^31


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, world: Unbound) -> Iterator[Moatdns]:
    """A server with two workers, an API, and nothing in its config's policy."""
    config = {"workers": 2, "upstream": {"servers": [world.server]}}
    with Moatdns(tmp_path_factory.mktemp("api"), config, with_api=True) as moatdns:
        yield moatdns


def curl(moatdns: Moatdns, *arguments: str) -> tuple[int, Any]:
    """Run curl with the first token against a path below /api/v1, the last argument. Gives status and body."""
    *options, path = arguments
    command = [program("curl"), "-sS", "-w", "\n%{http_code}", "-H", f"Authorization: Bearer {moatdns.api.token}"]
    url = f"http://127.0.0.1:{moatdns.admin_port}/api/v1/{path}"
    done = subprocess.run(
        [*command, *options, url], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body) if body else None


def blocked_everywhere(moatdns: Moatdns, name: str) -> set[bool]:
    """Whether a name is blocked, by the answers to many sockets, so that every worker is asked."""
    seen = set()
    for _ in range(_SOCKETS):
        with UdpClient(moatdns.port) as client:
            seen.add(is_blocked(dns.message.from_wire(client.exchange(query(name).to_wire()))))
    return seen


def becomes(moatdns: Moatdns, name: str, *, blocked: bool) -> float:
    """Poll DNS until every worker says so; gives the seconds that it took."""
    began = time.monotonic()
    while blocked_everywhere(moatdns, name) != {blocked}:
        assert time.monotonic() - began < PATIENCE_SECONDS
    return time.monotonic() - began


def test_two_workers_and_the_bundled_lists_take_at_most_150_mib(office: Moatdns) -> None:
    assert office.api.call("GET", "status").status == 200  # all is loaded
    assert sum(process.memory_full_info().pss for process in office.whole_family()) <= MOST_MIB << 20


def test_a_list_made_by_curl_is_in_force_in_every_worker_and_audited_and_survives_a_restart(office: Moatdns) -> None:
    assert blocked_everywhere(office, "plain.example") == {False}

    status, made = curl(office, "-d", '{"name": "house", "block": ["plain.example"]}', "-H",
                        "Content-Type: application/json", "lists")  # fmt: skip
    assert (status, made["name"], made["rules"], made["origin"]) == (201, "house", 1, "api")
    assert becomes(office, "plain.example", blocked=True) < IN_FORCE_SECONDS
    shown = dig(office.port, "plain.example")
    assert shown.rdata == ["0.0.0.0"]
    assert shown.ede == ((15, "house is blocked for group default"),)

    status, _ = curl(office, "-d", '{"block": ["notclaude.ai"]}', "-H", "Content-Type: application/json",
                     "lists/house/rules")  # fmt: skip
    assert status == 200
    assert becomes(office, "notclaude.ai", blocked=True) < IN_FORCE_SECONDS

    status, _ = curl(office, "-d", '{"block": ["plain.example"]}', "-H", "Content-Type: application/json",
                     "lists/house/rules:batchDelete")  # fmt: skip
    assert status == 200
    assert becomes(office, "plain.example", blocked=False) < IN_FORCE_SECONDS
    assert blocked_everywhere(office, "notclaude.ai") == {True}

    assert office.stop() == 0
    office.start()
    assert blocked_everywhere(office, "notclaude.ai") == {True}
    assert blocked_everywhere(office, "plain.example") == {False}
    status, listed = curl(office, "lists/house/rules")
    assert status == 200
    assert [item["rule"] for item in listed["items"]] == ["notclaude.ai"]

    status, _ = curl(office, "-X", "DELETE", "lists/house")
    assert status == 204
    assert becomes(office, "notclaude.ai", blocked=False) < IN_FORCE_SECONDS

    status, audit = curl(office, "audit?limit=1000")
    assert status == 200
    rows = [row for row in audit["items"] if row["object"].startswith("lists/house")]
    assert rows[-1]["action"] == "create"
    assert len(rows) == 4
    assert all(row["actor"] == "token:first" and row["request_id"] and row["at"] for row in rows)
    assert rows[-1]["before"] is None
    assert rows[-1]["after"]["name"] == "house"
    assert rows[0]["before"]["name"] == "house"
    assert rows[0]["after"] is None


def test_an_exempt_group_made_by_the_api_is_in_force_at_once(office: Moatdns) -> None:
    api = office.api
    made = api.post("groups", {"name": "research", "networks": ["127.0.0.2"], "exempt": True})
    assert made["networks"] == ["127.0.0.2/32"]
    assert not is_blocked(_ask(office, "claude.ai", "127.0.0.2"))
    assert is_blocked(_ask(office, "claude.ai", "127.0.0.1"))
    explained = api.get("explain?name=claude.ai&client=127.0.0.2&type=A")
    assert (explained["verdict"], explained["group"]["name"]) == ("exempt", "research")
    api.delete("groups/research")
    assert is_blocked(_ask(office, "claude.ai", "127.0.0.2"))


def test_a_group_of_client_names_is_explained_by_name(office: Moatdns) -> None:
    office.api.post("groups", {"name": "kiosk", "client_names": ["Kiosk-7"], "exempt": True})
    path = "explain?name=claude.ai&client=127.0.0.2&client_name="
    named = office.api.get(f"{path}KIOSK-7")
    assert (named["verdict"], named["group"]["name"], named["group"]["via"]) == ("exempt", "kiosk", "client name")
    unknown = office.api.get(f"{path}kiosk-8")
    assert (unknown["verdict"], unknown["group"]["via"]) == ("block", "default")
    office.api.delete("groups/kiosk")
    assert office.api.get(f"{path}kiosk-7")["verdict"] == "block"


def _ask(moatdns: Moatdns, name: str, client: str) -> dns.message.Message:
    with UdpClient(moatdns.port, client) as one:
        return dns.message.from_wire(one.exchange(query(name).to_wire()))


def test_what_the_config_gives_is_read_only_in_the_api_and_follows_a_reload(tmp_path: Path, world: Unbound) -> None:
    config: dict[str, Any] = {
        "upstream": {"servers": [world.server]},
        "policy": {
            "lists": [{"name": "filed", "block": ["plain.example"]}],
            "groups": [{"name": "labs", "networks": ["127.0.0.2"], "exempt": True}],
        },
    }
    with Moatdns(tmp_path, config, with_api=True) as moatdns:
        api = moatdns.api
        assert api.get("lists/filed")["origin"] == "file"
        assert [item["rule"] for item in api.get("lists/filed/rules")["items"]] == ["plain.example"]
        refused = api.call("POST", "lists/filed/rules", {"block": ["x.example"]})
        assert refused.status == 409
        assert "policy.lists" in refused.body["detail"]
        assert api.call("PATCH", "groups/labs", {"exempt": False}).status == 409
        api.post("lists", {"name": "made", "block": ["notclaude.ai"]})

        config["policy"]["lists"] = [{"name": "filed", "block": ["house.example"]}]
        assert moatdns.reload(config)["event"] == "reloaded"
        assert blocked_everywhere(moatdns, "plain.example") == {False}
        assert blocked_everywhere(moatdns, "house.example") == {True}
        assert blocked_everywhere(moatdns, "notclaude.ai") == {True}, "what the API made stays"

        config["policy"]["lists"] = [{"name": "made", "block": ["house.example"]}]
        refusal = moatdns.reload(config)
        assert refusal["event"] == "the config is not used; the old one stays in force"
        assert "made" in refusal["problem"]
        assert blocked_everywhere(moatdns, "notclaude.ai") == {True}
