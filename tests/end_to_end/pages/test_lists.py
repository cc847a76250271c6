"""The pages of lists in a real browser; what they change is seen in answers to real queries."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler

from playwright.sync_api import Browser, Page

from tests.support import feed as served
from tests.support.browser import Person
from tests.support.clients import ask, is_blocked
from tests.support.feed import Feed
from tests.support.moatdns import Moatdns

NAMES = [f"n{number}.feed.example" for number in range(40)]
LIST = "\n".join([*(f"||{name}^" for name in NAMES), "||*^$third-party", "##.ad"]).encode()


def blocked(server: Moatdns, name: str) -> bool:
    return is_blocked(ask(server.port, name))


def say_yes(page: Page) -> None:
    page.once("dialog", lambda dialog: dialog.accept())


def told(page: Page, text: str) -> None:
    page.get_by_role("status").filter(has_text=text).wait_for()


def test_a_list_is_made_filled_searched_emptied_switched_off_and_removed(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/lists")
        page.get_by_role("link", name="New list").click()
        page.get_by_label("Name", exact=True).fill("mine")
        page.get_by_label("Block these names").fill("# ours\none.mine.example\n\n/^gpt[0-9]{1,3}[.]/\n")
        page.get_by_label("Allow these names").fill("fine.one.mine.example")
        page.get_by_role("button", name="Create the list").click()
        told(page, "List mine was created.")
        assert blocked(server, "one.mine.example")
        assert blocked(server, "gpt42.example")
        assert not blocked(server, "fine.one.mine.example")

        page.get_by_label("Rules, one per line").fill("\n".join(f"many{n}.mine.example" for n in range(150)))
        page.get_by_role("button", name="Add").click()
        told(page, "150 rules were added.")
        assert blocked(server, "many149.mine.example")
        page.get_by_role("link", name="More").click()
        page.wait_for_url("**cursor=**")
        assert page.locator("#rules tbody tr").count() == 53

        page.get_by_label("With this text").fill("MANY14")
        page.get_by_role("button", name="Search").click()
        page.wait_for_url("**q=MANY14**")
        assert page.locator("#rules tbody tr").count() == 11
        page.get_by_label("block many148.mine.example").check()
        page.get_by_label("block many149.mine.example").check()
        say_yes(page)
        page.get_by_role("button", name="Remove selected rules").click()
        told(page, "2 rules were removed.")
        assert page.locator("#rules tbody tr").count() == 9
        assert not blocked(server, "many149.mine.example")
        assert blocked(server, "many147.mine.example")

        person.go("/lists/mine")
        page.get_by_label("What they do").select_option("allow")
        page.get_by_label("Rules, one per line").fill("many147.mine.example")
        page.get_by_role("button", name="Add").click()
        told(page, "One rule was added.")
        assert not blocked(server, "many147.mine.example")

        say_yes(page)
        page.get_by_role("button", name="Switch off").click()
        told(page, "List mine is off now.")
        assert not blocked(server, "one.mine.example")
        page.get_by_role("button", name="Switch on").click()
        told(page, "List mine is in force now.")
        assert blocked(server, "one.mine.example")
        say_yes(page)
        page.get_by_role("button", name="Remove the list").click()
        told(page, "List mine was removed.")
    assert not blocked(server, "one.mine.example")


def test_rules_that_cannot_be_are_told_and_what_was_pasted_stays(chromium: Browser, server: Moatdns) -> None:
    server.api.post("lists", {"name": "careful", "block": ["kept.careful.example"]})
    with Person(chromium, server) as person:
        person.expected_statuses.update({409, 422})
        page = person.log_in("/lists/careful")
        page.get_by_label("Rules, one per line").fill("fine.careful.example\ncom\nnot a name")
        page.get_by_role("button", name="Add").click()
        text = page.get_by_role("alert").inner_text()
        assert "com" in text
        assert "not a name" in text
        assert "fine.careful.example" in page.get_by_label("Rules, one per line").input_value()
        person.go("/lists:new")
        page.get_by_label("Name", exact=True).fill("careful")
        page.get_by_role("button", name="Create the list").click()
        assert "careful" in page.get_by_role("alert").inner_text()
        assert page.get_by_label("Name", exact=True).input_value() == "careful"
    assert not blocked(server, "fine.careful.example")
    assert blocked(server, "kept.careful.example")


def test_a_list_that_a_group_names_is_not_removed_and_the_page_says_whose_it_is(
    chromium: Browser, server: Moatdns
) -> None:
    server.api.post("lists", {"name": "needed", "block": ["needed.example"]})
    server.api.post("groups", {"name": "needs", "block": ["needed"]})
    with Person(chromium, server) as person:
        person.expected_statuses.add(409)
        page = person.log_in("/lists/needed")
        assert page.locator("#facts").get_by_role("link", name="needs").is_visible()
        say_yes(page)
        page.get_by_role("button", name="Remove the list").click()
        assert "group 'needs'" in page.get_by_role("alert").inner_text()
    assert blocked(server, "needed.example")


def test_a_subscription_is_made_and_its_progress_is_seen_until_it_holds(chromium: Browser, server: Moatdns) -> None:
    go_on = threading.Event()

    def slowly(feed: Feed, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(feed.content)))
        handler.end_headers()
        half = len(feed.content) // 2
        handler.wfile.write(feed.content[:half])
        handler.wfile.flush()
        go_on.wait(60)
        handler.wfile.write(feed.content[half:])

    with Feed(LIST) as feed, Person(chromium, server) as person:
        feed.behave = slowly
        page = person.log_in("/lists")
        page.get_by_role("link", name="New subscription").click()
        page.get_by_label("Name", exact=True).fill("feed")
        page.get_by_label("Address (URL)").fill(feed.url)
        page.get_by_label("private and local addresses").check()
        page.get_by_label("Fetched").select_option("every hour")
        page.get_by_role("button", name="Create the list").click()
        told(page, "List feed was created.")
        page.locator("#facts").get_by_text("fetching", exact=True).wait_for()
        assert page.get_by_role("progressbar").count() == 1
        go_on.set()
        page.locator("#facts").get_by_text("up to date").wait_for()  # by itself: nobody has loaded the page again
        assert page.locator("#rules tbody tr").count() == len(NAMES)
        assert "1 h" in page.locator("#facts").inner_text()
        page.get_by_text("What could not be read or expressed").click()
        assert "line " in page.locator("#facts details").inner_text()
        assert all(blocked(server, name) for name in NAMES[:3])

        feed.behave = served.status(404)
        page.get_by_role("button", name="Fetch now").click()
        page.locator("#facts").get_by_text("the server answered 404").wait_for()
        assert blocked(server, NAMES[0])
        feed.behave, feed.content = served.serve, LIST.replace(b"n0.feed", b"new.feed")
        page.get_by_role("button", name="Fetch now").click()
        page.locator("#facts").get_by_text("up to date").wait_for()
        assert blocked(server, "new.feed.example")
        assert not blocked(server, NAMES[0])


def test_a_subscription_is_changed_and_a_wrong_address_is_told(chromium: Browser, server: Moatdns) -> None:
    with Feed(LIST) as feed, Person(chromium, server) as person:
        server.api.post("lists", {"name": "moved", "url": feed.url, "allow_private": True, "enabled": False})
        person.expected_statuses.add(422)
        page = person.log_in("/lists/moved:edit")
        page.get_by_label("Format").select_option("adblock")
        page.get_by_label("SHA-256").fill("ab" * 32)
        page.get_by_label("Fetched").select_option("every week")
        page.get_by_role("button", name="Save").click()
        told(page, "List moved was changed.")
        found = server.api.get("lists/moved")
        assert (found["format"], found["sha256"], found["refresh_seconds"]) == ("adblock", "ab" * 32, 604800)
        person.go("/lists/moved:edit")
        page.get_by_label("SHA-256").fill("")
        page.get_by_label("private and local addresses").uncheck()
        page.get_by_role("button", name="Save").click()
        assert "private or local" in page.locator("#m-url").inner_text()
        page.get_by_label("Address (URL)").fill("https://lists.example/new.txt")
        page.get_by_role("button", name="Save").click()
        told(page, "List moved was changed.")
        found = server.api.get("lists/moved")
        assert (found["url"], found["sha256"], found["allow_private"]) == ("https://lists.example/new.txt", None, False)


def test_bundled_lists_and_those_of_the_config_file_are_only_shown(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/lists?kind=bundled")
        page.get_by_role("link", name="anthropic/claude", exact=True).click()
        page.wait_for_url("**/lists/anthropic/claude")
        assert "claude.ai" in page.locator("#rules").inner_text()
        assert page.get_by_role("button", name="Add").count() == 0
        page.locator("main").get_by_role("link", name="The catalogue").click()
        page.wait_for_url("**/catalogue/anthropic")
        person.go("/lists/house")
        assert "policy.lists" in page.inner_text("main")
        assert "house.example" in page.locator("#rules").inner_text()
        for name in ("Add", "Remove", "Switch"):
            assert page.locator("main").get_by_role("button", name=name).count() == 0
    server.api.post("lists", {"name": "house-seen", "block": ["seen.example"]})
    with Person(chromium, server, role="viewer") as person:
        page = person.log_in("/lists/house-seen")
        assert "seen.example" in page.inner_text("main")
        assert [each.inner_text() for each in page.locator("main").get_by_role("button").all()] == ["Search"]
