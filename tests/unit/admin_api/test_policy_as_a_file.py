"""The policy as one document: written out, planned, applied whole or not at all, kept by revision, and taken back."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from admin_api.store import groups

from .conftest import Served, expect_problem

HOUSE = {"name": "house", "block": ["one.example", "two.example"], "allow": ["ok.one.example"]}
STAFF = {"name": "staff", "networks": ["10.1.0.0/16"], "block": ["ai", "house"]}


@pytest.fixture
async def office(served: Served) -> Served:
    """With a list and a group."""
    assert await served.status("POST", "lists", HOUSE) == 201
    assert await served.status("POST", "groups", STAFF) == 201
    return served


async def document(served: Served) -> dict[str, Any]:
    body: dict[str, Any] = await served.get("policy")
    return body


async def planned(served: Served, body: Any) -> dict[str, Any]:
    async with served.call("POST", "policy:plan", body, role="viewer") as response:
        assert response.status == 200, await response.text()
        found: dict[str, Any] = await response.json()
        return found


async def applied(served: Served, body: Any, revision: int, how: str = "apply") -> int:
    async with served.call("POST", f"policy:{how}", body, If_Match=f'"{revision}"') as response:
        await expect_problem(response)
        return response.status


def things(plan: dict[str, Any]) -> list[tuple[str, str]]:
    return [(change["action"], change["object"]) for change in plan["changes"]]


async def test_what_is_written_out_changes_nothing_when_it_is_applied(office: Served) -> None:
    body = await document(office)
    assert [entry["name"] for entry in body["policy"]["groups"]] == ["default", "staff"]
    assert (await planned(office, body))["changes"] == []
    assert await applied(office, body, body["revision"]) == 200
    assert (await document(office))["revision"] == body["revision"]


async def test_a_plan_tells_all_and_changes_nothing(office: Served) -> None:
    before = await document(office)
    body = copy.deepcopy(before)
    body["policy"]["lists"][0]["block"] = ["one.example", "three.example"]
    body["policy"]["groups"][1]["mode"] = "monitor"
    body["policy"]["groups"].append({"name": "lab", "exempt": True})
    plan = await planned(office, body)
    assert things(plan) == [("update", "lists/house"), ("update", "groups/staff"), ("create", "groups/lab")]
    assert plan["changes"][0]["added"] == {"count": 1, "some": ["block three.example"]}
    assert plan["changes"][0]["removed"] == {"count": 1, "some": ["block two.example"]}
    assert (plan["changes"][1]["before"]["mode"], plan["changes"][1]["after"]["mode"]) == ("enforce", "monitor")
    assert await document(office) == before


async def test_an_apply_makes_the_policy_what_the_document_says(office: Served) -> None:
    body = await document(office)
    wanted = copy.deepcopy(body)
    wanted["policy"]["lists"] = [
        {"name": "feed", "url": "https://lists.example/a.txt"},
        {"name": "other", "block": ["x.example"], "enabled": False},
    ]
    wanted["policy"]["groups"][1] = {"name": "law", "networks": ["10.1.0.0/16"], "block": ["feed", "anthropic"]}
    assert await applied(office, wanted, body["revision"]) == 200
    now = await document(office)
    assert now["revision"] == body["revision"] + 1
    assert [entry["name"] for entry in now["policy"]["lists"]] == ["feed", "other"]
    assert now["policy"]["groups"][1]["block"] == ["feed", "anthropic"]
    assert (await planned(office, wanted))["changes"] == []
    actions = {(row["action"], row["object"]) for row in (await office.get("audit?limit=20"))["items"]}
    assert {("delete", "lists/house"), ("create", "groups/law"), ("create", "lists/feed")} <= actions


async def test_client_names_move_between_groups_and_back(office: Served) -> None:
    assert await office.status("PATCH", "groups/staff", {"client_names": ["one", "two"]}) == 200
    assert await office.status("POST", "groups", {"name": "lab", "client_names": ["three"]}) == 201
    body = await document(office)
    wanted = copy.deepcopy(body)
    by_name = {entry["name"]: entry for entry in wanted["policy"]["groups"]}
    by_name["lab"]["client_names"], by_name["staff"]["client_names"] = ["one", "two"], ["three"]
    assert await applied(office, wanted, body["revision"]) == 200
    assert await client_names(office) == {"default": [], "lab": ["one", "two"], "staff": ["three"]}
    now = (await document(office))["revision"]
    assert await applied(office, {"to_revision": body["revision"]}, now, "rollback") == 200
    assert await client_names(office) == {"default": [], "lab": ["three"], "staff": ["one", "two"]}
    by_name["lab"]["client_names"] = ["three"]
    assert await applied(office, wanted, now + 1) == 422


async def client_names(served: Served) -> dict[str, list[str]]:
    return {entry["name"]: entry["client_names"] for entry in (await document(served))["policy"]["groups"]}


async def test_networks_move_between_groups_whatever_their_order(office: Served) -> None:
    assert await office.status("POST", "groups", {"name": "lab", "networks": ["10.2.0.0/16"]}) == 201
    body = await document(office)
    by_name = {entry["name"]: entry for entry in body["policy"]["groups"]}
    by_name["lab"]["networks"], by_name["staff"]["networks"] = by_name["staff"]["networks"], by_name["lab"]["networks"]
    assert await applied(office, body, body["revision"]) == 200
    now = {entry["name"]: entry["networks"] for entry in (await document(office))["policy"]["groups"]}
    assert (now["lab"], now["staff"]) == (["10.1.0.0/16"], ["10.2.0.0/16"])


async def test_a_plan_against_a_changed_policy_is_refused(office: Served) -> None:
    body = await document(office)
    assert await office.status("PATCH", "groups/staff", {"mode": "monitor"}) == 200
    body["policy"]["groups"].pop()
    assert await applied(office, body, body["revision"]) == 412
    assert await office.status("POST", "policy:apply", body) == 428
    assert await office.status("GET", "groups/staff") == 200


async def test_an_apply_that_fails_in_its_middle_changes_nothing(
    office: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await document(office)
    body = copy.deepcopy(before)
    body["policy"]["lists"][0]["block"] = ["three.example"]
    body["policy"]["groups"].append({"name": "lab"})

    async def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("the power is gone")

    with monkeypatch.context() as patched:
        patched.setattr(groups, "create", fails)
        assert await applied(office, body, body["revision"]) == 500
    assert await document(office) == before
    assert (await office.get("audit?limit=1"))["items"][0]["object"] == "groups/staff"
    assert await applied(office, body, body["revision"]) == 200


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"lists": [{"name": "ai"}]}, "/policy/lists"),
        ({"lists": [{"name": "a", "block": ["com"]}]}, "/policy/lists/0/block/0"),
        ({"lists": []}, "/policy/groups"),  # a group names one that would be gone
        ({"groups": [{"name": "lab", "networks": ["10.1.0.0/16"]}, {**STAFF}]}, "/policy/groups"),
        ({"groups": [{"name": "lab", "block": ["nothing"]}]}, "/policy/groups"),
        ({"groups": [{"name": "lab", "mod": "monitor"}]}, "/policy/groups/0/mod"),
        ({"own_vendors": ["meta"]}, "/policy/own_vendors"),
        ({"response": {"mode": "nxdomain"}}, "/policy/response"),
    ],
)
async def test_a_document_that_cannot_be_is_told_at_its_place(office: Served, change: dict[str, Any], at: str) -> None:
    body = await document(office)
    body["policy"].update(change)
    for how in ("policy:plan", "policy:apply"):
        async with office.call("POST", how, body, If_Match=f'"{body["revision"]}"') as response:
            problem = await expect_problem(response)
            assert response.status == 422
            assert at in {error["pointer"] for error in problem["errors"]}, problem


async def test_the_default_group_stays_and_so_does_what_the_file_has(office: Served) -> None:
    body = await document(office)
    body["policy"]["groups"] = [entry for entry in body["policy"]["groups"] if entry["name"] != "default"]
    plan = await planned(office, body)
    assert (plan["changes"], len(plan["kept"])) == ([], 1)


@pytest.mark.slow
async def test_every_revision_is_kept_and_can_be_gone_back_to(office: Served) -> None:
    states = [await document(office)]
    for method, path, sent in (
        ("POST", "lists/house/rules", {"block": ["three.example"], "allow": ["fine.example"]}),
        ("POST", "lists/house/rules:batchDelete", {"block": ["one.example"]}),
        ("PATCH", "groups/staff", {"block": ["ai"], "networks": ["10.9.0.0/16"]}),
        ("DELETE", "lists/house", None),
        ("POST", "lists", {"name": "house", "block": ["new.example"]}),
        ("DELETE", "groups/staff", None),
        ("POST", "groups", {"name": "lab", "networks": ["10.9.0.0/16"]}),
        ("PATCH", "lists/house", {"enabled": False}),
    ):
        assert await office.status(method, path, sent) < 300, path
        states.append(await document(office))
    history = (await office.get("policy/history?limit=1000"))["items"]
    assert [item["revision"] for item in history] == list(range(states[-1]["revision"], 0, -1))[: len(history)]
    assert history[0]["changes"] == ["update lists/house"]
    for state in (states[3], states[0], states[5], states[-1], states[1]):
        now = (await document(office))["revision"]
        assert await applied(office, {"to_revision": state["revision"]}, now, "rollback") == 200
        assert (await document(office))["policy"] == state["policy"], state["revision"]


@pytest.mark.slow
async def test_a_list_of_another_kind_is_in_the_way_back_until_it_is_deleted(office: Served) -> None:
    before = await document(office)
    await office.status("PATCH", "groups/staff", {"block": ["ai"]})
    await office.status("DELETE", "lists/house")
    assert await office.status("POST", "lists", {"name": "house", "url": "https://lists.example/x"}) == 201
    back, now = {"to_revision": before["revision"]}, (await document(office))["revision"]
    async with office.call("POST", "policy:plan", back) as response:
        problem = await expect_problem(response)
    assert "delete it first" in problem["errors"][0]["detail"]
    assert await applied(office, back, now, "rollback") == 422
    await office.status("DELETE", "lists/house")
    assert await applied(office, back, now + 1, "rollback") == 200
    assert (await document(office))["policy"] == before["policy"]


async def test_a_way_back_that_is_not_kept_is_refused(office: Served) -> None:
    now = (await document(office))["revision"]
    assert await applied(office, {"to_revision": now + 1}, now, "rollback") == 404
    assert await applied(office, {"to_revision": now - 1}, now - 1, "rollback") == 412
    assert await office.status("POST", "policy:rollback", {"to_revision": 0}) == 428
    assert await office.status("POST", "policy:rollback", {"to_revision": 0}, role="operator") == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"policy": None, "to_revision": None},
        {"policy": {}, "to_revision": 0},
        {"to_revision": False},
        {"to_revision": "1"},
    ],
)
async def test_a_plan_is_of_a_policy_or_of_a_revision(office: Served, body: Any) -> None:
    assert await office.status("POST", "policy:plan", body) == 422


async def test_keys_that_are_null_say_nothing(office: Served) -> None:
    body = await document(office)
    assert (await planned(office, {**body, "to_revision": None}))["changes"] == []


@pytest.mark.slow
async def test_a_way_back_tells_what_is_to_change_now_and_not_what_came_and_went(office: Served) -> None:
    before = await document(office)
    for path, sent in (
        ("lists/house/rules", {"block": ["between.example", "stays.example"]}),
        ("lists/house/rules:batchDelete", {"block": ["between.example", "one.example"]}),
        ("lists/house/rules", {"block": ["one.example"]}),
        ("lists/house/rules:batchDelete", {"allow": ["ok.one.example"]}),
    ):
        assert await office.status("POST", path, sent) == 200
    assert await office.status("PATCH", "groups/staff", {"mode": "monitor"}) == 200
    assert await office.status("PATCH", "groups/staff", {"mode": "enforce"}) == 200
    back = {"to_revision": before["revision"]}
    (change,) = (await planned(office, back))["changes"]
    assert change["object"] == "lists/house"
    assert change["added"] == {"count": 1, "some": ["allow ok.one.example"]}
    assert change["removed"] == {"count": 1, "some": ["block stays.example"]}
    now = (await document(office))["revision"]
    assert await applied(office, back, now, "rollback") == 200
    assert (await document(office))["policy"] == before["policy"]
    rows = {row["action"]: row for row in (await office.get("audit?limit=3"))["items"]}
    assert rows["remove rules"]["before"] == {"rules": 3, "removed": {"block": ["stays.example"]}}
    assert rows["remove rules"]["after"] == {"rules": 2}
    assert rows["add rules"]["before"] == {"rules": 2}
    assert rows["add rules"]["after"] == {"rules": 3, "added": {"allow": ["ok.one.example"]}}
    assert rows["rollback"]["object"] == f"policy/revisions/{before['revision']}"
    assert rows["rollback"]["after"] == {"revision": now + 1, "to_revision": before["revision"]}
    newest = (await office.get("policy/history?limit=1"))["items"][0]
    assert f"rollback policy/revisions/{before['revision']}" in newest["changes"]


@pytest.mark.slow
async def test_a_list_that_went_and_came_back_as_it_was_is_no_change(office: Served) -> None:
    before = await document(office)
    assert await office.status("PATCH", "groups/staff", {"block": ["ai"]}) == 200
    assert await office.status("DELETE", "lists/house") == 204
    assert await office.status("POST", "lists", HOUSE) == 201
    assert await office.status("PATCH", "groups/staff", {"block": ["ai", "house"]}) == 200
    assert (await planned(office, {"to_revision": before["revision"]}))["changes"] == []
    assert await applied(office, {"to_revision": before["revision"]}, before["revision"] + 4, "rollback") == 200
    assert (await document(office))["revision"] == before["revision"] + 4, "nothing was to be done"


async def test_an_applied_document_is_audited_with_the_counts_before_and_after(office: Served) -> None:
    body = await document(office)
    body["policy"]["lists"][0]["block"] = ["one.example", "a.example", "b.example", "c.example"]
    assert await applied(office, body, body["revision"]) == 200
    rows = {row["action"]: row for row in (await office.get("audit?limit=2"))["items"]}
    counts = [(rows[action]["before"]["rules"], rows[action]["after"]["rules"]) for action in sorted(rows)]
    assert counts == [(2, 5), (3, 2)]
