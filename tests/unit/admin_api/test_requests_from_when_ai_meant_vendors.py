"""Changes that wait for another owner over the upgrade that gave `ai` resellers: they open what they would have."""

from __future__ import annotations

from typing import Any

import pytest

from admin_api.store.store import Store
from tests.unit.admin_api.store.test_when_ai_meant_vendors import make_old

from .conftest import Served
from .test_four_eyes import Call, decided, said, set_up, turn

ALLOWS = {
    "a group allows it": ("PATCH", "groups/staff", {"allow": ["ai", "anthropic"]}),
    "a group is put": ("PUT", "groups/staff", {"allow": ["openai", "ai"], "networks": ["10.1.0.0/16"]}),
    "a group that had it allows more": ("PATCH", "groups/legal", {"allow": ["ai", "house"]}),
}


@pytest.fixture
async def four_eyes(served: Served) -> Served:
    """The API under four eyes."""
    await set_up(served)
    assert await served.status("POST", "groups", {"name": "legal", "allow": ["ai"]}) == 201
    turn(served, on=True)
    return served


async def upgrade(served: Served) -> None:
    """Have the store upgraded, as from the version before."""
    await make_old(served.store)
    await (await Store.open(None, served.store_folder, served.log)).close()


@pytest.mark.slow
@pytest.mark.parametrize("what", ALLOWS)
async def test_an_approval_allows_vendors_and_no_resellers(four_eyes: Served, what: str) -> None:
    _, path, body = ALLOWS[what]
    asked = await waiting(four_eyes, ALLOWS[what])
    await upgrade(four_eyes)
    shown = await four_eyes.get(f"change-requests/{asked['id']}")
    allow = [{"ai": "vendors"}.get(name, name) for name in body["allow"]]
    assert shown["body"]["allow"] == allow
    assert [phrase.replace("vendors", "ai") for phrase in shown["opens"]] == asked["opens"] or len(allow) > 1
    status, approved = await decided(four_eyes, asked["id"], "approve", "ben-admin")
    assert (status, approved["status"]) == (200, "approved"), approved
    assert (await four_eyes.get(path))["allow"] == allow


@pytest.mark.slow
async def test_the_same_call_by_its_new_name_is_the_same_request(four_eyes: Served) -> None:
    asked = await waiting(four_eyes, ("PATCH", "groups/staff", {"allow": ["ai"]}))
    await upgrade(four_eyes)
    assert (await waiting(four_eyes, ("PATCH", "groups/staff", {"allow": ["vendors"]})))["id"] == asked["id"]
    assert (await waiting(four_eyes, ("PATCH", "groups/staff", {"allow": ["ai"]})))["id"] != asked["id"]


@pytest.mark.slow
async def test_a_policy_file_that_waits_allows_vendors_and_no_resellers(four_eyes: Served) -> None:
    document = await four_eyes.get("policy")
    for group in document["policy"]["groups"]:
        if group["name"] == "staff":
            group["allow"] = ["ai"]
    revision = f'"{document["revision"]}"'
    status, asked = await said(four_eyes, ("POST", "policy:apply", document), "ana-admin", If_Match=revision)
    assert status == 202, asked
    await upgrade(four_eyes)
    status, approved = await decided(four_eyes, asked["id"], "approve", "ben-admin")
    assert (status, approved["status"]) == (200, "approved"), approved
    assert [(await four_eyes.get(f"groups/{name}"))["allow"] for name in ("staff", "legal")] == [["vendors"]] * 2


@pytest.mark.slow
async def test_rules_of_lists_keep_what_they_say(four_eyes: Served) -> None:
    asked = await waiting(four_eyes, ("POST", "lists/house/rules", {"allow": ["ai"]}))
    await upgrade(four_eyes)
    assert (await four_eyes.get(f"change-requests/{asked['id']}"))["body"] == {"allow": ["ai"]}
    assert (await decided(four_eyes, asked["id"], "approve", "ben-admin"))[0] == 200


async def waiting(served: Served, call: Call) -> dict[str, Any]:
    """The request that a call of one owner becomes."""
    status, body = await said(served, call, "ana-admin")
    assert status == 202, body
    return body
