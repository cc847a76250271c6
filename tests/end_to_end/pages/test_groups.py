"""The pages of groups in a real browser; what they change is seen in answers to real queries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.sync_api import Browser, Dialog, Page

from tests.support.browser import Person
from tests.support.clients import ask, dig, is_blocked, rdata
from tests.support.moatdns import Moatdns

FROM_FILE = "watched"  # a group of OFFICE
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def blocked(server: Moatdns, client: str, name: str = "claude.ai") -> bool:
    return is_blocked(ask(server.port, name, client=client))


def make(server: Moatdns, name: str, client: str, **more: Any) -> None:
    server.api.post("groups", {"name": name, "networks": [client], **more})


def answer(page: Page, *, yes: bool) -> list[str]:
    """Answer the next question, and keep what it was."""
    asked: list[str] = []

    def reply(dialog: Dialog) -> None:
        asked.append(dialog.message)
        if yes:
            dialog.accept()
        else:
            dialog.dismiss()

    page.once("dialog", reply)
    return asked


def told(page: Page) -> str:
    return page.get_by_role("status").inner_text()


def test_a_group_is_made_with_what_it_blocks_and_allows_chosen_from_the_catalogue(
    chromium: Browser, server: Moatdns
) -> None:
    client = "127.0.1.1"
    assert blocked(server, client)
    with Person(chromium, server) as person:
        page = person.log_in("/groups")
        page.get_by_role("link", name="New group").click()
        page.get_by_label("Name", exact=True).fill("chosen")
        page.get_by_label("Networks").fill(f"{client}\n127.0.1.2, 127.0.1.3")
        page.get_by_label("Block what the group default blocks").uncheck()
        page.get_by_role("searchbox", name="Search").fill("chatgpt")
        assert not page.get_by_label("anthropic/claude", exact=True).is_visible()
        page.get_by_label("openai/chatgpt", exact=True).select_option("block")
        page.get_by_role("searchbox", name="Search").fill("")
        page.get_by_label("house", exact=True).select_option("block")
        page.get_by_label("openai/api", exact=True).select_option("allow")
        page.get_by_label("Answer").select_option("nxdomain")
        page.get_by_label("TTL in seconds").fill("7")
        page.get_by_role("button", name="Create the group").click()
        page.wait_for_url("**/groups/chosen")
        assert told(page) == "Group chosen was created."
    found = server.api.get("groups/chosen")
    assert (sorted(found["block"]), found["allow"]) == (["house", "openai/chatgpt"], ["openai/api"])
    for each in (client, "127.0.1.2", "127.0.1.3"):
        assert dig(server.port, "-b", each, "chatgpt.com").status == "NXDOMAIN"
        assert dig(server.port, "-b", each, "house.example").status == "NXDOMAIN"
        assert rdata(ask(server.port, "claude.ai", client=each)) == ["198.51.100.1"]
    assert blocked(server, "127.0.0.1")


def test_enforcing_and_watching_is_one_click_with_a_question_before(chromium: Browser, server: Moatdns) -> None:
    client = "127.0.1.10"
    make(server, "one-click", client)
    with Person(chromium, server) as person:
        page = person.log_in("/groups/one-click")
        asked = answer(page, yes=False)
        page.get_by_role("button", name="Only monitor").click()
        assert "Nothing is blocked" in asked[0]
        assert blocked(server, client)
        answer(page, yes=True)
        page.get_by_role("button", name="Only monitor").click()
        page.get_by_text("is only watched now").wait_for()
        assert not blocked(server, client)
        person.go("/groups")
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name="one-click"))
        answer(page, yes=True)
        row.get_by_role("button", name="Enforce").click()
        page.get_by_text("is enforced now").wait_for()
        assert page.url == f"{person.base}/groups"
    assert blocked(server, client)


def test_a_change_keeps_all_that_was_not_touched(chromium: Browser, server: Moatdns) -> None:
    client = "127.0.1.11"
    before = {
        "description": "as it was",
        "client_names": ["kiosk-7"],
        "block": ["ai", "house"],
        "allow": ["anthropic/claude-code"],
        "response": {"mode": "address", "ttl_seconds": 20, "ipv4": "192.0.2.7"},
        "schedule": {
            "time_zone": "Europe/Berlin",
            "windows": [{"days": ["mon", "sun"], "start": "08:00", "end": "24:00"}],
        },
    }
    make(server, "kept", client, **before)
    whole = server.api.get("groups/kept")
    with Person(chromium, server) as person:
        page = person.log_in("/groups/kept:edit")
        page.get_by_label("Description").fill("as it is")
        page.get_by_role("button", name="Save").click()
        page.wait_for_url("**/groups/kept")
        assert "Mon, Sun 08:00–24:00" in page.inner_text("main")
    assert server.api.get("groups/kept") == {
        **whole,
        "description": "as it is",
        "version": whole["version"] + 1,
        "updated_at": server.api.get("groups/kept")["updated_at"],
    }


def test_a_group_is_made_exempt_and_back_and_everything_is_taken_away(chromium: Browser, server: Moatdns) -> None:
    client = "127.0.1.12"
    make(server, "free", client, block=["ai"], response={"mode": "nodata"})
    with Person(chromium, server) as person:
        page = person.log_in("/groups/free:edit")
        page.get_by_label("Exempt").check()
        page.get_by_role("button", name="Save").click()
        page.wait_for_url("**/groups/free")
        assert rdata(ask(server.port, "claude.ai", client=client)) == ["198.51.100.1"]
        person.go("/groups/free:edit")
        page.get_by_label("Exempt").uncheck()
        page.get_by_label("ai", exact=True).select_option("–")
        page.get_by_label("Block what the group default blocks").check()
        page.get_by_label("Answer").select_option("")
        page.get_by_label("TTL in seconds").fill("")
        page.get_by_role("button", name="Save").click()
        page.wait_for_url("**/groups/free")
    found = server.api.get("groups/free")
    assert (found["block"], found["response"], found["exempt"]) == (None, None, False)
    assert rdata(ask(server.port, "claude.ai", client=client)) == ["0.0.0.0"]


def test_outside_the_windows_of_its_schedule_a_group_is_only_watched(chromium: Browser, server: Moatdns) -> None:
    client = "127.0.1.13"
    make(server, "by-day", client)
    far = DAYS[(datetime.now(UTC) + timedelta(days=3)).weekday()]
    with Person(chromium, server) as person:
        page = person.log_in("/groups/by-day:edit")
        page.get_by_label("Time zone").fill("UTC")
        window = page.get_by_role("group", name="Window 1")
        window.get_by_label(far.capitalize()).check()
        window.get_by_label("from").fill("08:00")
        window.get_by_label("to", exact=True).fill("18:00")
        page.get_by_role("button", name="Save").click()
        page.wait_for_url("**/groups/by-day")
        assert "by schedule" in page.inner_text("main")
        assert not blocked(server, client)
        person.go("/groups/by-day:edit")
        window = page.get_by_role("group", name="Window 1")
        for day in DAYS:
            window.get_by_label(day.capitalize()).check()
        window.get_by_label("from").fill("00:00")
        window.get_by_label("to", exact=True).fill("24:00")
        page.get_by_role("button", name="Save").click()
        page.wait_for_url("**/groups/by-day")
    assert blocked(server, client)


def test_a_pause_lets_through_and_is_ended(chromium: Browser, server: Moatdns) -> None:
    client = "127.0.1.14"
    make(server, "paused", client)
    with Person(chromium, server) as person:
        page = person.log_in("/groups/paused")
        page.get_by_label("Reason").fill("incident 7")
        page.get_by_label("How long").select_option("15 minutes")
        answer(page, yes=True)
        page.get_by_role("button", name="Pause", exact=True).click()
        page.get_by_text("Group paused is paused.").wait_for()
        assert "incident 7" in page.inner_text("main")
        assert not blocked(server, client)
        assert blocked(server, "127.0.0.1")
        page.get_by_role("button", name="End the pause").click()
        page.get_by_text("The pause has ended.").wait_for()
    assert blocked(server, client)


def test_every_group_is_paused_and_that_is_ended(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/groups")
        page.get_by_text("Pause…").click()
        page.get_by_label("Reason").fill("the network is down")
        answer(page, yes=True)
        page.get_by_role("button", name="Pause", exact=True).click()
        page.get_by_text("Every group is paused.").wait_for()
        assert not blocked(server, "127.0.0.1")
        page.get_by_role("button", name="End the pause").click()
        page.get_by_text("The pause has ended.").wait_for()
    assert blocked(server, "127.0.0.1")


def test_a_group_is_removed_only_after_a_yes(chromium: Browser, server: Moatdns) -> None:
    client = "127.0.1.15"
    make(server, "to-go", client, exempt=True)
    with Person(chromium, server) as person:
        page = person.log_in("/groups/to-go")
        answer(page, yes=False)
        page.get_by_role("button", name="Remove the group").click()
        assert not blocked(server, client)
        answer(page, yes=True)
        page.get_by_role("button", name="Remove the group").click()
        page.wait_for_url("**/groups")
        assert told(page) == "Group to-go was removed."
        assert person.go("/groups/default").get_by_role("button", name="Remove").count() == 0
    assert blocked(server, client)


def test_which_group_an_address_is_in_is_told_with_the_reason(chromium: Browser, server: Moatdns) -> None:
    make(server, "by-net", "127.0.2.0/24", client_names=["kiosk-9"])
    make(server, "by-lease", "127.0.3.0/24")
    server.api.call("PUT", "leases/127.0.2.9", {"identity": "ana", "group": "by-lease", "ttl_seconds": 600})
    with Person(chromium, server) as person:
        person.expected_statuses.add(422)
        page = person.log_in("/groups")
        for address, name, group, why in (
            ("127.0.2.1", "", "by-net", "127.0.2.0/24 of group by-net contains"),
            ("127.0.9.1", "kiosk-9", "by-net", "client's name is kiosk-9"),
            ("127.0.2.9", "", "by-lease", "leased to ana"),
            ("127.0.9.1", "", "default", "no group has a network"),
            ("192.0.2.1", "", "default", "does not serve it"),
        ):
            page.get_by_label("Client address").fill(address)
            page.get_by_label("Client name").fill(name)
            page.get_by_role("button", name="Find").click()
            page.locator("#found", has_text=f"{address} is in group {group}").wait_for()
            assert why in page.inner_text("main"), address
        page.get_by_label("Client address").fill("nonsense")
        page.get_by_role("button", name="Find").click()
        assert "is not an IP address" in page.get_by_role("alert").inner_text()


def test_a_refused_form_says_why_and_loses_nothing(chromium: Browser, server: Moatdns) -> None:
    make(server, "first", "127.0.4.1")
    with Person(chromium, server) as person:
        person.expected_statuses.add(422)
        page = person.log_in("/groups:new")
        page.get_by_label("Name", exact=True).fill("second")
        page.get_by_label("Networks").fill("127.0.4.1")
        page.get_by_label("openai/chatgpt", exact=True).select_option("allow")
        page.get_by_label("Time zone").fill("Europe/Berlim")
        page.get_by_role("group", name="Window 2").get_by_label("from").fill("25:00")
        page.get_by_role("button", name="Create the group").click()
        text = page.get_by_role("alert").inner_text()
        assert "Europe/Berlin" in text
        assert page.get_by_label("openai/chatgpt", exact=True).input_value() == "allow"
        assert page.get_by_role("group", name="Window 1").get_by_label("from").input_value() == "25:00"
        page.get_by_label("Time zone").fill("")
        page.get_by_role("group", name="Window 1").get_by_label("from").fill("")
        page.get_by_role("button", name="Create the group").click()
        page.get_by_role("alert").filter(has_text="belongs to the group").wait_for()
        assert "127.0.4.1/32 belongs to the group 'first'" in page.locator("#m-networks").inner_text()
        page.get_by_label("openai/api", exact=True).select_option("block")
        page.get_by_role("button", name="Create the group").click()
        page.get_by_role("alert").filter(has_text="clear the checkbox").wait_for()
        page.get_by_label("openai/api", exact=True).select_option("–")
        page.get_by_label("Networks").fill("127.0.4.2")
        page.get_by_role("button", name="Create the group").click()
        page.wait_for_url("**/groups/second")
    assert server.api.get("groups/second")["allow"] == ["openai/chatgpt"]


def test_a_form_made_from_what_somebody_else_changed_since_is_refused(chromium: Browser, server: Moatdns) -> None:
    make(server, "two-hands", "127.0.4.5")
    with Person(chromium, server) as person:
        person.expected_statuses.add(412)
        page = person.log_in("/groups/two-hands:edit")
        server.api.call("PATCH", "groups/two-hands", {"description": "theirs"})
        page.get_by_label("Description").fill("mine")
        page.get_by_role("button", name="Save").click()
        assert "changed" in page.get_by_role("alert").inner_text()
    assert server.api.get("groups/two-hands")["description"] == "theirs"


def test_groups_of_the_config_file_and_other_roles_have_nothing_to_press(chromium: Browser, server: Moatdns) -> None:
    make(server, "only-seen", "127.0.4.6")
    with Person(chromium, server) as person:
        page = person.log_in(f"/groups/{FROM_FILE}")
        assert "policy.groups" in page.inner_text("main")
        for name in ("Change", "Enforce", "Only monitor", "Remove"):
            here = page.locator("main")
            assert here.get_by_role("button", name=name).or_(here.get_by_role("link", name=name)).count() == 0
    with Person(chromium, server, role="viewer") as person:
        person.expected_statuses.add(403)
        page = person.log_in("/groups/only-seen")
        assert page.locator("main").get_by_role("button").count() == 0
        assert "Not allowed" in person.go("/groups:new").inner_text("main")
        assert "127.0.4.6" in person.go("/groups").inner_text("main")


def test_the_pages_of_groups_work_without_scripts(chromium: Browser, server: Moatdns) -> None:
    client = "127.0.4.7"
    with Person(chromium, server, scripts=False) as person:
        page = person.log_in("/groups:new")
        page.get_by_label("Name", exact=True).fill("no-scripts")
        page.get_by_label("Networks").fill(client)
        page.get_by_label("anthropic", exact=True).select_option("allow")
        page.get_by_role("button", name="Create the group").click()
        assert told(page) == "Group no-scripts was created."
        assert not blocked(server, client)
        page.get_by_role("button", name="Only monitor").click()
        assert "is only watched now" in told(page)
    assert not blocked(server, client, "chatgpt.com")
