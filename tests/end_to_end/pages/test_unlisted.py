"""The page of unlisted names: evidence to read, and one click to a rule that is in force."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import OFFICE
from tests.support.browser import DESK, PHONE, THEMES, Person
from tests.support.clients import ask, is_blocked
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until
from tests.support.stub import StubUpstream

_LONG = f"{'inference-' * 6}x.{'y' * 60}.long-chatbot-agents-{'z' * 40}.ai"


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moatdns]:
    """A server with three names in its inbox, one of which is very long."""
    names = ("api.brandnewgpt.ai", "chat.otherllm.com", _LONG)
    with StubUpstream(ttl=0) as stub:
        config = {**OFFICE, "workers": 1, "upstream": {"servers": [stub.server]}}
        config["unlisted"] = {"enabled": True, "clients": 1}
        with Moatdns(tmp_path_factory.mktemp("inbox"), config, with_api=True) as server:
            wait_until(lambda: server.api.call("GET", "/ready").status == 200, "the API")

            def is_there() -> bool:
                for name in names:
                    ask(server.port, name)
                return len(server.api.get("unlisted")["items"]) >= len(names)

            wait_until(is_there, "the inbox")
            yield server


def test_it_can_be_read_by_everybody(chromium: Browser, inbox: Moatdns) -> None:
    with Person(chromium, inbox) as person:
        person.log_in()
        page = person.go("/unlisted")
        assert page.locator("tbody tr").count() == 3
        assert "top-level domain .ai" in page.locator("td[data-label=Evidence]").first.inner_text()
        for size in (DESK, PHONE):
            page.set_viewport_size(size)
            wait_until(lambda: person.overflow() <= 0, f"the page at {size}")
        page.set_viewport_size(DESK)
        for scheme in THEMES:
            page.emulate_media(color_scheme=scheme)
            assert person.faults() == [], scheme


def test_one_click_blocks_a_name(chromium: Browser, inbox: Moatdns) -> None:
    with Person(chromium, inbox) as person:
        person.log_in()
        page = person.go("/unlisted?q=otherllm")
        asked: list[str] = []

        def agree(dialog: object) -> None:
            asked.append(dialog.message)  # type: ignore[attr-defined]
            dialog.accept()  # type: ignore[attr-defined]

        page.on("dialog", agree)
        page.get_by_role("button", name="Block", exact=True).click()
        expect(page.get_by_text("otherllm.com and all names below it are blocked by list unlisted.")).to_be_visible()
        assert "queries of about" in asked[0], "the forecast"
        assert is_blocked(ask(inbox.port, "chat.otherllm.com"))
        page.get_by_role("link", name="Blocked").click()
        assert "otherllm.com" in page.locator("tbody").inner_text()


def test_a_viewer_sees_evidence_and_no_buttons(chromium: Browser, inbox: Moatdns) -> None:
    with Person(chromium, inbox, role="viewer") as person:
        person.log_in()
        page = person.go("/unlisted?status=all")
        assert page.locator("tbody tr").count() >= 2
        assert page.locator("tbody button").count() == 0
