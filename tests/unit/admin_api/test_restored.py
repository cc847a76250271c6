"""A restored store over HTTP: what is suspended is told, lets nobody in, and counts again once an admin says so."""

from __future__ import annotations

from typing import Any

import pytest

from admin_api.second_owner.standing import standing_openings
from admin_api.store import exemptions, restored, tokens
from admin_api.store.roles import FIRST_ROLES
from tests.unit.admin_api.states import new_exemption
from tests.unit.bundled import bundled_catalogue

from .browser import Browser
from .conftest import Served, expect_problem

NOTHING: dict[str, Any] = {"tokens": [], "exemptions": [], "policy": [], "left": []}


@pytest.fixture
async def suspended(served: Served) -> str:
    """A store that came out of a backup, with a new admin's token; gives the id of its exemption."""
    async with served.store.change("test") as change:
        row = await exemptions.create(change, new_exemption(), owner="Ana")
        await restored.suspend(change, "2026-11-27T03:00:00Z", [])
        _, served.tokens["root"] = await tokens.create(change, name="root", owner="Root", roles=FIRST_ROLES)
    await served.context.restored.look()
    return row.id


async def restore_policy(served: Served) -> None:
    """Have the store be one that came out of a backup; the admin's token is a new one."""
    async with served.store.change("test") as change:
        found = await standing_openings(change.connection, bundled_catalogue())
        await restored.suspend(change, "2026-11-27T03:00:00Z", [], found)
        _, served.tokens["root"] = await tokens.create(change, name="root", owner="Root", roles=FIRST_ROLES)
    served.tokens["admin"] = served.tokens["root"]
    await served.context.restored.look()


async def confirmed(served: Served, body: Any) -> tuple[int, Any]:
    async with served.call("POST", "restored:confirm", body, role="root") as response:
        await expect_problem(response)
        return response.status, await response.json()


async def test_what_is_suspended_is_told_and_counts_again_when_it_is_confirmed(served: Served, suspended: str) -> None:
    async with served.call("GET", "lists", role="viewer") as response:
        assert response.status == 401
        assert "suspended" in (await expect_problem(response))["detail"]
    served.tokens["admin"] = served.tokens["root"]
    waiting = await served.get("restored")
    assert (waiting["backup_at"], waiting["exemptions"]) == ("2026-11-27T03:00:00Z", [suspended])
    assert "root" not in waiting["tokens"]
    assert (await served.get(f"exemptions/{suspended}"))["status"] == "suspended"
    (why,) = [text for text in (await served.get("/ready"))["why"] if "restored" in text]
    assert f"{len(waiting['tokens'])} tokens and 1 exemption are suspended" in why
    assert [item["suspended"] for item in (await served.get("tokens"))["items"]].count(True) == len(waiting["tokens"])
    assert await served.status("POST", f"exemptions/{suspended}:renew", {"duration_seconds": 60}) == 409

    assert (await confirmed(served, {}))[0] == 422
    assert (await confirmed(served, {"all": True, "tokens": ["viewer"]}))[0] == 422
    assert (await confirmed(served, {"tokens": ["nobody"]}))[0] == 404
    assert (await confirmed(served, {"exemptions": ["ex-0"]}))[0] == 404
    first = waiting["tokens"][0]
    assert await confirmed(served, {"tokens": [first]}) == (200, {**NOTHING, "tokens": [first]})
    assert not served.context.subjects.holds("exemption", suspended)
    status, body = await confirmed(served, {"all": True})
    assert (status, body["exemptions"], len(body["tokens"])) == (200, [suspended], len(waiting["tokens"]) - 1)
    assert served.context.subjects.holds("exemption", suspended)
    assert await served.status("GET", "lists", role="viewer") == 200
    assert await served.get("restored") == {
        **{"restored_at": None, "backup_at": None, "tokens": [], "exemptions": [], "policy": []},
    }
    assert (await confirmed(served, {"all": True}))[0] == 409
    assert not [text for text in (await served.get("/ready"))["why"] if "restored" in text]
    rows = (await served.get("audit?action=confirm&limit=10"))["items"]
    assert [row["object"] for row in rows] == ["restored", f"exemptions/{suspended}", "restored"]


async def test_openings_by_the_policy_are_named_and_open_again_or_stay_closed(served: Served) -> None:
    for name in ("lab", "other"):
        assert await served.status("POST", "groups", {"name": name, "exempt": True}) == 201
    await restore_policy(served)
    waiting = await served.get("restored")
    opening = {"object": "groups/lab", "opens": ["is exempt"], "closed": True}
    assert waiting["policy"] == [opening, {**opening, "object": "groups/other"}]
    (why,) = [text for text in (await served.get("/ready"))["why"] if "restored" in text]
    assert "2 openings by the policy (groups/lab, groups/other)" in why
    assert (await served.get("groups/lab"))["exempt"] is False
    both = {"policy": ["groups/lab"], "leave_closed": ["groups/lab"]}
    assert [(await confirmed(served, body))[0] for body in (both, {"policy": ["groups/x"]})] == [422, 404]
    assert await confirmed(served, {"policy": ["groups/lab"]}) == (200, {**NOTHING, "policy": ["groups/lab"]})
    assert await confirmed(served, {"leave_closed": ["groups/other"]}) == (200, {**NOTHING, "left": ["groups/other"]})
    assert [(await served.get(f"groups/{name}"))["exempt"] for name in ("lab", "other")] == [True, False]
    assert (await served.get("restored"))["policy"] == []


async def test_pages_of_groups_and_lists_ask_whether_they_still_hold(served: Served) -> None:
    assert await served.status("POST", "groups", {"name": "lab", "mode": "monitor"}) == 201
    assert await served.status("POST", "lists", {"name": "fine", "allow": ["fine.example"]}) == 201
    await restore_policy(served)
    browser = await Browser.log_in(served, "root")
    for path, opens, do in (
        ("/groups/lab", "where it only watches.", "confirm-restored"),
        ("/lists/fine", "where it allows fine.example.", "leave-restored"),
    ):
        page, _ = await browser.get(path)
        assert opens in page
        await browser.send(path, {"do": do})
        page, _ = await browser.get(path)
        assert "Does it still hold?" not in page
    assert (await served.get("groups/lab"))["mode"] == "monitor"
    assert (await served.get("lists/fine"))["rules"] == 0


async def test_pages_have_a_button_for_each(served: Served, suspended: str) -> None:
    browser = await Browser.log_in(served, "root")
    waiting = served.context.restored.waiting
    assert waiting is not None
    page, _ = await browser.get("/tokens")
    assert page.count("/confirm") == len(waiting.tokens)
    await browser.send(f"/tokens/{waiting.tokens[0]}/confirm", {})
    await browser.send(f"/exemptions/{suspended}/confirm", {})
    page, _ = await browser.get(f"/exemptions/{suspended}")
    assert "/confirm" not in page
    assert served.context.subjects.holds("exemption", suspended)
    page, _ = await browser.get("/tokens")
    assert page.count("/confirm") == len(waiting.tokens) - 1
