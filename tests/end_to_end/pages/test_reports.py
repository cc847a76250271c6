"""Reports as people read, print and download them, held against what was asked."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.conftest import OFFICE, WATCHED
from tests.support.browser import Person
from tests.support.clients import ask, is_blocked, rdata
from tests.support.moatdns import Moatdns
from tests.support.unbound import Unbound

LET_THROUGH, UNUSED = "127.0.0.91", "127.0.0.92"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, world: Unbound) -> Iterator[Moatdns]:
    """A server where two are exempt, and one of them makes use of it."""
    config = {**OFFICE, "workers": 1, "upstream": {"servers": [world.server]}, "server": {"identity": "dns-7"}}
    with Moatdns(tmp_path_factory.mktemp("reports"), config, with_api=True) as moatdns:
        for client, reason in ((LET_THROUGH, "a tender"), (UNUSED, "=never used")):
            body = {"subject": {"client": client}, "scope": ["openai"], "owner": "Ada", "reason": reason}
            moatdns.api.post("exemptions", {**body, "duration_seconds": 7200, "ticket": "T-12"})
        assert is_blocked(ask(moatdns.port, "claude.ai"))
        assert is_blocked(ask(moatdns.port, "house.example"))
        for _ in range(3):
            assert rdata(ask(moatdns.port, "chatgpt.com", client=LET_THROUGH)) == ["198.51.100.4"]
        assert rdata(ask(moatdns.port, "claude.ai", client=WATCHED)) == ["198.51.100.1"]
        yield moatdns


def test_the_exemptions_report_says_who_was_let_through_and_who_made_no_use_of_it(
    chromium: Browser, server: Moatdns
) -> None:
    with Person(chromium, server, role="viewer investigator") as person:
        page = person.log_in("/reports")
        assert page.get_by_role("heading", name="Exemptions report").is_visible()
        used = page.get_by_role("row").filter(has_text=LET_THROUGH)
        assert used.locator("td").last.inner_text() == "hidden", "it is what one person did"
        page.get_by_role("link", name="Show how often each person used them…").click()
        person.say_why()
        used = page.get_by_role("row").filter(has_text=LET_THROUGH)
        assert used.locator("td").last.inner_text().split("\n")[0] == "3"
        assert "Ada" in used.inner_text()
        assert "T-12" in used.inner_text()
        assert "not used" not in used.inner_text()
        assert "not used" in page.get_by_role("row").filter(has_text=UNUSED).inner_text()


def test_the_usage_report_counts_what_was_asked(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/reports/usage")

        def cells(text: str) -> list[str]:
            return page.get_by_role("row").filter(has_text=text).locator("td").all_inner_texts()

        assert cells("openai") == ["default", "openai", "0", "0", "3"]
        assert cells("watched") == ["watched", "anthropic", "0", "1", "0"]
        page.get_by_label("By", exact=True).select_option("service")
        page.get_by_label("Steps").select_option("day by day")
        page.get_by_label("Time").select_option("last 7 days")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**step=86400**")
        assert cells("openai/chatgpt")[1:] == ["openai/chatgpt", "0", "0", "3"]
        page.get_by_label("By", exact=True).select_option("list")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**by=list**")
        assert cells("house")[1:] == ["house", "1", "0", "0"]


def test_a_report_is_about_the_days_that_were_chosen(chromium: Browser, server: Moatdns) -> None:
    today = datetime.now(UTC).date()
    with Person(chromium, server) as person:
        page = person.log_in("/reports/usage")
        page.get_by_label("or from the day").fill(str(today - timedelta(days=3)))
        page.get_by_label("to the day").fill(str(today - timedelta(days=2)))
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**from=**")
        assert "Nothing was blocked" in page.inner_text("main")
        page.get_by_label("to the day").fill(str(today))
        page.get_by_role("button", name="Show").click()
        page.get_by_role("row").filter(has_text="openai").wait_for()


def test_days_that_make_no_window_are_told_beside_the_form(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        person.expected_statuses.add(422)
        page = person.log_in("/reports/usage?from=2026-02-02&to=2026-01-01")
        assert "is not before" in page.get_by_role("alert").inner_text()
        assert page.get_by_label("or from the day").input_value() == "2026-02-02"
        for bad in ("from=2026-99-99", "to=yesterday", "by=<b>", "step=7", "from=9999-12-31&to=9999-12-31"):
            assert person.go(f"/reports/usage?{bad}").get_by_role("alert").is_visible(), bad


def test_the_download_is_the_apis_own_csv(chromium: Browser, server: Moatdns, tmp_path: Path) -> None:
    with Person(chromium, server, role="viewer investigator") as person:
        person.log_in("/reports/exemptions")
        page = person.look("/reports/exemptions?persons=yes")
        with page.expect_download() as downloading:
            page.get_by_role("link", name="Download as CSV").click()
        assert downloading.value.suggested_filename == "exemptions.csv"
        file = tmp_path / "exemptions.csv"
        downloading.value.save_as(file)
    rows = {row["subject"]: row for row in csv.DictReader(file.read_text().splitlines())}
    assert rows[f"client {LET_THROUGH}"]["uses"] == "3"
    assert rows[f"client {UNUSED}"]["stale"] == "yes"
    assert rows[f"client {UNUSED}"]["reason"] == "'=never used", "a spreadsheet works nothing out"


def test_a_printed_report_is_a_document_with_its_window_server_and_time(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server, theme="dark") as person:
        page = person.log_in("/reports/exemptions")
        page.emulate_media(media="print")
        shown = page.locator("body").inner_text()
        assert "Exemptions report" in shown
        assert "on dns-7" in shown
        assert "Made by first" in shown
        assert f"{datetime.now(UTC).year}" in shown
        times = page.locator("time").all_inner_texts()
        assert len(times) > 3
        assert [time for time in times if not re.search(r" CES?T$", time)] == [], "each with its zone, that of Berlin"
        for gone in ("nav.menu", "header.bar", "form.filters", ".tabs", "text=Download as CSV"):
            assert not page.locator(gone).first.is_visible(), gone
        black = page.evaluate("getComputedStyle(document.querySelector('.made')).color")
        assert sum(int(part) for part in black[4:-1].split(",")) < 3 * 128, "dark on paper, whatever the screen has"


def test_the_print_button_prints(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/reports/usage")
        page.evaluate("window.print = () => { window.printed = true }")
        page.get_by_role("button", name="Print").click()
        assert page.evaluate("window.printed")
