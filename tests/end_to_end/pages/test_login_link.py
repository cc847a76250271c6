"""The link that `moatdns login-link` prints: a browser follows it once, and whoever made it is signed in."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from playwright.sync_api import Browser

from tests.conftest import OFFICE
from tests.support.browser import Person, send_form
from tests.support.moatdns import MOATDNS, Moatdns
from tests.support.programs import PATIENCE_SECONDS


def run(server: Moatdns, *words: str) -> subprocess.CompletedProcess[str]:
    command = [MOATDNS, "login-link", *words, "--config", str(server.config_file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


def link_of(server: Moatdns, *words: str) -> str:
    made = run(server, *words)
    assert made.returncode == 0, made.stderr
    assert made.stdout.count("\n") == 1, "the link alone"
    return made.stdout.strip()


def test_a_link_signs_in_once_and_its_secret_leaves_the_address(chromium: Browser, server: Moatdns) -> None:
    link = link_of(server)
    assert link.startswith(f"http://127.0.0.1:{server.admin_port}/login/link#link_")
    secret = link.rpartition("#")[2]
    with Person(chromium, server) as person:
        page = person.page
        page.goto(link)
        page.wait_for_url(f"http://127.0.0.1:{server.admin_port}/")
        assert page.get_by_role("heading", name="Overview").is_visible()
        page.locator(".who summary").click()
        assert page.locator(".who-menu").inner_text().startswith("whoever installed moatdns\nadmin, investigator")
        name = page.locator(".who summary").inner_text()
        assert name.startswith("login-link-")
        assert secret not in person.go("/tokens").content()
        assert secret not in person.go("/audit").content()
        assert server.api.call("DELETE", f"tokens/{name}").status == 204
        person.go("/")
        assert "/login?" in page.url, "the session ends with its token"
    assert secret not in server.log_text
    actions = [row["action"] for row in server.api.get(f"audit?object=tokens/{name}")["items"]]
    assert actions == ["revoke", "redeem", "create"]


def test_a_link_that_was_used_is_refused_and_the_page_says_how_to_get_another(
    chromium: Browser, server: Moatdns
) -> None:
    link = link_of(server)
    status, headers, _ = send_form(server, "/login/link", {"link": link})
    assert (status, headers["location"]) == (303, "/")
    with Person(chromium, server) as person:
        person.expected_statuses.add(401)
        person.page.goto(link)
        alert = person.page.get_by_role("alert")
        alert.wait_for()
        assert "used already" in alert.inner_text()
        assert "moatdns login-link" in alert.inner_text()
        assert "#" not in person.page.url


def test_the_whole_link_may_be_pasted_and_another_sites_page_sends_none(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.go("/login/link")
        page.get_by_label("Link").fill(link_of(server))
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("heading", name="Overview").wait_for()
    link = link_of(server)
    sent = {"link": link.rpartition("#")[2]}
    assert send_form(server, "/login/link", sent, **{"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert send_form(server, "/login/link", {"link": ""})[0] == 422
    assert send_form(server, "/login/link", sent)[0] == 303


def test_a_link_for_elsewhere_has_the_address_that_is_asked_for(server: Moatdns) -> None:
    made = json.loads(run(server, "--url", "https://dns.corp.example", "--json").stdout)
    assert made["url"].startswith("https://dns.corp.example/login/link#link_")
    assert (made["only_from_here"], made["expires_at"][-1]) == (False, "Z")
    assert json.loads(run(server, "--json").stdout)["only_from_here"] is True
    bad = run(server, "--url", "ftp://x")
    assert (bad.returncode, "--url" in bad.stderr) == (2, True)


def test_where_the_config_turns_links_off_none_is_made_and_none_redeemed(tmp_path: Path, server: Moatdns) -> None:
    with Moatdns(tmp_path, {**OFFICE, "admin": {"login_links": False}}, with_api=True) as strict:
        strict.api.get("lists")
        refused = run(strict)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "admin.login_links" in refused.stderr
        status, _, body = send_form(strict, "/login/link", {"link": link_of(server)})
        assert (status, "turns them off" in body) == (404, True)
