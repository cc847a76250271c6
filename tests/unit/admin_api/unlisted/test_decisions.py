"""Decisions on unlisted names by the API: by role, checked as any rule is, and under four eyes by two owners."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from admin_api.store import lists, tokens, unlisted
from admin_api.store.unlisted import UnlistedRow
from tests.unit.admin_api.conftest import Served

_AT = datetime(2026, 11, 26, 12, tzinfo=UTC)


async def _put(served: Served, *domains: str, score: int = 50, clients: int = 4) -> None:
    async with served.store.count() as connection:
        for domain in domains:
            row = UnlistedRow(
                domain=domain,
                status="new",
                score=score,
                evidence=(("word", "gpt", score),),
                hosts=(f"api.{domain}",),
                queries=12,
                clients=clients,
                days=(("2026-11-25", 4, 2), ("2026-11-26", 8, clients)),
                first_at=_AT,
                last_at=_AT,
            )
            await unlisted.put(connection, row, is_there=False)


async def _act(served: Served, domain: str, action: str, body: Any = None, *, role: str = "admin") -> tuple[int, Any]:
    async with served.call("POST", f"unlisted/{domain}:{action}", body, role=role) as response:
        return response.status, await response.json()


async def test_entries_come_in_pages_with_the_most_evidence_first(served: Served) -> None:
    for number in range(7):
        await _put(served, f"n{number}.ai", score=20 + number % 3)
    seen: list[tuple[int, str]] = []
    cursor = ""
    while True:
        page = await served.get(f"unlisted?limit=3{cursor}")
        seen += [(item["score"], item["domain"]) for item in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == sorted(seen, key=lambda one: (-one[0], one[1]))
    assert len(seen) == 7
    assert await served.status("GET", "unlisted?cursor=nonsense") == 422
    assert await served.status("GET", "unlisted?status=odd") == 422


async def test_new_ones_of_too_few_clients_are_not_shown(served: Served) -> None:
    await _put(served, "few.ai", clients=2)
    await _put(served, "enough.ai", clients=3)
    assert [item["domain"] for item in (await served.get("unlisted"))["items"]] == ["enough.ai"]


async def test_the_forecast_is_of_the_inbox_own_counts(served: Served) -> None:
    await _put(served, "gpt.ai")
    item = await served.get("unlisted/gpt.ai")
    assert item["forecast"] == {"days": 2, "queries": 12, "queries_a_day": 6.0, "clients": 4}


async def test_a_viewer_decides_nothing_and_an_operator_does(served: Served) -> None:
    await _put(served, "gpt.ai")
    for action in ("block", "allow", "ignore", "want"):
        assert (await _act(served, "gpt.ai", action, {}, role="viewer"))[0] == 403
    status, done = await _act(served, "gpt.ai", "want", {"reason": "sales asks for it"}, role="operator")
    assert (status, done["status"], done["revision"]) == (200, "wanted", None)
    (row,) = (await served.get("audit?object=unlisted/gpt.ai"))["items"]
    assert (row["action"], row["after"]["reason"]) == ("want", "sales asks for it")


async def test_a_rule_may_be_narrower_and_in_another_list(served: Served) -> None:
    await _put(served, "gpt.ai")
    assert await served.status("POST", "lists", {"name": "house", "block": ["a.example"]}) == 201
    status, done = await _act(served, "gpt.ai", "block", {"list": "house", "rule": "=api.gpt.ai"})
    assert (status, done["rule"], done["list"]) == (200, "=api.gpt.ai", "house")
    assert {"action": "block", "rule": "=api.gpt.ai"} in (await served.get("lists/house/rules"))["items"]
    status, done = await _act(served, "gpt.ai", "block", {})
    assert (status, done["rule"]) == (200, "gpt.ai")
    assert (await served.get("lists/house"))["rules"] == 1, "another rule replaces it"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"rule": "ai"}, "/rule"),
        ({"rule": "other.ai"}, "/rule"),
        ({"rule": "notgpt.ai"}, "/rule"),
        ({"rule": "/gpt/"}, "/rule"),
        ({"rule": "a*.gpt.ai"}, "/rule"),
        ({"rule": ""}, "/rule"),
        ({"list": "none"}, "/list"),
        ({"list": "No Name"}, "/list"),
    ],
)
async def test_what_cannot_be_a_rule_of_it_is_told_and_nothing_is_changed(
    served: Served, body: dict[str, str], pointer: str
) -> None:
    await _put(served, "gpt.ai")
    status, problem = await _act(served, "gpt.ai", "block", body)
    assert (status, [error["pointer"] for error in problem["errors"]]) == (422, [pointer])
    assert (await served.get("unlisted/gpt.ai"))["status"] == "new"
    assert await served.status("GET", "lists/unlisted") == 404


async def test_a_list_that_is_fetched_takes_no_rule(served: Served) -> None:
    await _put(served, "gpt.ai")
    async with served.store.change("test") as change:
        await lists.create(change, name="feed", kind="subscription", url="https://lists.example/", format="auto")
    assert (await _act(served, "gpt.ai", "block", {"list": "feed"}))[0] == 409


async def test_of_two_who_decide_by_the_same_etag_one_is_refused(served: Served) -> None:
    await _put(served, "gpt.ai")
    async with served.call("GET", "unlisted/gpt.ai") as response:
        tag = response.headers["ETag"]
    assert await served.status("POST", "unlisted/gpt.ai:ignore", {}, If_Match=tag) == 200
    assert await served.status("POST", "unlisted/gpt.ai:block", {}, If_Match=tag) == 412
    assert await served.status("GET", "lists/unlisted") == 404, "nothing of it was done"


async def test_where_no_group_has_the_list_in_force_the_reply_says_so(served: Served) -> None:
    await _put(served, "gpt.ai")
    assert await served.status("PATCH", "groups/default", {"block": ["ai"]}) == 200
    _, done = await _act(served, "gpt.ai", "block", {})
    assert done["groups"] == []


@pytest.mark.slow
async def test_under_four_eyes_a_block_is_done_at_once_and_an_allow_waits_for_another_owner(served: Served) -> None:
    await _put(served, "gpt.ai", "llm.ai")
    async with served.store.change("test") as change:
        for owner in ("Ana", "Ben"):
            _, served.tokens[owner] = await tokens.create(change, name=owner.lower(), owner=owner, roles=("operator",))
    settings = dataclasses.replace(served.context.settings, approval="four-eyes")
    object.__setattr__(served.context, "settings", settings)
    assert (await _act(served, "llm.ai", "block", {}, role="Ana"))[0] == 200
    status, waits = await _act(served, "gpt.ai", "allow", {}, role="Ana")
    assert (status, waits["opens"]) == (202, ["list 'unlisted' allows gpt.ai"])
    assert (await served.get("unlisted/gpt.ai"))["status"] == "new"
    path = f"change-requests/{waits['id']}:approve"
    assert await served.status("POST", path, {}, role="Ana") == 403
    assert await served.status("POST", path, {}, role="Ben") == 200
    item = await served.get("unlisted/gpt.ai")
    assert (item["status"], item["decided_by"]) == ("allowed", "token:ben")
    assert (await _act(served, "llm.ai", "allow", {}, role="Ana"))[0] == 202, "its block would be taken back"
    assert (await _act(served, "llm.ai", "want", {}, role="Ana"))[0] == 409
