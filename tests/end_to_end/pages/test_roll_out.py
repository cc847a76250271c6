"""The roll-out as an admin goes through it in a browser: watch, see who would be hit, enforce, and go back."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import Person
from tests.support.clients import ask, is_blocked, rdata
from tests.support.moatdns import MOATDNS, Moatdns
from tests.support.programs import wait_until
from tests.support.unbound import Unbound


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, world: Unbound) -> Iterator[Moatdns]:
    """A server at its first start."""
    config = {"workers": 1, "upstream": {"servers": [world.server]}}
    with Moatdns(tmp_path_factory.mktemp("roll-out"), config, with_api=True) as moatdns:
        yield moatdns


def test_a_group_is_led_from_the_watch_to_the_block_and_back(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/roll-out")
        page.on("dialog", lambda dialog: dialog.accept())
        assert "not begun" in page.get_by_role("row").filter(has_text="default").inner_text()
        page.get_by_role("button", name="Begin to watch").click()
        page.get_by_text("Group default is only watched now.").wait_for()
        assert not is_blocked(ask(server.port, "claude.ai"))
        assert rdata(ask(server.port, "claude.ai")) == ["198.51.100.1"]
        wait_until(lambda: server.api.get("reports/forecast")["groups"], "that the log has the queries")
        page.goto(page.url)
        assert "watching" in page.locator("main").inner_text()
        names = page.get_by_role("row").filter(has_text="claude.ai").all_inner_texts()
        assert any("anthropic/claude" in name for name in names)
        assert_the_command_says_the_same(server)
        page.get_by_role("button", name="Enforce").click()
        page.get_by_text("Group default is enforced now.").wait_for()
        assert is_blocked(ask(server.port, "claude.ai"))
        page.get_by_role("button", name="Back to monitor").click()
        page.get_by_text("Group default is only watched now.").wait_for()
        assert not is_blocked(ask(server.port, "claude.ai"))


def assert_the_command_says_the_same(server: Moatdns) -> None:
    environment = {
        **os.environ,
        "MOATDNS_TOKEN": str(server.api.token),
        "MOATDNS_URL": f"http://127.0.0.1:{server.admin_port}",
    }
    command = [str(MOATDNS), "report", "forecast", "--group", "default", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    told, by_api = json.loads(ran.stdout), server.api.get("reports/forecast?group=default")
    moments = ("from", "to")
    assert {**told, **dict.fromkeys(moments)} == {**by_api, **dict.fromkeys(moments)}
    assert told["groups"][0]["queries"] > 0


def test_lists_for_firewalls_close_what_the_policy_in_force_closes_and_no_more(server: Moatdns) -> None:
    def closed(of: str, form: str = "plain") -> list[str]:
        return str(server.api.get(f"policy/domains?set={of}&format={form}")).split()

    assert server.api.call("PATCH", "groups/default", {"mode": "monitor"}).status == 200
    assert closed("anthropic") == []
    assert str(server.api.get("policy/networks")) == ""
    assert server.api.call("PATCH", "groups/default", {"mode": "enforce"}).status == 200
    assert "claude.ai" in closed("anthropic")
    assert "160.79.104.0/23" in str(server.api.get("policy/networks"))
    server.api.post("lists", {"name": "house", "block": ["bad.example", "=one.example"], "allow": ["ok.claude.ai"]})
    assert closed("house") == ["bad.example"]
    assert closed("house", "wildcard") == ["bad.example", "*.bad.example", "one.example"]
    assert "claude.ai" not in closed("anthropic")  # the list would close ok.claude.ai, too
    assert "claude.com" in closed("anthropic")
