"""Pages of the roll-out: stages of groups, a forecast from a real query log, and one click there and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admin_api.api.resources import forecast
from admin_api.child_process import in_child
from admin_api.query_log import files
from admin_api.store import tokens
from tests.support.log_blocks import add_rows
from tests.unit.admin_api.browser import Browser
from tests.unit.admin_api.conftest import Served

pytestmark = pytest.mark.slow  # each forecast is made by a process of its own


async def step(browser: Browser, address: str, do: str) -> None:
    """Send the form of a page that does a step."""
    (form,) = [form for form in await browser.forms(address) if form.fields.get("do") == do]
    await browser.send(form.action, form.fields)


async def state(served: Served, name: str) -> str:
    items = (await served.get("reports/roll-out"))["items"]
    return next(str(item["state"]) for item in items if item["name"] == name)


async def test_a_group_is_watched_and_enforced_by_one_click_each_and_its_stage_says_so(served: Served) -> None:
    browser = await Browser.log_in(served, "admin")
    assert await state(served, "default") == "not begun"
    await step(browser, "/roll-out", "watch")
    assert (await served.get("groups/default"))["mode"] == "monitor"
    assert await state(served, "default") == "watching"
    await step(browser, "/roll-out/default", "enforce")
    group = await served.get("groups/default")
    assert (group["mode"], group["block"], group["monitor"]) == ("enforce", ["ai", "bypass", "lists"], [])
    assert await state(served, "default") == "enforced"
    page, _ = await browser.get("/roll-out/default")
    assert "Back to monitor" in page
    assert "was enforced without a watch" not in page


async def test_enforcing_a_watch_of_names_blocks_them_beside_what_was_blocked(served: Served) -> None:
    watch = {"monitor": ["clouds", "ai"], "monitor_until": "2099-01-01T00:00:00Z"}
    assert await served.status("PATCH", "groups/default", watch) == 200
    browser = await Browser.log_in(served, "admin")
    assert "ai, bypass, lists, clouds" in (await browser.get("/roll-out/default"))[0]
    await step(browser, "/roll-out/default", "enforce")
    group = await served.get("groups/default")
    assert group["block"] == ["ai", "bypass", "lists", "clouds"]
    assert (group["monitor"], group["monitor_until"]) == ([], None)


async def test_a_watch_that_is_over_is_not_shown_as_enforced_and_goes_on_or_is_enforced(served: Served) -> None:
    watch = {"monitor": ["clouds"], "monitor_until": "2026-01-01T00:00:00Z"}
    assert await served.status("PATCH", "groups/default", watch) == 200
    assert await state(served, "default") == "watch is over"
    browser = await Browser.log_in(served, "admin")
    for address in ("/roll-out", "/roll-out/default"):
        forms = {form.fields.get("do") for form in await browser.forms(address)}
        assert {"enforce", "watch on"} <= forms
        assert "watch" not in forms
    await step(browser, "/roll-out/default", "watch on")
    group = await served.get("groups/default")
    assert (group["mode"], group["monitor"]) == ("enforce", ["clouds"])
    assert datetime.fromisoformat(group["monitor_until"]) - datetime.now(UTC) > timedelta(days=13)
    assert await state(served, "default") == "watching"
    assert await served.status("PATCH", "groups/default", watch) == 200
    await step(browser, "/roll-out", "enforce")
    assert (await served.get("groups/default"))["block"] == ["ai", "bypass", "lists", "clouds"]
    assert await state(served, "default") == "enforced"


async def test_a_change_of_what_is_watched_is_told_with_the_state(served: Served) -> None:
    for change in ({"mode": "monitor"}, {"block": ["ai"]}):
        assert await served.status("PATCH", "groups/default", change) == 200
    (item,) = (await served.get("reports/roll-out"))["items"]
    assert item["state"] == "watching"
    gaps = " ".join((await served.get("reports/forecast"))["cannot_show"])
    assert "the query log has nothing of that time" in gaps
    assert "group default is watched as it is now only since" in gaps
    assert any("what is watched was changed then" in note for note in item["notes"])


async def test_the_forecast_says_who_would_be_hit_and_what_they_would_ask_for(served: Served) -> None:
    now = datetime.now(UTC).timestamp()
    for days_ago in range(4):
        at = now - days_ago * 86400 - 60
        rest = ["A", "NOERROR", "monitor", "anthropic/claude", "anthropic/claude", "claude.ai", None, "udp", 0.0]
        rows = [[at, client, "default", "claude.ai", *rest] for client in ("10.0.0.1", "10.0.0.2")[: 2 - days_ago % 2]]
        add_rows(served.store_folder / files.FOLDER, files.day_of(at), rows)
    found = await served.get("reports/forecast?group=default")
    (group,) = found["groups"]
    assert (group["queries"], group["clients"]["hit"]) == (6, 2)
    assert group["requests"] == [{"scope": "anthropic/claude", "clients": 1, "queries": 6}]
    assert group["names"][0]["name"] == "claude.ai"
    assert {one["client"] for one in group["top_clients"]} == {"hidden"}
    (group,) = (await served.get("reports/forecast?group=default&reason=a+test"))["groups"]
    assert [one["client"] for one in group["top_clients"]] == ["10.0.0.1", "10.0.0.2"]
    for role, sees in (("investigating-viewer", False), ("admin", True)):
        browser = await Browser.log_in(served, role)
        page, _ = await browser.get("/roll-out/default")
        assert "10.0.0.1" not in page
        assert "Show which clients…" in page
        await browser.give_reason("/roll-out/default?persons=yes")
        page, _ = await browser.get("/roll-out/default")
        assert "claude.ai" in page
        assert "anthropic/claude" in page
        assert "10.0.0.1" in page
        assert ("Begin to watch" in page) is sees
        assert ("Exempt the whole group from it" in page) is (role == "admin")


async def test_under_four_eyes_going_back_waits_for_another_owner_and_enforcing_does_not(served: Served) -> None:
    object.__setattr__(served.context.settings, "approval", "four-eyes")
    async with served.store.change("test") as change:
        _, of_another = await tokens.create(change, name="ben", owner="Ben", roles=("admin",))
    browser = await Browser.log_in(served, "admin")
    await step(browser, "/roll-out", "watch")
    assert (await served.get("groups/default"))["mode"] == "enforce"
    waits = (await served.get("reports/roll-out"))["items"][0]["waits"]
    for address in ("/roll-out", "/roll-out/default"):
        assert f'href="/changes/{waits}"' in (await browser.get(address))[0]
    approve = f"change-requests/{waits}:approve"
    assert await served.status("POST", approve, {}, Authorization=f"Bearer {of_another}") == 200
    assert await state(served, "default") == "watching"
    assert (await served.get("reports/roll-out"))["items"][0]["waits"] is None
    await step(browser, "/roll-out/default", "enforce")
    assert await state(served, "default") == "enforced"


async def test_what_there_is_not_is_told(served: Served) -> None:
    browser = await Browser.log_in(served, "admin")
    await browser.get("/roll-out/nobody", 404)
    await browser.send("/roll-out/default", {"do": "dance"}, 422)
    assert await served.status("GET", "reports/forecast?group=nobody", role="viewer") == 404
    window = "from=2025-01-01T00:00:00Z&to=2026-01-01T00:00:00Z"
    assert await served.status("GET", f"reports/forecast?{window}", role="viewer") == 422
    assert await served.status("GET", "reports/forecast", role="lease") == 403
    await (await Browser.log_in(served, "operator")).send("/roll-out/default", {"do": "watch"}, 403)


async def test_a_step_from_a_page_that_is_no_longer_true_is_refused_and_the_page_shown_anew(served: Served) -> None:
    browser = await Browser.log_in(served, "admin")
    for address in ("/roll-out", "/roll-out/default", "/groups"):
        wanted = "mode" if address == "/groups" else "watch"
        (form,) = [form for form in await browser.forms(address) if form.fields.get("do") == wanted]
        assert await served.status("PATCH", "groups/default", {"description": f"seen from {address}"}) == 200
        page, _ = await browser.send(form.action, form.fields, status=412)
        assert "has been changed meanwhile" in page
        assert (await served.get("groups/default"))["mode"] == "enforce"


async def test_a_page_that_is_looked_at_again_counts_nothing_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []

    async def counting(*given: Any) -> Any:
        made.append(given)
        return await in_child(*given)

    monkeypatch.setattr(forecast, "in_child", counting)
    browser = await Browser.log_in(served, "admin")
    at = datetime.now(UTC).timestamp() - 60
    rest = ["A", "NOERROR", "monitor", "anthropic/claude", "anthropic/claude", "claude.ai", None, "udp", 0.0]
    rows = [[at, "10.0.0.1", "default", "claude.ai", *rest]]
    add_rows(served.store_folder / files.FOLDER, files.day_of(at), rows)
    pages = [(await browser.get("/roll-out/default"))[0] for _ in range(3)]
    assert len(made) == 1
    assert all("Forecast" in page for page in pages)
    served.context.erasures.steps += 1
    await browser.get("/roll-out/default")
    assert len(made) == 2
