"""Plans of a policy so large that a process of their own makes them, as their callers and everybody else see it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.api import Reply
from tests.support.clients import ask, is_blocked, is_blocked_everywhere
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until

CONFIG: dict[str, Any] = {"workers": 1, "upstream": {"servers": ["127.0.0.1:1"]}}
NAMES = [f"name-{number}.blocked.example" for number in range(20_000)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moatdns]:
    """A service with a large list, and a blocked query in its log."""
    with Moatdns(tmp_path_factory.mktemp("plans"), CONFIG, with_api=True) as one:
        assert one.api.call("POST", "lists", {"name": "house", "block": NAMES}).status == 202
        wait_until(lambda: is_blocked_everywhere(one.port, NAMES[0]), "the list in force")
        wait_until(lambda: one.api.get("queries?limit=1")["items"], "the query in the log")
        yield one


def planned(server: Moatdns, block: list[str], query: str = "") -> Reply:
    entry = {"name": "house", "block": block}
    return server.api.call("POST", f"policy:plan{query}", {"policy": {"lists": [entry], "groups": []}})


def test_a_large_plan_is_told_and_replayed(server: Moatdns) -> None:
    reply = planned(server, [*NAMES[1:], "new.example"], "?replay_seconds=3600&reason=test")
    assert reply.status == 200, reply
    (change,) = reply.body["changes"]
    assert (change["object"], change["action"]) == ("lists/house", "update")
    assert change["added"] == {"count": 1, "some": ["block new.example"]}
    assert change["removed"] == {"count": 1, "some": [f"block {NAMES[0]}"]}
    (item,) = reply.body["replay"]["items"]
    assert (item["name"], item["before"], item["after"]) == (NAMES[0], "block", "allow")
    assert server.api.get("policy/history?limit=1")["items"][0]["revision"] == reply.body["revision"]


def test_mistakes_in_a_large_document_are_told_at_their_place(server: Moatdns) -> None:
    reply = planned(server, [*NAMES, "com"])
    assert (reply.status, reply.headers["content-type"]) == (422, "application/problem+json")
    assert [error["pointer"] for error in reply.body["errors"]] == [f"/policy/lists/0/block/{len(NAMES)}"]
    assert server.api.call("POST", "policy:plan", {"to_revision": 999}).status == 404


def test_a_write_is_done_before_a_large_plan_that_began_first(server: Moatdns) -> None:
    ended: list[float] = []
    body = json.dumps(
        {"policy": {"lists": [{"name": "house", "block": [*NAMES, *(f"x{n}.example" for n in range(200_000))]}]}}
    )

    def plan() -> None:
        assert server.api.call("POST", "policy:plan", body.encode()).status == 200
        ended.append(time.monotonic())

    planning = threading.Thread(target=plan)
    planning.start()
    wait_until(lambda: any("policy_file.child" in " ".join(p.cmdline()) for p in server.family()), "the planner")
    server.api.post("lists", {"name": "meanwhile", "block": ["meanwhile.example"]})
    written = time.monotonic()
    assert is_blocked(ask(server.port, "meanwhile.example"))
    planning.join()
    assert written < ended[0]


def test_a_large_policy_is_applied_and_taken_back(server: Moatdns) -> None:
    api = server.api
    before = api.get("policy")
    sent = {"policy": {"lists": [{"name": "house", "block": NAMES[5:]}]}}
    stale = api.call("POST", "policy:apply", sent, If_Match=f'"{before["revision"] - 1}"')
    assert stale.status == 412
    done = api.call("POST", "policy:apply", sent, If_Match=f'"{before["revision"]}"')
    assert done.status == 200, done
    assert len(api.get("policy")["policy"]["lists"][0]["block"]) == len(NAMES) - 5
    back = {"to_revision": before["revision"]}
    done = api.call("POST", "policy:rollback", back, If_Match=f'"{done.body["revision"]}"')
    assert done.status == 200, done
    assert api.get("policy")["policy"] == before["policy"]
