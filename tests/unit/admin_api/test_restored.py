"""A restored store over HTTP: what is suspended is told, lets nobody in, and counts again once an admin says so."""

from __future__ import annotations

from typing import Any

import pytest

from admin_api.store import exemptions, restored, tokens
from tests.unit.admin_api.states import new_exemption

from .browser import Browser
from .conftest import Served, expect_problem


@pytest.fixture
async def suspended(served: Served) -> str:
    """A store that came out of a backup, with a new admin's token; gives the id of its exemption."""
    async with served.store.change("test") as change:
        row = await exemptions.create(change, new_exemption(), owner="Ana")
        await restored.suspend(change, "2026-11-27T03:00:00Z", [])
        _, served.tokens["root"] = await tokens.create(change, name="root", owner="Root", role="admin")
    await served.context.restored.look()
    return row.id


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
    assert await confirmed(served, {"tokens": [first]}) == (200, {"tokens": [first], "exemptions": []})
    assert not served.context.subjects.holds("exemption", suspended)
    status, body = await confirmed(served, {"all": True})
    assert (status, body["exemptions"], len(body["tokens"])) == (200, [suspended], len(waiting["tokens"]) - 1)
    assert served.context.subjects.holds("exemption", suspended)
    assert await served.status("GET", "lists", role="viewer") == 200
    assert await served.get("restored") == {"restored_at": None, "backup_at": None, "tokens": [], "exemptions": []}
    assert (await confirmed(served, {"all": True}))[0] == 409
    assert not [text for text in (await served.get("/ready"))["why"] if "restored" in text]
    rows = (await served.get("audit?action=confirm&limit=10"))["items"]
    assert [row["object"] for row in rows] == ["restored", f"exemptions/{suspended}", "restored"]


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
