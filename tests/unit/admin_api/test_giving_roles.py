"""Who gives the role investigator: investigators, and whoever is root on the machine; no admin gives it to itself."""

from __future__ import annotations

from typing import Any

import pytest

from admin_api.store import restored, tokens
from admin_api.store.roles import FIRST_ROLES, mistake_in

from .browser import Browser
from .conftest import Served, expect_problem

GIVEN_BY = "investigator is given by an investigator, or on the machine by 'moatdns token create --role investigator'"


async def asked(served: Served, caller: str, **more: Any) -> tuple[int, dict[str, Any]]:
    """Status and body of a call for a new token."""
    body = {"name": "fresh", "owner": "Carl", **more}
    async with served.call("POST", "tokens", body, role=caller) as response:
        await expect_problem(response)
        return response.status, await response.json()


async def test_an_admin_makes_no_investigator_of_itself_or_others(served: Served) -> None:
    for given in ({"roles": ["viewer", "investigator"]}, {"roles": ["admin", "investigator"]}):
        status, problem = await asked(served, "admin-alone", **given)
        assert (status, problem["detail"]) == (403, f"{GIVEN_BY}; role admin may not")
        assert problem["errors"] == [{"pointer": "/roles", "detail": GIVEN_BY}]
    assert (await asked(served, "admin-alone", roles=["viewer", "operator"]))[0] == 201
    status, made = await asked(served, "admin", name="second", roles=["viewer", "investigator"])
    assert (status, made["roles"]) == (201, ["viewer", "investigator"])


async def test_the_page_offers_the_role_to_investigators_alone(served: Served) -> None:
    sent = {"name": "fresh", "owner": "Carl", "roles": "investigator", "expires": "90d"}
    alone = await Browser.log_in(served, "admin-alone")
    page, _ = await alone.get("/tokens")
    assert 'value="viewer"' in page
    assert 'value="investigator"' not in page
    page, _ = await alone.send("/tokens", {**sent, "roles": "investigator"}, 422)
    assert "add viewer, operator or admin" in page
    page, _ = await (await Browser.log_in(served, "admin")).get("/tokens")
    assert 'value="investigator"' in page


@pytest.mark.parametrize("roles", [("lease", "investigator"), ("firewall", "investigator"), ("investigator",)])
async def test_a_token_that_reads_nothing_shows_no_persons_in_it(served: Served, roles: tuple[str, ...]) -> None:
    assert mistake_in(roles) == "investigator shows persons in what another role reads: add viewer, operator or admin"
    assert (await asked(served, "admin", roles=list(roles)))[0] == 422
    assert mistake_in((*roles, "viewer")) is None


async def test_an_investigators_token_of_a_backup_is_let_in_by_an_investigator(served: Served) -> None:
    async with served.store.change("test") as change:
        await restored.suspend(change, "2026-11-27T03:00:00Z", [])
        for name, roles in (("alone", ("admin",)), ("both", FIRST_ROLES)):
            _, served.tokens[name] = await tokens.create(change, name=name, owner="Root", roles=roles)
    for body in ({"all": True}, {"tokens": ["a-viewer", "a-investigating-viewer"]}):
        async with served.call("POST", "restored:confirm", body, role="alone") as response:
            problem = await expect_problem(response)
        assert (response.status, "a-investigating-viewer" in problem["detail"]) == (403, True)
        assert "moatdns store confirm-restored" in problem["detail"]
    assert await served.status("GET", "lists", role="viewer") == 401, "nothing of it was done"
    assert await served.status("POST", "restored:confirm", {"tokens": ["a-viewer"]}, role="alone") == 200
    assert await served.status("POST", "restored:confirm", {"all": True}, role="both") == 200
    assert await served.status("GET", "lists", role="investigating-viewer") == 200


async def test_under_four_eyes_both_owners_are_investigators(served: Served) -> None:
    async with served.store.change("test") as change:
        for name, roles in (("ana", FIRST_ROLES), ("ben", ("admin",)), ("eve", FIRST_ROLES)):
            _, served.tokens[name] = await tokens.create(change, name=name, owner=name, roles=roles)
    object.__setattr__(served.context.settings, "approval", "four-eyes")
    assert (await asked(served, "ben", roles=["admin", "investigator"]))[0] == 403
    status, waits = await asked(served, "ana", roles=["admin", "investigator"])
    assert status == 202
    approve = f"change-requests/{waits['id']}:approve"
    assert await served.status("POST", approve, {}, role="ben") == 403
    assert await served.status("POST", approve, {}, role="eve") == 200
