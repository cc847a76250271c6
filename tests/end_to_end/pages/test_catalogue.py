"""The pages of the catalogue in a real browser; their switches are seen in answers to real queries."""

from __future__ import annotations

import time

from playwright.sync_api import Browser, Page

from blocklists.loading import load_catalogue
from tests.support.browser import Person
from tests.support.clients import ask, is_blocked
from tests.support.moatdns import Moatdns


def blocked(server: Moatdns, client: str, name: str) -> bool:
    return is_blocked(ask(server.port, name, client=client))


def press(page: Page, name: str, button: str) -> str:
    """Press a switch; gives what the page says then."""
    page.get_by_role("group", name=name, exact=True).get_by_role("button", name=button).click()
    status = page.get_by_role("status").filter(has_text=f"{name} is")
    status.wait_for()
    return status.inner_text()


def row(page: Page, name: str) -> str:
    return page.locator(f"[id='{name}']").inner_text()


def test_switches_change_what_a_group_blocks_and_allows(chromium: Browser, server: Moatdns) -> None:
    client = "127.0.5.1"
    server.api.post("groups", {"name": "switched", "networks": [client]})
    with Person(chromium, server) as person:
        page = person.log_in("/catalogue?group=switched")
        assert "because ai is" in row(page, "openai/chatgpt")
        assert blocked(server, client, "chatgpt.com")
        assert "allowed by exception" in press(page, "openai/chatgpt", "Allow")
        assert "though ai is blocked" in row(page, "openai/chatgpt")
        assert not blocked(server, client, "chatgpt.com")
        assert blocked(server, client, "api.openai.com")
        assert server.api.get("groups/switched")["block"] is None  # it still follows the default group
        assert "blocked (because ai is)" in press(page, "openai/chatgpt", "Neither")
        assert blocked(server, client, "chatgpt.com")
        press(page, "gateways", "Block")
        assert server.api.get("groups/switched")["block"] == ["ai", "bypass", "lists", "gateways"]
        assert "because gateways is" in row(page, "amazon-bedrock")
        assert "because ai is" in row(page, "openrouter")
        assert "not in force" in press(page, "ai", "Neither")
        assert not blocked(server, client, "claude.ai")
        assert "anthropic/claude is blocked for group" in press(page, "anthropic/claude", "Block")
        assert blocked(server, client, "claude.ai")
        assert not blocked(server, client, "chatgpt.com")
        assert "though anthropic/claude is blocked" in press(
            page, "anthropic", "Allow"
        ) or "because anthropic is" in row(page, "anthropic/claude")
        assert not blocked(server, client, "claude.ai")
    assert blocked(server, "127.0.0.1", "claude.ai")


def test_what_a_service_opens_of_others_is_told(chromium: Browser, server: Moatdns) -> None:
    client = "127.0.5.2"
    server.api.post("groups", {"name": "coding", "networks": [client], "allow": ["anthropic/claude-code"]})
    with Person(chromium, server) as person:
        page = person.log_in("/catalogue?group=coding&q=claude")
        assert "some names are allowed, for anthropic/claude-code" in row(page, "anthropic/claude")
    assert not blocked(server, client, "claude.ai")


def test_an_own_vendor_is_shown_to_be_left_out(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/catalogue?q=mistral")
        assert "own vendor" in row(page, "mistral")
    assert not blocked(server, "127.0.0.1", "mistral.ai")


def test_the_search_finds_vendors_services_and_domains_as_one_types(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/catalogue?group=default")
        page.get_by_label("Vendor, service or domain").press_sequentially("chatgpt.com")
        page.get_by_role("heading", name="1 vendors, 3 services").wait_for()
        assert "openai/chatgpt" in page.inner_text("main")
        page.wait_for_url("**q=chatgpt.com**")
        page.get_by_label("Vendor, service or domain").fill("no such thing")
        page.get_by_text("No entry of the catalogue has that").wait_for()
        person.go("/catalogue?kind=reseller")
        assert "openrouter" in page.inner_text("main")
        assert page.locator("[id='openai']").count() == 0


def test_a_switch_keeps_what_was_searched_for(chromium: Browser, server: Moatdns) -> None:
    server.api.post("groups", {"name": "searching", "networks": ["127.0.5.3"]})
    with Person(chromium, server) as person:
        page = person.log_in("/catalogue?group=searching&q=chatgpt.com")
        press(page, "openai/chatgpt", "Allow")
        assert "q=chatgpt.com" in page.url
        assert "group=searching" in page.url
        assert page.get_by_role("button", name="Allow", pressed=True).count() == 1


def test_a_vendors_page_shows_domains_sources_and_limits_and_switches_too(chromium: Browser, server: Moatdns) -> None:
    client = "127.0.5.4"
    server.api.post("groups", {"name": "at-vendor", "networks": [client]})
    with Person(chromium, server) as person:
        person.expected_statuses.add(404)
        page = person.log_in("/catalogue/anthropic?group=at-vendor")
        text = page.inner_text("main")
        for part in ("claude.ai", "What DNS cannot separate", "Network access requirements", "2026-11-01", "telemetry"):
            assert part in text, part
        assert "allowed by exception" in press(page, "anthropic/claude", "Allow")
        assert "/catalogue/anthropic?group=at-vendor" in page.url
        assert "Not found" in person.go("/catalogue/no-such-vendor").inner_text("main")
    assert not blocked(server, client, "claude.ai")
    assert blocked(server, client, "chatgpt.com")


def test_a_group_of_the_config_file_and_a_viewer_have_no_switches(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/catalogue?group=coders")
        assert "policy.groups" in page.inner_text("main")
        assert page.get_by_role("button", name="Allow").count() == 0
        assert "is exempt" in person.go("/catalogue?group=research").inner_text("main")
    with Person(chromium, server, role="viewer") as person:
        page = person.log_in("/catalogue")
        assert "because ai is" in row(page, "openai")
        assert page.get_by_role("button", name="Allow").count() == 0


def test_the_whole_catalogue_is_there_within_a_moment(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/catalogue")
        assert page.locator("tr.service").count() == len(load_catalogue().services)
        spent = []
        for _ in range(5):
            begun = time.process_time(), time.monotonic()
            response = page.request.get(f"{person.base}/catalogue")
            assert response.ok
            spent.append(time.monotonic() - begun[1])
        assert min(spent) < 0.3, spent
