"""The page of clients in a real browser; what it changes is seen in answers to real queries."""

from __future__ import annotations

from playwright.sync_api import Browser, Page

from tests.support.browser import Person
from tests.support.clients import ask, is_blocked
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until


def blocked(server: Moatdns, client: str) -> bool:
    return is_blocked(ask(server.port, "claude.ai", client=client))


def lease(server: Moatdns, address: str, identity: str, group: str | None = None) -> None:
    reply = server.api.call("PUT", f"leases/{address}", {"identity": identity, "group": group, "ttl_seconds": 600})
    assert reply.status in (200, 201)


def told(page: Page, text: str) -> None:
    page.get_by_role("status").filter(has_text=text).wait_for()


def test_a_lease_is_set_renewed_and_ended(chromium: Browser, server: Moatdns) -> None:
    client, other = "127.0.6.1", "127.0.6.2"
    with Person(chromium, server, role="operator") as person:
        page = person.log_in("/clients")
        page.get_by_role("link", name="Set a lease").click()
        page.get_by_label("Address", exact=True).fill(client)
        page.get_by_label("Who has it").fill("ana@example.com")
        page.get_by_label("Group").select_option("research")
        page.get_by_label("More addresses").fill(other)
        page.get_by_role("button", name="Set", exact=True).click()
        told(page, f"{client} is leased to ana@example.com.")
        assert not blocked(server, client)
        assert not blocked(server, other)

        leases = page.locator("section", has=page.get_by_role("heading", name="Leases"))
        row = leases.get_by_role("row").filter(has=page.get_by_text(client, exact=True))
        assert "token:operator" in row.inner_text()
        row.get_by_role("link", name="Renew").click()
        assert page.get_by_label("More addresses").input_value() == other
        page.get_by_label("More addresses").fill("")
        page.get_by_label("How long").select_option("1 week")
        page.get_by_role("button", name="Renew").click()
        told(page, f"{client} is leased to ana@example.com.")
        assert "in 7 d" in row.inner_text() or "in 6 d" in row.inner_text()
        assert blocked(server, other)

        asked: list[str] = []
        page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
        row.get_by_role("button", name="End").click()
        told(page, f"The lease of {client} is over.")
        assert "ana@example.com" in asked[0]
        assert blocked(server, client)

        person.look(f"/clients/history?address={client}")
        events = page.locator("tbody tr").all_inner_texts()
        assert [word for text in events for word in ("set", "renewed", "ended") if f"\t{word}\t" in text] == [
            "ended",
            "renewed",
            "set",
        ]


def test_leases_are_found_by_a_part_of_identity_or_address_page_by_page(chromium: Browser, server: Moatdns) -> None:
    for number in range(120):
        lease(server, f"127.0.7.{number}", f"person-{number}@far.example")
    with Person(chromium, server, role="viewer investigator") as person:
        page = person.log_in("/clients")
        page.get_by_label("Identity or address").fill("FAR.example")
        page.get_by_role("button", name="Search").click()
        page.wait_for_url("**q=FAR.example**")
        rows = page.get_by_role("row").filter(has_text="@far.example")
        assert rows.count() == 100
        page.get_by_role("link", name="More").click()
        page.wait_for_url("**cursor=**")
        assert rows.count() == 20
        page.get_by_label("Identity or address").fill("person-77@")
        page.get_by_role("button", name="Search").click()
        page.wait_for_url("**q=person-77**")
        assert rows.count() == 1
        assert "127.0.7.77" in rows.inner_text()
        for name in ("End", "Set a lease", "Renew"):
            assert page.get_by_role("button", name=name).or_(page.get_by_role("link", name=name)).count() == 0


def test_a_lease_that_is_somebody_elses_by_now_is_not_ended(chromium: Browser, server: Moatdns) -> None:
    client = "127.0.6.5"
    lease(server, client, "first", "research")
    with Person(chromium, server) as person:
        person.expected_statuses.add(409)
        page = person.log_in(f"/clients?q={client}")
        lease(server, client, "second", "research")
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="End").click()
        assert "somebody else" in page.get_by_role("alert").inner_text()
    assert not blocked(server, client)


def test_mistakes_in_a_lease_are_told_and_nothing_typed_is_lost(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        person.expected_statuses.add(422)
        page = person.log_in("/clients/new")
        page.get_by_label("Address", exact=True).fill("not an address")
        page.get_by_label("Who has it").fill("bob")
        page.get_by_role("button", name="Set", exact=True).click()
        assert "is not an IP address" in page.get_by_role("alert").inner_text()
        assert page.get_by_label("Who has it").input_value() == "bob"
        page.get_by_label("Address", exact=True).fill("127.0.6.6")
        page.get_by_label("More addresses").fill("nor this")
        page.get_by_role("button", name="Set", exact=True).click()
        page.locator("#m-addresses").wait_for()
        assert "nor this" in page.locator("#m-addresses").inner_text()


def test_the_top_clients_lead_to_their_queries_and_to_the_check(chromium: Browser, server: Moatdns) -> None:
    client = "127.0.6.9"
    for _ in range(12):  # it is among those with most
        assert blocked(server, client)
    wait_until(lambda: server.api.get(f"queries?client={client}&reason=test")["items"], "the queries in the log")
    with Person(chromium, server) as person:
        person.log_in()
        page = person.look("/clients?persons=yes")
        top = page.locator("section", has=page.get_by_role("heading", name="Most hits"))
        row = top.get_by_role("row").filter(has=page.get_by_text(client, exact=True))
        assert "12" in row.locator("td").nth(1).inner_text()
        row.get_by_role("link", name="Check a name").click()
        assert page.get_by_label("Client address").input_value() == client
        page.go_back()
        row.get_by_role("link", name="Group").click()
        assert "is in group default" in page.locator("#found").inner_text()
        page.go_back()
        row.get_by_role("link", name="Queries").click()
        assert client in page.get_by_role("main").inner_text()
        person.say_why()
        assert "claude.ai" in page.inner_text("main")
        looks = [row["after"] for row in server.api.get("audit?action=look")["items"]]
        assert {"operation": "GET /queries", "client": client, "reason": "a test"} in looks
