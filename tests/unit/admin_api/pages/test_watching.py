"""Pages of what groups watch: clouds that are open are told, watched for two weeks by two clicks, and shown so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.admin_api.browser import Browser
from tests.unit.admin_api.conftest import Served

OPEN = "no group blocks or watches <code>clouds</code>"
WATCH = "/groups/default:edit?watch=clouds"


@pytest.mark.slow
async def test_clouds_that_are_open_are_told_until_somebody_watches_or_blocks_them(served: Served) -> None:
    browser = await Browser.log_in(served, "admin")
    page, _ = await browser.get("/")
    assert OPEN in page
    assert f'href="{WATCH}"' in page
    for role in ("viewer", "operator"):
        assert OPEN not in (await (await Browser.log_in(served, role)).get("/"))[0]
    for change, is_told in (
        ({"monitor": ["clouds"]}, False),
        ({"monitor": ["clouds"], "monitor_until": "2020-01-01T00:00:00Z"}, True),
        ({"monitor": [], "block": ["ai", "gateways"]}, False),
        ({"block": ["ai", "resellers", "amazon-bedrock"]}, True),
    ):
        assert await served.status("PATCH", "groups/default", change) == 200
        assert (OPEN in (await browser.get("/"))[0]) is is_told, change


@pytest.mark.slow
async def test_the_link_fills_in_two_weeks_and_what_is_saved_is_watched(served: Served) -> None:
    browser = await Browser.log_in(served, "admin")
    (form,) = [form for form in await browser.forms(WATCH) if form.action.endswith(":edit")]
    assert form.fields["ref:clouds"] == "monitor"
    await browser.send("/groups/default:edit", form.fields)
    group = await served.get("groups/default")
    assert (group["block"], group["monitor"], group["allow"]) == (["ai", "bypass", "lists"], ["clouds"], [])
    ends = datetime.fromisoformat(group["monitor_until"]) - datetime.now(UTC)
    assert timedelta(days=13, hours=22) < ends <= timedelta(days=14)
    page, _ = await browser.get("/groups/default")
    assert "Watches" in page
    assert "verdict=monitor" in page
    assert "watches clouds" in (await browser.get("/groups"))[0]
    assert "because clouds is" in (await browser.get("/catalogue/amazon-bedrock?group=default"))[0]


async def test_a_watch_that_is_over_is_shown_as_such(served: Served) -> None:
    ended = {"monitor": ["clouds"], "monitor_until": "2020-01-01T00:00:00Z"}
    assert await served.status("PATCH", "groups/default", ended) == 200
    browser = await Browser.log_in(served, "viewer")
    assert "nothing is counted or blocked by it" in (await browser.get("/groups/default"))[0]
    assert "watches clouds" not in (await browser.get("/groups"))[0]
    assert "because clouds is" not in (await browser.get("/catalogue/amazon-bedrock?group=default"))[0]


@pytest.mark.slow
async def test_a_group_that_names_a_thing_on_several_sides_is_saved_as_it_was(served: Served) -> None:
    sides = {"block": ["clouds", "ai"], "monitor": ["clouds", "openai", "kind:coding"], "allow": ["openai", "ai"]}
    until = {"monitor_until": "2099-01-01T00:00:00Z"}
    assert await served.status("POST", "groups", {"name": "lab", **sides, **until}) == 201
    browser = await Browser.log_in(served, "admin")
    (form,) = [form for form in await browser.forms("/groups/lab:edit") if form.action.endswith(":edit")]
    await browser.send("/groups/lab:edit", form.fields)
    group = await served.get("groups/lab")
    assert {side: set(group[side]) for side in sides} == {side: set(names) for side, names in sides.items()}
    assert group["monitor_until"] == until["monitor_until"]


@pytest.mark.slow
async def test_an_end_without_a_zone_is_told_beside_its_field_and_kept_there(served: Served) -> None:
    browser = await Browser.log_in(served, "admin")
    (form,) = [form for form in await browser.forms(WATCH) if form.action.endswith(":edit")]
    page, _ = await browser.send("/groups/default:edit", {**form.fields, "monitor_until": "2099-01-01T00:00:00"}, 422)
    assert 'value="2099-01-01T00:00:00"' in page
    assert 'id="m-monitor_until"' in page
    assert (await served.get("groups/default"))["monitor"] == []
