"""The web pages as people use them, in a real browser: the way in, watching, why, and the way to an exemption."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import dns.message
import dns.name
import dns.rdatatype
import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import Person, new_token, send_form, session
from tests.support.clients import UdpClient, dig, is_blocked, rdata
from tests.support.clients import ask as ask_dns
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until

LAPTOP = "127.0.0.77"
# Text that would act on a page if it were not shown as text: markup, quotes, control characters, a change of direction.
HOSTILE = [
    b"<script>window.hit=1</script>",
    b'"><img src=x onerror=hit()>',
    b"';hit();//{{7*7}}",
    b"\x00\x07\x1b[2J\r\n",
    "\u202egnp.exe\u200b".encode(),
]


def logged(server: Moatdns, client: str, name: str) -> None:
    """Wait until a query is in the log."""
    query = urlencode({"client": client, "name": name, "reason": "test"})
    wait_until(lambda: server.api.get(f"queries?{query}")["items"], f"{name} of {client} in the log")


# The way in


def test_a_page_leads_to_the_door_and_from_there_to_where_one_wanted_to_go(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.come_in("/check?name=claude.ai")
        assert page.url == f"{person.base}/check?name=claude.ai"
        page.get_by_text("first", exact=True).click()
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        person.go("/")
        assert "/login" in page.url


def test_a_wrong_token_is_told_and_gives_no_session(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        person.expected_statuses.add(401)
        page = person.go("/login")
        page.get_by_label("Token").fill("moat_00000000_" + "A" * 43)
        page.get_by_role("button", name="Log in").click()
        assert "The token is wrong" in page.get_by_role("alert").inner_text()
        person.go("/")
        assert "/login" in page.url


def test_the_pages_work_without_scripts(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server, scripts=False) as person:
        page = person.come_in("/check?name=claude.ai&client=127.0.0.1")
        assert "blocked" in page.locator("#answer").inner_text()
        page.get_by_role("link", name="Query log").click()
        assert page.get_by_role("heading", name="Query log").is_visible()


def test_the_session_cookie_is_for_this_server_alone(server: Moatdns) -> None:
    _, headers, _ = send_form(server, "/login", {"token": str(server.api.token)})
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert str(server.api.token) not in cookie


def test_a_form_without_the_sessions_own_token_does_nothing(server: Moatdns) -> None:
    fields = {"subject_kind": "client", "subject": "127.0.0.66", "scope": "ai", "owner": "x", "reason": "x"}
    cookie = session(server, str(server.api.token))
    for more in ({}, {"csrf": ""}, {"csrf": "A" * 43}):
        status, _, body = send_form(server, "/exemptions", {**fields, "duration_seconds": "60", **more}, Cookie=cookie)
        assert status == 403
        assert "reload the page" in body
    assert not [e for e in server.api.get("exemptions")["items"] if e["subject"] == {"client": "127.0.0.66"}]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
def test_what_another_site_sends_is_not_done(server: Moatdns, headers: dict[str, str]) -> None:
    cookie = session(server, str(server.api.token))
    status, _, _ = send_form(server, "/logout", {"csrf": "x"}, Cookie=cookie, **headers)
    assert status == 403
    status, _, _ = send_form(server, "/login", {"token": str(server.api.token)}, **headers)
    assert status == 403


def test_a_session_ends_with_its_token(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server, role="viewer") as person:
        person.token = new_token(server, "viewer")
        page = person.log_in()
        name = page.locator(".who summary").inner_text()
        assert server.api.call("DELETE", f"tokens/{name}").status == 204
        person.go("/queries")
        assert "/login" in page.url


def test_a_link_to_the_door_leads_nowhere_else(server: Moatdns) -> None:
    for place in ("https://evil.example/", "//evil.example/", "/\\evil.example", "\thttps://evil.example"):
        status, headers, _ = send_form(server, f"/login?next={quote(place, safe='')}", {"token": str(server.api.token)})
        assert (status, headers["location"]) == (303, "/")


def test_a_token_of_leases_is_no_way_in(server: Moatdns) -> None:
    status, headers, body = send_form(server, "/login", {"token": new_token(server, "lease")})
    assert status == 403
    assert "set-cookie" not in headers
    assert "needs the role viewer" in body


def test_a_viewer_sees_no_button_that_would_be_refused(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server, role="viewer") as person:
        person.expected_statuses.add(403)
        page = person.log_in("/check?name=claude.ai&client=127.0.0.1")
        assert "blocked" in page.locator("#answer").inner_text()
        assert page.get_by_role("button", name="Grant").count() == 0
        person.go("/exemptions")
        assert page.get_by_role("link", name="New exemption").count() == 0
        person.go("/exemptions/new")
        assert page.get_by_role("heading", name="Not allowed").is_visible()


# From the overview to an exemption


def test_from_the_overview_to_why_and_to_a_two_hour_exemption_in_four_clicks(
    chromium: Browser, server: Moatdns
) -> None:
    for _ in range(50):  # it is among those who are blocked most
        assert is_blocked(ask_dns(server.port, "claude.ai", client=LAPTOP))
    logged(server, LAPTOP, "claude.ai")
    with Person(chromium, server, role="operator investigator") as person:
        person.log_in()
        person.look("/?persons=yes")
        person.look(f"/queries?client={LAPTOP}")
        page = person.go("/")
        clicks = Clicks(page)
        clicks.on(page.get_by_role("link", name=LAPTOP))
        clicks.on(page.get_by_role("row").filter(has_text="claude.ai").get_by_role("link", name="Why?").first)
        assert "anthropic/claude" in page.locator("main").inner_text()
        page.get_by_label("Reason").fill("a comparison of products, agreed with legal")
        clicks.on(page.get_by_role("button", name="Grant"))
        assert "is in force" in page.get_by_role("status").inner_text()
        assert clicks.made <= 4
    assert dig(server.port, "-b", LAPTOP, "claude.ai").rdata == ["198.51.100.1"]
    assert is_blocked(ask_dns(server.port, "api.openai.com", client=LAPTOP)), "nothing else is opened"
    assert is_blocked(ask_dns(server.port, "claude.ai", client="127.0.0.78")), "nobody else is let through"
    granted = next(e for e in server.api.get("exemptions")["items"] if e["subject"] == {"client": LAPTOP})
    assert granted["scope"] == ["anthropic/claude"]
    assert granted["status"] == "active"


class Clicks:
    """Counts them."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.made = 0

    def on(self, what: Any) -> None:
        """Click, and wait for what comes."""
        self.made += 1
        what.click()
        self._page.wait_for_load_state()


