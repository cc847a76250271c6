"""Lists, rules, groups and tokens through the API."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest

from resolver.config.file_policy import content_path

from .conftest import Served, expect_problem


async def make(served: Served, kind: str, **body: object) -> dict[str, object]:
    async with served.call("POST", kind, body) as response:
        assert response.status == 201, await response.text()
        assert response.headers["Location"] == f"/api/v1/{kind}/{body['name']}"
        made: dict[str, object] = await response.json()
        return made


async def test_the_bundled_lists_are_there_and_cannot_be_changed(served: Served) -> None:
    shown = await served.get("lists/anthropic/claude")
    assert (shown["kind"], shown["origin"]) == ("bundled", "bundled")
    rules = await served.get("lists/anthropic/claude/rules?contains=claude")
    assert {"action": "block", "rule": "claude.ai"} in rules["items"]
    assert await served.status("DELETE", "lists/anthropic/claude") == 409
    assert await served.status("POST", "lists/anthropic/claude/rules", {"block": ["a.example"]}) == 409


async def test_rules_come_in_pages_that_go_on_while_others_are_deleted(served: Served) -> None:
    names = [f"n{number:03}.example" for number in range(25)]
    await make(served, "lists", name="house", block=names, allow=["ok.example"])
    seen: list[str] = []
    cursor = ""
    while True:
        page = await served.get(f"lists/house/rules?limit=10{cursor}")
        seen += [item["rule"] for item in page["items"]]
        await served.status("POST", "lists/house/rules:batchDelete", {"block": [seen[-1]]})
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ["ok.example", *names]
    assert await served.status("GET", "lists/house/rules?cursor=nonsense") == 422


async def test_rules_are_added_once_and_counted(served: Served) -> None:
    await make(served, "lists", name="house", block=["a.example"])
    async with served.call(
        "POST", "lists/house/rules", {"block": ["a.example", "B.example", "b.example."]}
    ) as response:
        assert (response.status, (await response.json())["added"]) == (200, 1)
    async with served.call("POST", "lists/house/rules:batchDelete", {"block": ["b.example", "c.example"]}) as response:
        assert (response.status, (await response.json())["deleted"]) == (200, 1)
    assert (await served.get("lists/house"))["rules"] == 1
    assert await served.status("POST", "lists/nowhere/rules", {"block": ["a.example"]}) == 404


async def test_a_large_write_is_accepted_at_once_with_its_revision(served: Served) -> None:
    await make(served, "lists", name="large")
    body = {"block": [f"n{number}.example" for number in range(10_001)]}
    async with served.call("POST", "lists/large/rules", body) as response:
        assert response.status == 202
        assert (await response.json())["revision"] > 1
    assert (await served.get("lists/large"))["rules"] == 10_001


async def test_a_change_that_is_slow_to_come_in_force_says_so(served: Served) -> None:
    served.policy.is_slow = True
    async with served.call("POST", "lists", {"name": "house"}) as response:
        assert response.status == 201
        assert response.headers["X-Moatdns-In-Force"] == "false"


async def test_of_two_writers_with_the_same_etag_one_is_refused(served: Served) -> None:
    await make(served, "groups", name="staff", networks=["10.0.0.0/8"])
    async with served.call("GET", "groups/staff") as response:
        tag = response.headers["ETag"]
    async with served.call("GET", "groups/staff", If_None_Match=tag) as response:
        assert response.status == 304
    patches = [served.status("PATCH", "groups/staff", {"description": text}, If_Match=tag) for text in "ab"]
    assert sorted(await asyncio.gather(*patches)) == [200, 412]
    assert await served.status("DELETE", "groups/staff", If_Match=tag) == 412
    assert await served.status("DELETE", "groups/staff", If_Match="*") == 204


async def test_patches_of_different_fields_at_once_are_both_kept(served: Served) -> None:
    await make(served, "groups", name="staff")
    await asyncio.gather(
        served.status("PATCH", "groups/staff", {"description": "people"}),
        served.status("PATCH", "groups/staff", {"networks": ["10.0.0.0/8"]}),
        served.status("PATCH", "groups/staff", {"mode": "monitor"}),
    )
    group = await served.get("groups/staff")
    assert (group["description"], group["networks"], group["mode"]) == ("people", ["10.0.0.0/8"], "monitor")


async def test_null_in_a_patch_takes_a_value_away(served: Served) -> None:
    await make(served, "groups", name="staff", block=["ai"], response={"mode": "nxdomain"})
    await served.status("PATCH", "groups/staff", {"block": None, "response": None})
    group = await served.get("groups/staff")
    assert (group["block"], group["response"]) == (None, None)


async def test_the_client_names_of_a_group_are_shown_and_changed(served: Served) -> None:
    await make(served, "groups", name="kiosk", client_names=["Kiosk-7"])
    assert (await served.get("groups/kiosk"))["client_names"] == ["kiosk-7"]
    assert (await served.get("groups/kiosk"))["notes"] == []
    assert await served.status("POST", "groups", {"name": "other", "client_names": ["kiosk-7"]}) == 422
    assert await served.status("PATCH", "groups/kiosk", {"client_names": []}) == 200
    assert (await served.get("groups/kiosk"))["client_names"] == []


async def test_a_name_that_nobody_can_prove_is_told(served: Served) -> None:
    made = await make(served, "groups", name="people", client_names=["proved:ana@corp.example"])
    [note] = (await served.get("groups"))["items"][-1]["notes"]
    assert made["notes"] == [note]
    assert note.startswith(
        "client_names: nobody can prove proved:ana@corp.example, since clients are asked for no cert"
    )


async def test_put_makes_and_replaces(served: Served) -> None:
    assert await served.status("PUT", "groups/staff", {"networks": ["10.0.0.0/8"]}) == 201
    assert await served.status("PUT", "groups/staff", {"exempt": True}) == 200
    group = await served.get("groups/staff")
    assert (group["networks"], group["exempt"]) == ([], True)
    assert await served.status("PUT", "lists/house", {"block": ["a.example"]}) == 201
    assert await served.status("PUT", "lists/house", {"enabled": False}) == 200
    assert (await served.get("lists/house"))["enabled"] is False


async def test_what_contradicts_another_group_is_refused_with_its_place(served: Served) -> None:
    await make(served, "groups", name="one", networks=["10.1.0.0/16"])
    body = {"name": "two", "networks": ["10.2.0.0/16", "10.1.0.0/16"], "block": ["ai", "nothing"]}
    async with served.call("POST", "groups", body) as response:
        problem = await expect_problem(response)
        assert response.status == 422
    assert {error["pointer"] for error in problem["errors"]} == {"/networks/1", "/block/1"}


async def test_what_is_in_use_or_there_already_or_the_default_stays(served: Served) -> None:
    await make(served, "lists", name="house")
    await make(served, "groups", name="staff", block=["house"])
    async with served.call("DELETE", "lists/house") as response:
        problem = await expect_problem(response)
        assert response.status == 409
    assert "group 'staff'" in problem["detail"]
    assert await served.status("POST", "lists", {"name": "house"}) == 409
    assert await served.status("DELETE", "groups/default") == 409


async def test_the_rules_of_a_configs_list_are_read_from_its_content_file(served: Served) -> None:
    from admin_api.store.provision import provision

    content = b"block b.example\nblock a.example\nallow ok.example\n"
    digest = hashlib.sha256(content).hexdigest()
    path = content_path(served.store_folder, digest)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    lists = [{"name": "filed", "content": digest, "rules": 3, "patterns": 0, "regexes": 0}]
    policy = {"fingerprint": "f", "own_vendors": [], "lists": lists, "groups": [], "source": "/etc/moatdns.yaml"}
    response = {"mode": "zero-ip", "ttl_seconds": 10, "ipv4": None, "ipv6": None}
    async with served.store.change("config") as change:
        await provision(change, {**policy, "response": response})
    page = await served.get("lists/filed/rules?limit=2")
    assert [item["rule"] for item in page["items"]] == ["ok.example", "a.example"]
    assert [item["rule"] for item in (await served.get(f"lists/filed/rules?cursor={page['next']}"))["items"]] == [
        "b.example"
    ]
    async with served.call("PATCH", "lists/filed", {"enabled": False}) as answer:
        problem = await expect_problem(answer)
        assert answer.status == 409
    assert "/etc/moatdns.yaml" in problem["detail"]


async def test_a_token_is_shown_once_and_ends_when_it_is_revoked(served: Served) -> None:
    made = await make(served, "tokens", name="dashboard", role="viewer", owner="ops", expires="90d")
    served.tokens["made"] = str(made["token"])
    assert await served.status("GET", "lists", role="made") == 200
    shown = await served.get("tokens/dashboard")
    assert "token" not in shown
    assert shown["expires_at"]
    assert all("token" not in item for item in (await served.get("tokens"))["items"])
    assert await served.status("DELETE", "tokens/dashboard") == 204
    assert await served.status("GET", "lists", role="made") == 401


async def test_explain_tells_the_verdict_and_refuses_nonsense(served: Served) -> None:
    told = await served.get("explain?name=claude.ai&client=127.0.0.9&type=AAAA")
    assert (told["verdict"], told["service"], told["group"]["name"]) == ("block", "anthropic/claude", "default")
    assert told["trace"]
    for query in ("name=claude.ai&client=x", "name=claude.ai&type=NOPE", "name=a..b"):
        assert await served.status("GET", f"explain?{query}") == 422


async def test_windows_that_make_no_sense_are_refused(served: Served) -> None:
    late, early = "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"
    assert await served.status("GET", f"stats/summary?from={late}&to={early}") == 422
    assert await served.status("GET", f"stats/series?from=2020-01-01T00:00:00Z&to={early}&step_seconds=60") == 422
    assert await served.status("GET", "stats/top?by=colour") == 422
    assert await served.status("GET", f"stats/summary?from={early}&to={late}") == 200
    assert await served.status("GET", "queries?cursor=nonsense") == 422
    assert await served.status("GET", "queries?after=nonsense") == 422


@pytest.mark.parametrize("path", ["stats/summary?to", "reports/usage?to", "queries?from", "audit:export?from"])
@pytest.mark.parametrize("at", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"])
async def test_times_that_nobody_can_reckon_with_are_refused(served: Served, path: str, at: str) -> None:
    assert await served.status("GET", f"{path}={at}") == 422
    token = {"name": "t", "role": "viewer", "owner": "Ana", "expires_at": "9999-12-31T23:59:59-14:00"}
    assert await served.status("POST", "tokens", token) == 422
    assert await served.status("POST", "tokens", {"expires": token.pop("expires_at"), **token}) == 422


async def test_a_group_that_is_exempt_and_to_be_watched_is_told_what_that_means(served: Served) -> None:
    made = await make(served, "groups", name="lab", networks=["10.1.0.0/16"], exempt=True, mode="monitor")
    assert "exempt: true goes before mode: monitor" in str(made["notes"])
    async with served.call("PATCH", "groups/lab", {"exempt": False}) as response:
        assert (await response.json())["notes"] == []
    assert (await served.get("groups/lab"))["notes"] == []


async def test_what_a_group_watches_is_kept_told_and_taken_away(served: Served) -> None:
    wanted = {"monitor": ["clouds", "kind:coding"], "monitor_until": "2099-12-10T09:00:00+01:00"}
    made = await make(served, "groups", name="lab", networks=["10.1.0.0/16"], **wanted)
    assert (made["monitor"], made["monitor_until"]) == (["clouds", "kind:coding"], "2099-12-10T08:00:00Z")
    async with served.call("PATCH", "groups/lab", {"monitor_until": "2020-01-01T00:00:00Z"}) as response:
        assert "clouds, kind:coding is no longer watched" in str((await response.json())["notes"])
    async with served.call("PATCH", "groups/lab", {"monitor": None, "monitor_until": None}) as response:
        body = await response.json()
        assert (body["monitor"], body["monitor_until"], body["notes"]) == ([], None, [])


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"monitor": ["cloud"]}, "/monitor/0"),
        ({"monitor": ["clouds"], "monitor_until": "2099-12-10T09:00:00"}, "/monitor_until"),
        ({"monitor": ["clouds"], "monitor_until": "tomorrow"}, "/monitor_until"),
        ({"monitor": [f"x{number}" for number in range(1001)]}, "/monitor"),
    ],
)
async def test_a_watch_that_cannot_be_is_refused(served: Served, wrong: dict[str, Any], pointer: str) -> None:
    async with served.call("POST", "groups", {"name": "lab", **wrong}) as response:
        problem = await expect_problem(response)
    assert (problem["status"], [error["pointer"] for error in problem["errors"]]) == (422, [pointer])


async def test_a_list_that_a_group_watches_is_in_use(served: Served) -> None:
    await make(served, "lists", name="house", block=["x.example"])
    await make(served, "groups", name="lab", monitor=["house"])
    assert await served.status("DELETE", "lists/house") == 409
