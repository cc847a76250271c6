"""Lists that may use private addresses: who may say so, and who learns what is there."""

from __future__ import annotations

from typing import Any

import pytest

from admin_api.outbox.receivers import Outbox
from admin_api.outbox.watching import LIST_REFUSED, Watcher
from admin_api.store import lists

from .conftest import Served, expect_problem

INSIDE = {"name": "inside", "url": "http://10.0.0.7/list.txt", "allow_private": True}
FIRST, SECOND = "its host cannot be reached", "the server answered 404 Not Found"


async def status(served: Served, method: str, path: str, body: Any, role: str) -> int:
    async with served.call(method, path, body, role=role) as response:
        found = await expect_problem(response)
        assert response.status != 403 or "only the role admin" in found["detail"]
        return response.status


async def test_only_an_admin_lets_a_list_lead_to_private_addresses(served: Served) -> None:
    outside = {"name": "outside", "url": "https://lists.example/a.txt"}
    assert await status(served, "POST", "lists", outside, "operator") == 201
    assert await status(served, "POST", "lists", INSIDE, "operator") == 403
    assert await status(served, "PUT", "lists/inside", INSIDE, "operator") == 403
    assert await status(served, "PATCH", "lists/outside", {"allow_private": True}, "operator") == 403
    assert await status(served, "PUT", "lists/outside", {**outside, "allow_private": True}, "operator") == 403
    assert (await served.get("lists/outside"))["allow_private"] is False
    assert await served.status("GET", "lists/inside") == 404
    assert await status(served, "POST", "lists", INSIDE, "admin") == 201
    assert await status(served, "PATCH", "lists/outside", {"allow_private": True}, "admin") == 200


@pytest.mark.parametrize("how", ["policy:apply", "policy:rollback"])
async def test_no_operator_does_so_by_way_of_the_policy_as_a_document(served: Served, how: str) -> None:
    assert await status(served, "POST", "lists", INSIDE, "admin") == 201
    document = await served.get("policy")
    assert await status(served, "DELETE", "lists/inside", None, "operator") == 204
    now = (await served.get("policy"))["revision"]
    body = document if how == "policy:apply" else {"to_revision": document["revision"]}
    async with served.call("POST", how, body, role="operator", If_Match=f'"{now}"') as response:
        assert response.status == 403


async def test_an_operator_changes_of_such_a_list_all_but_where_it_leads(served: Served) -> None:
    assert await status(served, "POST", "lists", INSIDE, "admin") == 201
    for body, expected in (
        ({"refresh_seconds": 3600}, 200),
        ({"enabled": False}, 200),
        ({"url": INSIDE["url"], "format": "hosts"}, 200),
        ({"url": "http://10.0.0.7:22/list.txt"}, 403),
        ({"url": "http://intranet.example/"}, 403),
        ({"url": "https://lists.example/a.txt"}, 403),
        ({"url": "https://lists.example/a.txt", "allow_private": False}, 200),
        ({"url": INSIDE["url"], "allow_private": True}, 403),
    ):
        assert await status(served, "PATCH", "lists/inside", body, "operator") == expected, body
    assert await status(served, "POST", "lists/inside:refresh", {}, "operator") == 202


@pytest.mark.parametrize("role", ["viewer", "operator"])
async def test_what_is_at_a_private_address_is_told_to_admins_only(served: Served, role: str) -> None:
    assert await status(served, "POST", "lists", INSIDE, "admin") == 201
    said: dict[str, set[str]] = {"admin": set(), role: set()}
    for why in (FIRST, SECOND):
        async with served.store.change("test") as change:
            await lists.update(change, await lists.get(change.connection, "inside"), last_error=why)
        for caller, texts in said.items():
            for path, entries in (("lists/inside", None), ("lists?kind=subscription", "items"), ("status", "lists")):
                async with served.call("GET", path, role=caller) as response:
                    body = await response.json()
                texts |= {item["last_error"] for item in (body[entries] if entries else [body])}
    assert said["admin"] == {FIRST, SECOND}
    assert said[role] == {lists.PRIVATE_ERROR}


async def test_an_operator_does_not_learn_it_by_making_the_list_public(served: Served) -> None:
    assert await status(served, "POST", "lists", INSIDE, "admin") == 201
    async with served.store.change("test") as change:
        await lists.update(change, await lists.get(change.connection, "inside"), last_error=FIRST)
    body = {"url": "https://lists.example/a.txt", "allow_private": False}
    assert await status(served, "PATCH", "lists/inside", body, "operator") == 200
    assert (await served.get("lists/inside"))["last_error"] is None


async def test_a_webhook_learns_no_more_than_a_viewer(served: Served) -> None:
    assert await status(served, "POST", "lists", INSIDE, "admin") == 201
    async with served.store.change("test") as change:
        await lists.update(change, await lists.get(change.connection, "inside"), last_error=SECOND)
    put: list[tuple[str, dict[str, Any]]] = []

    class Notes(Outbox):
        async def put(self, conn: Any, what: str, data: dict[str, Any]) -> None:
            put.append((what, data))

    await Watcher(served.store_access, Notes(), list)._look_at_lists()
    assert put == [(LIST_REFUSED, {"list": "inside", "why": lists.PRIVATE_ERROR})]