def test_an_exemption_is_granted_renewed_and_revoked(chromium: Browser, server: Moatdns) -> None:
    client = "127.0.0.80"
    assert is_blocked(ask_dns(server.port, "api.openai.com", client=client))
    with Person(chromium, server) as person:
        page = person.log_in("/exemptions/new")
        page.get_by_label("Address, network").fill(client)
        page.get_by_label("For", exact=True).fill("openai")
        page.get_by_label("Reason").fill("an evaluation")
        page.get_by_label("How long").select_option("1 day")
        page.get_by_role("button", name="Grant").click()
        assert "is in force" in page.get_by_role("status").inner_text()
        assert dig(server.port, "-b", client, "api.openai.com").rdata == ["198.51.100.3"]
        page.get_by_label("From now on").select_option("1 week")
        page.get_by_role("button", name="Renew").click()
        assert "is renewed" in page.get_by_role("status").inner_text()
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Revoke").click()
        page.wait_for_url("**/exemptions/*")
        assert "is revoked" in page.get_by_role("status").inner_text()
        assert page.get_by_role("row").filter(has_text="renew").count() == 1
    assert is_blocked(ask_dns(server.port, "api.openai.com", client=client))


def test_a_mistake_is_told_at_its_field_and_nothing_typed_is_lost(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        person.expected_statuses.add(422)
        page = person.log_in("/exemptions/new")
        page.get_by_label("Address, network").fill("not an address")
        page.get_by_label("For", exact=True).fill("no-such-vendor")
        page.get_by_label("Reason").fill("a reason worth keeping")
        page.get_by_role("button", name="Grant").click()
        assert page.get_by_role("alert").is_visible()
        assert (
            "no-such-vendor" in page.locator("#m-scope, #m-subject").first.inner_text()
            or page.locator(".mistake").count()
        )
        assert page.get_by_label("Reason").input_value() == "a reason worth keeping"
        assert page.get_by_label("Address, network").input_value() == "not an address"


# Watching


def test_the_live_log_shows_a_query_that_comes_in(chromium: Browser, server: Moatdns) -> None:
    client = "127.0.0.81"
    with Person(chromium, server) as person:
        person.log_in()
        page = person.look(f"/queries?client={client}")
        assert "No query in the log matches" in page.inner_text("main")
        page.get_by_role("link", name="Live").click()
        assert is_blocked(ask_dns(server.port, "chatgpt.com", client=client))
        row = page.get_by_role("row").filter(has_text="chatgpt.com")
        row.first.wait_for()
        assert "openai/chatgpt" in row.first.inner_text()
        assert "blocked" in row.first.inner_text()


def test_the_live_log_rests_while_somebody_is_in_it_with_the_keyboard(chromium: Browser, server: Moatdns) -> None:
    client = "127.0.0.83"
    polled = """new Promise((done) => document.addEventListener(
        "htmx:beforeRequest", (event) => done(!event.defaultPrevented), { once: true }))"""
    ask_dns(server.port, "chatgpt.com", client=client)
    with Person(chromium, server) as person:
        person.log_in()
        page = person.look(f"/queries?client={client}&live=yes")
        link = page.get_by_role("link", name="Why?").first
        link.focus()
        assert page.evaluate(polled) is False
        assert link.evaluate("link => link === document.activeElement")
        ask_dns(server.port, "claude.ai", client=client)
        link.blur()
        assert page.evaluate(polled) is True
        page.get_by_role("row").filter(has_text="claude.ai").first.wait_for()


def test_a_wrong_filter_is_told_beside_the_filters(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        person.expected_statuses.add(422)
        page = person.log_in("/queries?verdict=perhaps")
        assert "verdict" in page.get_by_role("alert").inner_text()
        person.go("/check?name=a..b")
        assert page.get_by_role("alert").is_visible()
        assert page.get_by_label("Name", exact=True).input_value() == "a..b"


def hostile_names() -> list[dns.name.Name]:
    """Names below a blocked one that are as bad as names can be, and one of 255 octets."""
    base = dns.name.from_text("claude.ai.")
    names = [dns.name.Name((label[:63],)).concatenate(base) for label in HOSTILE]
    room = 255 - len(base.to_wire())
    labels = [b"<b>" * 21] * (room // 64)
    return [*names, dns.name.Name((*labels, b"&" * (room % 64 - 1))).concatenate(base)]


def test_hostile_names_are_shown_harmlessly_everywhere(chromium: Browser, server: Moatdns) -> None:
    client = "127.0.0.82"
    with UdpClient(server.port, client) as udp:
        for name in hostile_names():
            query = dns.message.make_query(name, dns.rdatatype.A)
            assert rdata(dns.message.from_wire(udp.exchange(query.to_wire()))) == ["0.0.0.0"]
    asked = f"queries?client={client}&reason=test"
    wait_until(lambda: len(server.api.get(asked)["items"]) == len(hostile_names()), "all names in the log")
    with Person(chromium, server) as person:
        page = person.log_in("/")
        for address in ("/", f"/queries?client={client}"):
            person.look(address)
            assert page.evaluate("window.hit === undefined")
            assert page.locator("main script, main img").count() == 0
        text = person.look(f"/queries?client={client}").inner_text("main")
        assert r"\060script\062window" in text, "as zone files have it (RFC 1035 section 5.1)"
        assert not set(text) & set("\x00\x07\x1b\u202e\u200b")
        for link in [each.get_attribute("href") for each in page.get_by_role("link", name="Why?").all()]:
            shown = person.go(str(link))
            assert "claude.ai" in shown.locator("#answer").inner_text(), link
            assert shown.evaluate("window.hit === undefined")
        for bad in ("<script>hit()</script>", "\u202eabc", "'\"><svg onload=hit()>"):
            person.expected_statuses.update({404, 422})
            for address in (
                f"/check?name={quote(bad)}",
                f"/queries?client={quote(bad)}",
                f"/queries?name={quote(bad)}",
            ):
                shown = person.go(address)
                assert shown.locator("main script, main svg").count() == 0
                assert "\u202e" not in shown.inner_text("body"), "beside the field where it was typed"
