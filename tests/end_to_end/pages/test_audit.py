"""The audit trail as people read it: who did what, what it changed, and taken along as a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.browser import Person
from tests.support.moatdns import Moatdns


@pytest.fixture(scope="module", autouse=True)
def _somebody_changed_things(server: Moatdns) -> None:
    """A group is made and changed; caches are flushed so often that the rows of that, which are cheap, fill a page."""
    api = server.api
    api.post("groups", {"name": "legal", "networks": ["203.0.113.0/24"], "allow": ["anthropic/claude"]})
    changed = {"description": "The <b>lawyers</b>", "networks": ["203.0.113.0/24", "198.51.100.0/24"]}
    assert api.call("PATCH", "groups/legal", changed).status == 200
    for number in range(60):
        api.post("cache:flush", {"name": f"b{number}.example"}, status=200)


def test_a_change_is_shown_as_what_differs_and_nothing_else(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server, role="viewer investigator") as person:
        page = person.log_in("/audit")
        page.get_by_label("Object").fill("groups/legal")
        page.get_by_label("Action").fill("update")
        page.get_by_role("button", name="Filter").click()
        page.wait_for_url("**object=groups**")
        row = page.locator("tbody tr")
        assert row.count() == 1
        assert "token:first" in row.inner_text()
        row.locator("summary").click()
        lines = [" ".join(line.split()) for line in row.locator(".difference li").all_inner_texts()]
        assert "+ now description: The <b>lawyers</b>" in lines
        assert "+ now networks: 198.51.100.0/24" in lines
        assert not any("203.0.113.0/24" in line or "anthropic" in line for line in lines), "they did not change"


def test_rows_lead_to_all_that_the_same_one_did_and_back(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/audit?action=provision")
        page.locator("tbody tr").first.get_by_role("link", name="config").click()
        page.wait_for_url("**actor=config**")
        assert {each.split(":")[0] for each in page.locator("td[data-label=Who]").all_inner_texts()} == {"config"}
        page.get_by_role("link", name="Clear").click()
        page.wait_for_url("**/audit")
        person.go("/audit?actor=nobody")
        assert "No row matches" in page.inner_text("main")


def test_pages_go_back_to_the_first_row(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/audit?action=flush")
        numbers = [int(text) for text in page.locator("td[data-label=Row]").all_inner_texts()]
        page.get_by_role("link", name="Older").click()
        page.wait_for_url("**cursor=**")
        numbers += [int(text) for text in page.locator("td[data-label=Row]").all_inner_texts()]
        assert len(numbers) == 60
        assert numbers == sorted(set(numbers), reverse=True)
        assert page.get_by_role("link", name="Older").count() == 0


def test_the_export_is_the_whole_trail_and_its_newest_row_is_told(
    chromium: Browser, server: Moatdns, tmp_path: Path
) -> None:
    newest = server.api.get("audit?limit=1")["items"][0]["id"]
    with Person(chromium, server) as person:
        page = person.log_in("/audit")
        assert f"newest row is number {newest}" in page.inner_text("main")
        assert "moatdns audit verify" in page.inner_text("main")
        with page.expect_download() as downloading:
            page.get_by_role("link", name="Download as JSON lines").click()
        file = tmp_path / "audit.jsonl"
        downloading.value.save_as(file)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["id"] for row in rows] == list(range(1, newest + 1))
    assert all(row["mac"] for row in rows), "what is needed to hold the file against the trail"


def test_a_cursor_that_is_none_is_told(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        person.expected_statuses.update((400, 422))
        page = person.log_in("/audit?cursor=nonsense")
        assert page.get_by_role("alert").is_visible()
