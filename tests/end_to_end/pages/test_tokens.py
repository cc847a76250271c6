"""Tokens as an admin makes and revokes them; a new one is shown once, and kept nowhere."""

from __future__ import annotations

from playwright.sync_api import Browser, Page

from tests.support.api import Api
from tests.support.browser import Person
from tests.support.moatdns import Moatdns


def make(page: Page, name: str, role: str = "viewer", expires: str = "in 30 days") -> None:
    """Fill in the form, and send it."""
    page.get_by_label("Name", exact=True).fill(name)
    for box in page.get_by_role("group", name="Roles").get_by_role("checkbox").all():
        box.set_checked(box.get_attribute("value") == role)
    page.get_by_label("Expires", exact=True).select_option(expires)
    page.get_by_role("button", name="Make").click()
    page.wait_for_load_state()


def test_a_new_token_is_shown_once_works_and_is_kept_nowhere(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/tokens")
        page.get_by_label("Owner").fill("Ada")
        make(page, "dashboard")
        secret = page.locator("#new-token").inner_text()
        assert secret not in page.url
        row = page.get_by_role("row").filter(has_text="dashboard")
        assert row.locator("td").all_inner_texts()[1:4] == ["viewer", "Ada", "never"]
        taken = "{value: {writeText: async (text) => { window.copied = text }}}"
        page.evaluate(f"Object.defineProperty(navigator, 'clipboard', {taken})")
        page.get_by_role("button", name="Copy").click()
        page.get_by_role("button", name="Copied").wait_for()
        assert page.evaluate("window.copied") == secret
        assert secret not in person.go("/tokens").content()
        assert secret not in person.go("/audit").content()
    assert Api(server.admin_port, secret).get("groups")["items"]
    assert Api(server.admin_port, secret).call("POST", "cache:flush").status == 403
    assert secret not in server.log_text
    shown = server.api.get("tokens/dashboard")
    assert (shown["owner"], shown["roles"]) == ("Ada", ["viewer"])
    assert shown["expires_at"] is not None


def test_where_the_browser_has_no_clipboard_the_token_is_selected(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/tokens")
        make(page, "by-hand")
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        page.get_by_role("button", name="Copy").click()
        page.get_by_role("button", name="Selected").wait_for()
        assert page.evaluate("window.getSelection().toString()").strip() == page.locator("#new-token").inner_text()


def test_a_mistake_in_a_token_is_told_at_its_field(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        person.expected_statuses.update((409, 422))
        page = person.log_in("/tokens")
        page.get_by_label("Owner").fill("Somebody to keep")
        make(page, "No Such Name", role="operator")
        assert page.locator("#m-name").is_visible()
        assert page.get_by_label("Owner").input_value() == "Somebody to keep"
        assert page.get_by_label("operator:").is_checked()
        assert not page.get_by_label("viewer:").is_checked()
        make(page, "first")
        assert "first" in page.get_by_role("alert").inner_text()
        assert page.locator("#new-token").count() == 0


def test_a_revoked_token_is_refused_after_a_question(chromium: Browser, server: Moatdns) -> None:
    secret = server.api.post("tokens", {"name": "leaver", "role": "viewer", "owner": "Grace"})["token"]
    assert Api(server.admin_port, secret).call("GET", "groups").status == 200
    answers = ["dismiss", "accept"]
    asked: list[str] = []
    with Person(chromium, server) as person:
        page = person.log_in("/tokens")
        page.on("dialog", lambda dialog: (asked.append(dialog.message), getattr(dialog, answers[len(asked) - 1])()))
        row = page.get_by_role("row").filter(has_text="leaver")
        row.get_by_role("button", name="Revoke").click()
        assert Api(server.admin_port, secret).call("GET", "groups").status == 200, "not before the answer"
        row.get_by_role("button", name="Revoke").click()
        page.get_by_role("status").wait_for()
        assert "leaver is revoked" in page.get_by_role("status").inner_text()
        assert page.get_by_role("row").filter(has_text="leaver").count() == 0
    assert all("leaver" in text for text in asked)
    assert Api(server.admin_port, secret).call("GET", "groups").status == 401


def test_revoking_ones_own_token_ends_the_session_and_says_so_before(chromium: Browser, server: Moatdns) -> None:
    secret = server.api.post("tokens", {"name": "myself", "role": "admin", "owner": "Me"})["token"]
    asked: list[str] = []
    with Person(chromium, server) as person:
        person.token = secret
        page = person.log_in("/tokens")
        page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
        row = page.get_by_role("row").filter(has_text="myself")
        assert "yours" in row.inner_text()
        row.get_by_role("button", name="Revoke").click()
        page.wait_for_url("**/login")
        assert "this session ends" in asked[0]
        person.go("/tokens")
        assert "/login" in page.url


def test_the_page_of_tokens_is_for_admins(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server, role="operator") as person:
        person.expected_statuses.add(403)
        page = person.log_in("/")
        assert page.get_by_role("link", name="Tokens").count() == 0
        assert person.go("/tokens").get_by_role("heading", name="Not allowed").is_visible()


def test_an_owner_with_markup_is_shown_as_text(chromium: Browser, server: Moatdns) -> None:
    owner = "<img src=x onerror=hit()>"
    server.api.post("tokens", {"name": "odd", "role": "lease", "owner": owner})
    turned = {"name": "odder", "role": "lease", "owner": f"{owner}\u202e"}
    assert server.api.call("POST", "tokens", turned).status == 422
    with Person(chromium, server) as person:
        page = person.log_in("/tokens")
        assert "<img src=x" in page.get_by_role("row").filter(has_text="odd").inner_text()
        assert page.locator("main img").count() == 0
