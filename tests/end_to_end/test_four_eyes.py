"""Four eyes on a running server: a name is opened by two, seen by DNS; what root does is in the audit trail."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.clients import ask, is_blocked
from tests.support.moatdns import Moatdns
from tests.support.programs import MOATDNS, wait_until
from tests.support.unbound import Unbound

HOOK = "https://hooks.example/T0/letmein"


def config_with(world: Unbound, approval: str) -> dict[str, Any]:
    """One worker; a webhook that holds two secrets, and reaches nobody."""
    return {
        "workers": 1,
        "upstream": {"servers": [world.server]},
        "policy": {"approval": approval},
        "webhooks": [{"url": HOOK, "secret": "topsecret"}],
    }


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, world: Unbound) -> Iterator[Moatdns]:
    """A server under four eyes, with the token of its first start."""
    folder = tmp_path_factory.mktemp("four-eyes")
    with Moatdns(folder, config_with(world, "four-eyes"), with_api=True) as moatdns:
        yield moatdns


def run(server: Moatdns, *words: str, token: str = "", status: int = 0) -> str:
    """What a command says; as root on the machine, or by the API with a token."""
    made = subprocess.run(
        [MOATDNS, *words],
        env={**os.environ, "MOATDNS_URL": f"http://127.0.0.1:{server.admin_port}", "MOATDNS_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert made.returncode == status, made
    return made.stdout or made.stderr


def trail(api: Api, **filters: str) -> list[dict[str, Any]]:
    """The audit trail, newest first."""
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    rows: list[dict[str, Any]] = api.get(f"audit?{query}")["items"]
    return rows


def test_a_name_is_opened_by_two_owners_and_four_eyes_are_ended_by_root_alone(watched: Moatdns, world: Unbound) -> None:
    api = watched.api
    assert "only one owner has a token" in watched.log_text
    config = ["--config", str(watched.config_file)]
    second = run(watched, "token", "create", "--name", "ben", "--role", "admin", "--owner", "Ben", *config).strip()
    made = trail(api, object="tokens/ben")[0]
    assert (made["actor"], made["after"]["owner"]) == ("command line", "Ben")
    assert made["after"]["by"]

    api.post("lists", {"name": "house"})
    asked = api.post("lists/house/rules", {"allow": ["claude.ai"]}, status=202)
    assert is_blocked(ask(watched.port, "claude.ai"))
    first = str(api.token)
    assert "asks, and" not in run(watched, "change", "list", token=first)
    assert "list 'house' allows claude.ai" in run(watched, "change", "show", asked["id"], token=second)
    assert "another owner has to approve it" in run(watched, "change", "approve", asked["id"], token=first, status=1)
    assert is_blocked(ask(watched.port, "claude.ai"))
    assert "approved" in run(watched, "change", "approve", asked["id"], token=second)
    assert not is_blocked(ask(watched.port, "claude.ai"))
    approved = trail(api, action="approve")[0]
    assert (approved["actor"], approved["object"]) == ("token:ben", f"change-requests/{asked['id']}")
    assert approved["before"]["requested_owner"] == "whoever installed moatdns"

    lease = ("lease", "set", "127.0.0.51", "--identity", "eve", "--group", "open", "--for", "1h")
    api.post("groups", {"name": "open", "exempt": True})
    assert "nothing has changed yet" in run(watched, *lease, token=second, status=1)
    number = json.loads(run(watched, "change", "list", "--status", "pending", "--json", token=second))[0]["id"]
    assert "withdrawn" in run(watched, "change", "withdraw", number, token=second)

    asked_by = ["--client", "127.0.0.61", "--owner", "Eve", "--reason", "a test", "--for", "8h"]
    said = run(watched, "exemption", "grant", "anthropic", *asked_by, token=second)
    assert "pending: anthropic for client 127.0.0.61 requests 8 h" in said
    assert "approval by another owner than Ben" in said
    assert "requests 8 h" in run(watched, "exemption", "list", token=first)

    assert trail(api, object="config")[-1]["action"] == "start"
    watched.reload(config_with(world, "none"))
    told = wait_until(lambda: trail(watched.api, object="config", action="reload"), "the reload is told")[0]
    assert (told["before"], told["after"]["changed"]) == ({"policy.approval": "four-eyes"}, {"policy.approval": "none"})
    assert told["after"]["source"] == str(watched.config_file)
    whole = json.dumps(trail(watched.api, limit="1000"))
    assert "topsecret" not in whole
    assert "letmein" not in whole
    assert '"webhooks[0].url": "https://hooks.example/(secret)"' in whole
    watched.api.post("lists/house/rules", {"allow": ["chatgpt.com"]}, status=200)
    watched.hang_up()
    again = wait_until(lambda: trail(watched.api, object="config", action="reload")[1:], "a reload without a change")
    assert len(again) == 1
    assert trail(watched.api, object="config", action="reload")[0]["after"]["changed"] == {}
