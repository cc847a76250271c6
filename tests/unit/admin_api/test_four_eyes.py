"""Four eyes: every way to open a name, walked through the public API by one owner alone, and then by two."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from admin_api.api.route import operation_name
from admin_api.api.routes import ROUTES
from admin_api.second_owner.ways import CLOSING, WAYS, Second
from admin_api.store import documents, exemptions, groups, lists, local_names, restored, rules, tokens
from admin_api.store.restored_policy import FoundOpening
from admin_api.store.roles import ROLES
from admin_api.store.tables import tokens as token_table
from admin_api.store.tables import webhook_messages
from tests.unit.admin_api.states import group_state, new_exemption

from .browser import Browser
from .conftest import Served, expect_problem

Call = tuple[str, str, Any]
HALF = re.compile(r"half of the token, shown only once, is ([\w-]+)")


async def set_up(served: Served) -> None:
    """Two owners with a token of each role, lists, and groups more and less open, made before four eyes are on."""
    async with served.store.change("test") as change:
        for role in ROLES:
            _, served.tokens[f"ana-{role}"] = await tokens.create(
                change, name=f"ana-{role}", owner="Ana Ruiz", roles=(role,)
            )
            _, served.tokens[f"ben-{role}"] = await tokens.create(
                change, name=f"ben-{role}", owner="Ben", roles=(role,)
            )
        await tokens.create(change, name="of-a-backup", owner="Ana Ruiz", roles=("admin",))
        suspended = update(token_table).where(token_table.c.name == "of-a-backup")
        await change.connection.execute(suspended.values(digest="suspended:" + token_table.c.digest))
        row = await exemptions.create(change, new_exemption(owner="Ana Ruiz"), owner="Ana Ruiz")
        await exemptions.move(change, row, "suspend", owner="moatdns")
        revived = await groups.create(change, group_state("revived", exempt=True))
        await restored.suspend_policy(
            change, "2026-11-27T03:00:00Z", [FoundOpening(revived, ("is exempt",), group_state("revived"))]
        )
        house = await lists.create(change, name="house", kind="own")
        await rules.add(change, house, block=["blocked.example", "also.example"], allow=["fine.example"])
        shut = await lists.create(change, name="shut", kind="own", enabled=False)
        await rules.add(change, shut, block=["shut.example"], allow=["opened.example"])
        only = await lists.create(change, name="only-blocks", kind="own")
        await rules.add(change, only, block=["one.example"])
        named = await lists.create(change, name="named", kind="own")
        await rules.add(change, named, block=["named.example"])
        await lists.create(
            change,
            name="feed",
            kind="subscription",
            url="https://lists.example/a",
            format="auto",
            refresh_seconds=86400,
            rules=50,
        )
        await local_names.put(change, "shut.office.example", ("0.0.0.0",))
        await groups.create(change, group_state("open", exempt=True))
        await groups.create(change, group_state("seen", exempt=True, mode="monitor"))
        await groups.create(change, group_state("staff", networks=["10.1.0.0/16"]))
        await groups.create(
            change, group_state("strict", networks=["10.2.0.0/16"], block=["ai", "gateways", "bypass", "lists"])
        )
        await groups.create(change, group_state("uses", allow=["named"]))
        change.touches_policy()


@pytest.fixture
async def four_eyes(served: Served) -> Served:
    """The API under four eyes."""
    await set_up(served)
    turn(served, on=True)
    return served


def turn(served: Served, *, on: bool, **more: Any) -> None:
    settings = served.context.settings
    approval = "four-eyes" if on else "none"
    for name, value in {"approval": approval, "longest_exemption_seconds": 86400, **more}.items():
        object.__setattr__(settings, name, value)


async def said(served: Served, call: Call, role: str, **headers: str) -> tuple[int, dict[str, Any]]:
    method, path, body = call
    async with served.call(method, path, body, role=role, **headers) as response:
        await expect_problem(response)
        return response.status, (await response.json() if response.content_type.endswith("json") else {})


async def decided(served: Served, number: str, action: str, role: str, **headers: str) -> tuple[int, dict[str, Any]]:
    return await said(served, ("POST", f"change-requests/{number}:{action}", {}), role, **headers)


SCHEDULE = {"time_zone": "Europe/Berlin", "windows": [{"days": ["mon"], "start": "09:00", "end": "17:00"}]}
LEASE = {"identity": "eve", "ttl_seconds": 600}

OPENINGS: dict[str, list[Call]] = {
    # Of each way of the table that the API has: calls, each of which one owner alone must not get done.
    "a list gets allow rules": [
        ("POST", "lists/house/rules", {"allow": ["claude.ai"]}),
        ("POST", "lists/house/rules", {"allow": ["doh.example"], "block": ["more.example"]}),
        ("POST", "lists", {"name": "fresh", "allow": ["claude.ai"]}),
        ("PUT", "lists/fresh", {"allow": ["/claude/"]}),
    ],
    "a list loses block rules": [("POST", "lists/house/rules:batchDelete", {"block": ["blocked.example"]})],
    "a list that a group or an exemption allows gets rules": [
        ("POST", "lists/named/rules", {"block": ["claude.ai"]}),
    ],
    "a list with rules is disabled": [
        ("PATCH", "lists/house", {"enabled": False}),
        ("PUT", "lists/house", {"enabled": False}),
        ("PATCH", "lists/feed", {"enabled": False}),
    ],
    "a list with allow rules is enabled": [("PATCH", "lists/shut", {"enabled": True})],
    "a list gets another url, format or sha256": [
        ("PATCH", "lists/feed", {"url": "https://elsewhere.example/"}),
        ("PATCH", "lists/feed", {"sha256": "0" * 64}),
        ("PUT", "lists/feed", {"url": "https://lists.example/a", "format": "hosts"}),
    ],
    "a list is fetched now, however short it is": [("POST", "lists/feed:refresh", None)],
    "a list with rules is deleted": [("DELETE", "lists/house", None), ("DELETE", "lists/feed", None)],
    "a group becomes exempt": [
        ("PATCH", "groups/default", {"exempt": True}),
        ("PUT", "groups/staff", {"exempt": True, "networks": ["10.1.0.0/16"]}),
    ],
    "a group's mode becomes monitor": [
        ("PATCH", "groups/seen", {"exempt": False}),  # which had ways around the resolver closed
        ("PATCH", "groups/staff", {"mode": "monitor"}),
    ],
    "a group blocks less": [
        ("PATCH", "groups/default", {"block": ["ai", "lists"]}),
        ("PATCH", "groups/strict", {"block": ["ai", "bypass", "lists"]}),
        ("PATCH", "groups/strict", {"block": ["ai", "bypass", "lists"], "monitor": ["gateways"]}),
        ("PATCH", "groups/staff", {"block": ["anthropic"]}),
        ("PATCH", "groups/strict", {"block": None}),
    ],
    "a group blocks a list that has allow rules": [
        ("PATCH", "groups/uses", {"block": ["ai", "bypass", "lists", "house"]})
    ],
    "a group allows more": [("PATCH", "groups/staff", {"allow": ["anthropic/claude"]})],
    "a group gets a schedule, or another one": [("PATCH", "groups/staff", {"schedule": SCHEDULE})],
    "a group's response becomes refused, address or another address": [
        ("PATCH", "groups/staff", {"response": {"mode": "address", "ipv4": "192.0.2.1"}}),
        ("PATCH", "groups/staff", {"response": {"mode": "refused"}}),
    ],
    "networks or client names come into a more open group": [
        ("PATCH", "groups/open", {"networks": ["10.1.2.0/24"]}),
        ("PATCH", "groups/open", {"networks": ["0.0.0.0/0"]}),
        ("PATCH", "groups/strict", {"networks": []}),
        ("PATCH", "groups/open", {"client_names": ["kiosk"]}),
        ("POST", "groups", {"name": "new", "networks": ["10.9.0.0/16"], "exempt": True}),
        ("DELETE", "groups/strict", None),
    ],
    "a lease into a more open group, for longer there, or to an exempt identity": [
        ("PUT", "leases/10.1.2.3", {**LEASE, "group": "open"}),
        ("PUT", "leases/10.2.2.3", {**LEASE, "group": "staff"}),
    ],
    "a local name outside your own domains, or for what has rules; one that closed a name is changed or removed": [
        ("PUT", "local/claude.ai", {"addresses": ["10.0.0.1"]}),
        ("PUT", "local/*.anthropic.com", {"alias": "portal.example"}),
        ("PUT", "local/portal.example", {"alias": "claude.ai"}),
        ("PUT", "local/login.example.com", {"addresses": ["192.0.2.7"]}),
        ("DELETE", "local/shut.office.example", None),
    ],
    "a pause": [
        ("POST", "pauses", {"reason": "longer", "duration_seconds": 3700}),
        ("POST", "pauses", {"reason": "longer", "group": "staff", "duration_seconds": 7200}),
    ],
    "a token of any role is created": [
        ("POST", "tokens", {"name": "fresh", "role": role, "owner": "Ana Ruiz"})
        for role in ROLES
        if role != "investigator"
    ],
    "tokens, exemptions and openings by the policy that a restore suspended are confirmed": [
        ("POST", "restored:confirm", {"tokens": ["of-a-backup"]}),
        ("POST", "restored:confirm", {"policy": ["groups/revived"]}),
        ("POST", "restored:confirm", {"all": True}),
    ],
}
ELSEWHERE = {
    # Ways that have a test of their own.
    "an exemption is granted",
    "an exemption is renewed",
    "an exemption, or its renewal, is approved",
    "a group that leases name is created or deleted",
    "a lease by a VPN or DHCP server",
    "a lease in a stricter group ends, or ends sooner",
    "a policy file is applied",
    "the policy goes back to a revision",
    "privacy settings of the config become wider",
    "a look at persons, with policy.look_approval: four-eyes",
    "a change request is approved",
}


def test_every_operation_that_writes_is_in_the_table_and_every_way_of_the_table_has_a_test() -> None:
    writing = {operation_name(route) for route in ROUTES if route.role is not None and route.method != "GET"}
    of_table = {operation for way in WAYS for operation in way.operations}
    assert writing == of_table | CLOSING.keys(), "classify it: does it open a name?"
    assert not of_table & CLOSING.keys()
    by_api = {way.what for way in WAYS if way.operations}
    assert by_api == {*OPENINGS, *ELSEWHERE}
    roles = {operation_name(route): route.role for route in ROUTES}
    for way in WAYS:
        for operation in way.operations:
            assert roles[operation] in (way.role, "lease"), way
    assert {way.second for way in WAYS if not way.operations} == {Second.ROOT}


def test_each_way_of_the_table_is_walked_by_the_operations_that_it_names() -> None:
    patterns = {operation_name(route): route for route in ROUTES}
    for way in WAYS:
        tried = {method for method, _, _ in OPENINGS.get(way.what, [])}
        meant = {patterns[operation].method for operation in way.operations}
        assert way.what in ELSEWHERE or tried <= meant, way


async def everything(served: Served) -> Any:
    """What the policy and those who may are, by the API itself."""
    document = await served.get("policy")
    parts = [await served.get(path) for path in ("tokens", "pauses", "leases", "exemptions?status=active")]
    for token in parts[0]["items"]:
        token["last_used_at"] = None
    return document, parts


@pytest.mark.slow
@pytest.mark.parametrize("what", OPENINGS)
async def test_nobody_opens_a_name_alone_and_two_do(four_eyes: Served, what: str) -> None:
    served = four_eyes
    before = await everything(served)
    for call in OPENINGS[what]:
        status, body = await said(served, call, "ana-admin")
        assert (status, body["status"]) == (202, "pending"), (call, body)
        assert body["opens"]
        for role in ("ana-admin", "ana-operator"):
            assert (await decided(served, body["id"], "approve", role))[0] == 403
    assert await everything(served) == before
    status, approved = await decided(served, body["id"], "approve", "ben-admin")
    assert (status, approved["status"]) == (200, "approved"), approved
    if not call[1].endswith(":refresh"):
        assert await everything(served) != before, call
    shown = await served.get(f"change-requests/{body['id']}")
    assert (shown["decided_owner"], shown["requested_owner"], shown["body"]) == ("Ben", "Ana Ruiz", None)


CLOSINGS: Sequence[Call] = (
    ("POST", "lists/house/rules", {"block": ["more.example"]}),
    ("POST", "lists/house/rules:batchDelete", {"allow": ["fine.example"]}),
    ("POST", "lists/shut/rules", {"allow": ["other.example"]}),
    ("POST", "lists", {"name": "fresh", "block": ["x.example"]}),
    ("POST", "lists", {"name": "fresh-feed", "url": "https://lists.example/b"}),
    ("DELETE", "lists/shut", None),
    ("PATCH", "groups/staff", {"description": "a note"}),
    ("PATCH", "groups/staff", {"block": ["ai", "gateways", "bypass", "lists"]}),
    ("PATCH", "groups/staff", {"monitor": ["clouds", "house"], "monitor_until": "2099-01-01T00:00:00Z"}),
    ("PATCH", "groups/staff", {"monitor": [], "monitor_until": None}),
    ("PATCH", "groups/open", {"exempt": False}),
    ("PATCH", "groups/uses", {"allow": []}),
    ("PATCH", "groups/staff", {"response": {"mode": "nxdomain"}}),
    ("PATCH", "groups/strict", {"networks": ["10.2.0.0/16", "10.1.7.0/24"]}),
    ("POST", "groups", {"name": "closed", "networks": ["10.9.0.0/16"], "block": ["ai", "gateways", "bypass", "lists"]}),
    ("PUT", "leases/10.1.2.3", {**LEASE, "group": "strict"}),
    ("PUT", "leases/10.1.2.4", LEASE),
    ("PUT", "local/printer.office.example", {"addresses": ["192.0.2.7"]}),
    ("PUT", "local/printer.office.example", {"addresses": ["192.0.2.8"]}),
    ("DELETE", "local/printer.office.example", None),
    ("POST", "pauses", {"reason": "the line is down", "duration_seconds": 3600}),
    ("DELETE", "tokens/a-viewer", None),
)


@pytest.mark.slow
async def test_what_closes_is_done_at_once_by_one(four_eyes: Served) -> None:
    for call in CLOSINGS:
        status, body = await said(four_eyes, call, "ana-admin")
        assert status in (200, 201, 204), (call, body)


async def test_without_four_eyes_nothing_waits(served: Served) -> None:
    await set_up(served)
    for call in OPENINGS["a list gets allow rules"][:1] + OPENINGS["a group becomes exempt"][:1]:
        assert (await said(served, call, "ana-admin"))[0] == 200
    assert (await served.get("change-requests"))["items"] == []


@pytest.mark.slow
async def test_a_lease_in_a_stricter_group_ends_sooner_only_if_two_agree(four_eyes: Served) -> None:
    served = four_eyes
    assert (await said(served, ("PUT", "leases/10.1.2.3", {**LEASE, "group": "strict"}), "ana-operator"))[0] == 201
    for call in (
        ("DELETE", "leases/10.1.2.3", None),
        ("PUT", "leases/10.1.2.3", LEASE),
        ("PUT", "leases/10.1.2.3", {**LEASE, "group": "strict", "ttl_seconds": 1}),
    ):
        assert (await said(served, call, "ana-operator"))[0] == 202
    assert (await said(served, ("PUT", "leases/10.1.2.3", {**LEASE, "group": "strict"}), "ana-operator"))[0] == 200


@pytest.mark.slow
async def test_a_lease_ends_sooner_in_another_strict_group_or_later_in_an_open_one_only_if_two_agree(
    four_eyes: Served,
) -> None:
    served = four_eyes
    twin: Call = ("POST", "groups", {"name": "twin", "block": ["ai", "gateways", "bypass", "lists"]})
    assert (await said(served, twin, "ana-admin"))[0] == 201
    assert (await said(served, ("PUT", "leases/10.1.2.3", {**LEASE, "group": "strict"}), "ana-operator"))[0] == 201
    to_twin: Call = ("PUT", "leases/10.1.2.3", {**LEASE, "group": "twin", "ttl_seconds": 1})
    assert (await said(served, to_twin, "ana-operator"))[0] == 202
    status, body = await said(served, ("PUT", "leases/10.1.2.8", {**LEASE, "group": "open"}), "ana-operator")
    assert status == 202
    assert (await decided(served, body["id"], "approve", "ben-operator"))[0] == 200
    longer: Call = ("PUT", "leases/10.1.2.8", {**LEASE, "group": "open", "ttl_seconds": 7200})
    assert (await said(served, longer, "ana-operator"))[0] == 202


async def test_what_groups_inherit_from_a_default_that_only_watches_is_judged(four_eyes: Served) -> None:
    served = four_eyes
    turn(served, on=False)
    assert (await said(served, ("PATCH", "groups/default", {"mode": "monitor"}), "ana-admin"))[0] == 200
    turn(served, on=True)
    status, body = await said(served, ("PATCH", "groups/default", {"block": []}), "ana-admin")
    assert status == 202
    assert any("which blocks what group 'default' does, does not block" in phrase for phrase in body["opens"])


async def test_a_group_that_leases_name_is_deleted_only_if_two_agree(four_eyes: Served) -> None:
    served = four_eyes
    async with served.store.change("test") as change:
        await groups.create(change, group_state("bare", block=["ai", "gateways", "bypass", "lists"]))
    assert (await said(served, ("PUT", "leases/10.1.2.3", {**LEASE, "group": "bare"}), "ana-operator"))[0] == 201
    assert (await said(served, ("DELETE", "groups/bare", None), "ana-admin"))[0] == 202


async def test_whoever_is_exempt_is_nobody_whom_an_operator_makes_of_an_address(four_eyes: Served) -> None:
    served = four_eyes
    asked = {"subject": {"identity": "eve"}, "scope": ["ai"], "owner": "Eve", "reason": "r", "duration_seconds": 600}
    status, body = await said(served, ("POST", "exemptions", asked), "ana-operator")
    assert (status, body["status"]) == (201, "pending")
    assert (await said(served, ("PUT", "leases/10.1.2.3", LEASE), "ben-operator"))[0] == 202
    assert (await said(served, ("PUT", "leases/10.1.2.3", LEASE), "ana-lease"))[0] == 201  # the VPN server's word


@pytest.mark.slow
async def test_a_policy_file_and_a_rollback_that_open_wait_and_those_that_close_do_not(four_eyes: Served) -> None:
    served = four_eyes
    now = await served.get("policy")
    house = next(entry for entry in now["policy"]["lists"] if entry["name"] == "house")
    house["block"].append("closed.example")
    tag = f'"{now["revision"]}"'
    status, body = await said(served, ("POST", "policy:apply", {"policy": now["policy"]}), "ana-admin", If_Match=tag)
    assert status == 200, body.get("opens")
    back = ("POST", "policy:rollback", {"to_revision": now["revision"]})
    status, body = await said(served, back, "ana-admin", If_Match=f'"{body["revision"]}"')
    assert status == 202
    assert "closed.example" in body["opens"][0]
    house["block"] = []
    later = f'"{now["revision"] + 1}"'
    status, again = await said(served, ("POST", "policy:apply", {"policy": now["policy"]}), "ana-admin", If_Match=later)
    assert status == 202
    assert (await decided(served, body["id"], "approve", "ben-admin"))[0] == 200
    assert (await decided(served, again["id"], "approve", "ben-admin"))[0] == 412  # planned against what is gone


@pytest.mark.slow
async def test_what_is_approved_is_what_was_asked_for_or_nothing(four_eyes: Served) -> None:
    served = four_eyes
    _, body = await said(served, ("PATCH", "groups/staff", {"allow": ["anthropic"]}), "ana-admin")
    _, other = await said(
        served, ("POST", "lists/house/rules:batchDelete", {"block": ["blocked.example"]}), "ana-operator"
    )
    assert (await said(served, ("PATCH", "groups/staff", {"description": "changed"}), "ana-admin"))[0] == 200
    assert (await said(served, ("POST", "lists/house/rules", {"block": ["more.example"]}), "ana-operator"))[0] == 200
    assert (await decided(served, body["id"], "approve", "ben-admin"))[0] == 409
    assert (await served.get("groups/staff"))["allow"] == []
    assert (await decided(served, other["id"], "approve", "ben-operator"))[0] == 200  # more rules change nothing of it
    assert (await decided(served, other["id"], "approve", "ben-operator"))[0] == 409


async def test_an_operator_does_not_approve_what_only_an_admin_may_do(four_eyes: Served) -> None:
    _, body = await said(four_eyes, ("PATCH", "groups/staff", {"exempt": True}), "ana-admin")
    assert (await decided(four_eyes, body["id"], "approve", "ben-operator"))[0] == 403
    assert (await decided(four_eyes, body["id"], "approve", "ben-lease"))[0] == 403


@pytest.mark.parametrize("owner", [" ana  RUIZ", "ＡＮＡ\u3000Ruiz", "Ana\u00a0Ruiz", "ana \u200bruiz"])
async def test_another_spelling_of_the_same_name_is_not_another_owner(four_eyes: Served, owner: str) -> None:
    async with four_eyes.store.change("test") as change:
        _, four_eyes.tokens["other"] = await tokens.create(change, name="other", owner=owner, roles=("admin",))
    _, body = await said(four_eyes, ("PATCH", "groups/staff", {"exempt": True}), "ana-admin")
    assert (await decided(four_eyes, body["id"], "approve", "other"))[0] == 403
    assert (await decided(four_eyes, body["id"], "withdraw", "ben-admin"))[0] == 403
    assert (await decided(four_eyes, body["id"], "withdraw", "other"))[0] == 200


@pytest.mark.slow
async def test_what_is_denied_or_whose_token_is_gone_is_not_done(four_eyes: Served) -> None:
    served = four_eyes
    _, body = await said(served, ("PATCH", "groups/staff", {"exempt": True}), "ana-admin")
    status, denied = await decided(served, body["id"], "deny", "ben-operator")
    assert (status, denied["status"]) == (200, "denied")
    assert (await decided(served, body["id"], "approve", "ben-admin"))[0] == 409
    _, body = await said(served, ("PATCH", "groups/staff", {"exempt": True}), "ana-admin")
    assert await served.status("DELETE", "tokens/ana-admin") == 204
    assert (await decided(served, body["id"], "approve", "ben-admin"))[0] == 409
    assert (await served.get("groups/staff"))["exempt"] is False


@pytest.mark.slow
async def test_what_waits_lapses_is_bounded_and_is_not_asked_for_twice(four_eyes: Served) -> None:
    served = four_eyes
    turn(served, on=True, most_change_requests=2, change_request_seconds=3600)
    first = await said(served, ("PATCH", "groups/staff", {"exempt": True}), "ana-admin")
    assert (await said(served, ("PATCH", "groups/staff", {"exempt": True}), "ana-admin"))[1]["id"] == first[1]["id"]
    assert (await said(served, ("PATCH", "groups/staff", {"mode": "monitor"}), "ana-admin"))[0] == 202
    assert (await said(served, ("PATCH", "groups/staff", {"allow": ["ai"]}), "ana-admin"))[0] == 409
    assert len((await served.get("change-requests?status=pending"))["items"]) == 2
    turn(served, on=True, most_change_requests=9, change_request_seconds=-1)
    _, late = await said(served, ("PATCH", "groups/staff", {"allow": ["ai"]}), "ana-admin")
    assert late["status"] == "expired"
    assert (await decided(served, late["id"], "approve", "ben-admin"))[0] == 409


async def test_of_a_new_token_each_of_two_owners_has_one_half(four_eyes: Served) -> None:
    served = four_eyes
    _, asked = await said(served, ("POST", "tokens", {"name": "carl", "role": "admin", "owner": "Carl"}), "ana-admin")
    status, done = await decided(served, asked["id"], "approve", "ben-admin")
    assert status == 200
    assert "token" not in done["result"]
    shown = [await served.get(f"change-requests/{asked['id']}"), await served.get("change-requests")]
    assert asked["token_part"] not in str(shown)
    served.tokens["carl"] = done["result"]["token_part"] + asked["token_part"]
    assert (await said(served, ("GET", "groups", None), "carl"))[0] == 200


async def test_in_an_emergency_one_owner_pauses_for_an_hour_a_day_and_hooks_are_told(four_eyes: Served) -> None:
    served = four_eyes
    pause = {"reason": "the line is down", "group": "staff", "duration_seconds": 3600}
    assert (await said(served, ("POST", "pauses", pause), "ana-admin"))[0] == 201
    async with served.store.read() as connection:
        bodies = [*(await connection.execute(select(webhook_messages.c.body))).scalars()]
    assert any("pause.begun" in body and "the line is down" in body for body in bodies)
    trail = (await served.get("audit?action=pause"))["items"]
    assert trail[0]["after"]["reason"] == "the line is down"
    for number in [item["id"] for item in (await served.get("pauses"))["items"]]:
        assert (await said(served, ("DELETE", f"pauses/{number}", None), "ana-admin"))[0] == 204
    later = {**pause, "duration_seconds": 3600 + 61}
    assert (await said(served, ("POST", "pauses", later), "ana-admin"))[0] == 202
    assert (await said(served, ("POST", "pauses", {**pause, "reason": " "}), "ana-admin"))[0] == 422


async def test_one_emergency_does_not_follow_another(four_eyes: Served) -> None:
    served = four_eyes
    for hours, status in ((2, 202), (25, 201)):
        async with served.store.change("test") as change:
            began = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
            await documents.put(change.connection, "emergency_pauses", {"ana ruiz": began})
        call = ("POST", "pauses", {"reason": "again", "duration_seconds": 600})
        assert (await said(served, call, "ana-admin"))[0] == status


@pytest.mark.slow
async def test_a_lease_token_is_held_to_its_networks_and_groups(four_eyes: Served) -> None:
    served = four_eyes
    body = {"name": "vpn", "roles": ["lease"], "owner": "Ana Ruiz", "networks": ["10.1.0.0/16"], "groups": ["open"]}
    assert (await said(served, ("POST", "tokens", {**body, "roles": ["viewer", "lease", "operator"]}), "ana-admin"))[
        0
    ] == 422
    assert (await said(served, ("POST", "tokens", {**body, "groups": ["none"]}), "ana-admin"))[0] == 422
    async with served.store.change("test") as change:
        _, served.tokens["vpn"] = await tokens.create(change, **body)
    shown = await served.get("tokens/vpn")
    assert (shown["networks"], shown["groups"]) == (["10.1.0.0/16"], ["open"])
    for four_eyes_are_on in (True, False):
        turn(served, on=four_eyes_are_on)
        put = ("PUT", "leases/10.1.2.3", {**LEASE, "group": "open"})
        assert (await said(served, put, "vpn"))[0] in (200, 201)
        assert (await said(served, ("PUT", "leases/10.2.2.3", LEASE), "vpn"))[0] == 403
        assert (await said(served, ("PUT", "leases/10.1.2.4", {**LEASE, "group": "staff"}), "vpn"))[0] == 403
        also = {**LEASE, "addresses": ["10.3.0.1"]}
        assert (await said(served, ("PUT", "leases/10.1.2.4", also), "vpn"))[0] == 403
    strict = {**LEASE, "group": "strict"}
    assert (await said(served, ("PUT", "leases/10.1.2.9", strict), "ana-operator"))[0] == 201
    assert (await said(served, ("PUT", "leases/10.1.2.9", LEASE), "vpn"))[0] == 403
    assert (await said(served, ("DELETE", "leases/10.1.2.9?identity=eve", None), "vpn"))[0] == 403
    turn(served, on=True)
    assert (await said(served, ("PUT", "leases/10.1.2.5", {**LEASE, "group": "open"}), "ana-lease"))[0] == 403
    assert (await said(served, ("PUT", "leases/10.1.2.5", strict), "ana-lease"))[0] == 201
    assert (await said(served, ("DELETE", "leases/10.1.2.5?identity=eve", None), "ana-lease"))[0] == 204


@pytest.mark.slow
async def test_a_page_says_that_it_waits_and_another_owner_decides_there(four_eyes: Served) -> None:
    served = four_eyes
    asker, other = [await Browser.log_in(served, role) for role in ("ana-admin", "ben-admin")]
    assert "Four eyes: a change" in (await asker.get("/lists/house"))[0]
    _, headers = await asker.send("/lists/house", {"do": "disable"})
    here = headers["Location"]
    assert here.startswith("/changes/ch-")
    text, _ = await asker.get(here)
    assert "Nothing has changed yet" in text
    assert {form.action for form in await asker.forms(here)} >= {f"{here}/withdraw"}
    decisions = {f"{here}/approve", f"{here}/deny"}
    assert decisions.isdisjoint({form.action for form in await asker.forms(here)})
    assert decisions <= {form.action for form in await other.forms(here)}
    assert here in (await other.get("/changes?status=pending"))[0]
    await other.send(f"{here}/approve", {})
    assert (await served.get("lists/house"))["enabled"] is False
    assert "approved" in (await asker.get(here))[0]


@pytest.mark.slow
async def test_a_token_that_is_asked_for_on_a_page_is_shown_in_two_halves(four_eyes: Served) -> None:
    served = four_eyes
    asker, other = [await Browser.log_in(served, role) for role in ("ana-admin", "ben-admin")]
    assert ">Ask for it</button>" in (await asker.get("/tokens"))[0]
    _, headers = await asker.send("/tokens", {"name": "carl", "roles": "viewer", "owner": "Carl", "expires": "90d"})
    here = headers["Location"]
    second = HALF.search((await asker.get(here))[0])
    assert second
    assert HALF.search((await asker.get(here))[0]) is None
    await other.send(f"{here}/approve", {})
    first = HALF.search((await other.get(here))[0])
    assert first
    served.tokens["carl"] = first[1] + second[1]
    assert (await said(served, ("GET", "groups", None), "carl"))[0] == 200
