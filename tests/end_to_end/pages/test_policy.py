"""The policy's history and its document as people use them, with the effect seen in DNS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import Browser, Page

from tests.support.browser import Person
from tests.support.clients import ask, is_blocked, rdata
from tests.support.moatdns import Moatdns
from tests.support.programs import wait_until


def revision(server: Moatdns) -> int:
    """The policy's newest."""
    return int(server.api.get("policy/history?limit=1")["items"][0]["revision"])


def exported(server: Moatdns) -> dict[str, Any]:
    """The policy as a document."""
    document: dict[str, Any] = server.api.get("policy")
    return document


def plan(page: Page, text: str, *, replay: str | None = None) -> None:
    """Send a document, and wait for what it would change."""
    page.get_by_label("Document", exact=True).last.fill(text)
    if replay:
        page.get_by_label("Try it on logged queries").select_option(replay)
        page.get_by_label("Why").fill("a test")
    page.get_by_role("button", name="Plan").click()
    page.wait_for_load_state()


def test_going_back_to_a_revision_unblocks_what_was_blocked_since(chromium: Browser, server: Moatdns) -> None:
    assert rdata(ask(server.port, "plain.example")) == ["198.51.100.30"]
    server.api.post("lists", {"name": "spare", "block": ["spare.example"]})
    good = revision(server)
    server.api.post("lists/spare/rules", {"block": ["plain.example"]}, status=200)
    assert is_blocked(ask(server.port, "plain.example"))
    with Person(chromium, server) as person:
        page = person.log_in("/policy")
        row = page.get_by_role("row").filter(has_text=str(good)).filter(has_text="create lists/spare")
        row.get_by_role("link", name="Go back").click()
        assert page.get_by_role("heading", name=f"Back to revision {good}").is_visible()
        assert "before rule: block plain.example" in " ".join(page.locator(".difference").inner_text().split())
        assert is_blocked(ask(server.port, "plain.example")), "looking changes nothing"
        page.get_by_role("button", name="Go back").click()
        page.wait_for_url("**/policy")
        assert f"in force as revision {good + 2}" in page.get_by_role("status").inner_text()
        assert "newest" in page.locator("tbody tr").first.inner_text()
    assert rdata(ask(server.port, "plain.example")) == ["198.51.100.30"]


def test_going_back_is_refused_where_the_policy_changed_since_it_was_looked_at(
    chromium: Browser, server: Moatdns
) -> None:
    server.api.post("lists", {"name": "first-list", "block": ["first.example"]})
    good = revision(server)
    server.api.post("lists", {"name": "second-list", "block": ["second.example"]})
    with Person(chromium, server) as person:
        person.expected_statuses.add(412)
        page = person.log_in(f"/policy/revisions/{good}")
        server.api.post("lists", {"name": "third-list", "block": ["third.example"]})
        page.get_by_role("button", name="Go back").click()
        page.get_by_role("alert").wait_for()
        assert "lists/third-list" in page.inner_text("main"), "what is now is shown"
        assert server.api.call("GET", "lists/second-list").status == 200
        page.get_by_role("button", name="Go back").click()
        page.wait_for_url("**/policy")
    assert server.api.call("GET", "lists/second-list").status == 404
    assert server.api.call("GET", "lists/third-list").status == 404


def test_a_document_is_planned_tried_on_what_was_asked_and_applied(chromium: Browser, server: Moatdns) -> None:
    client = "127.0.0.94"
    assert rdata(ask(server.port, "harmless.example", client=client))
    wait_until(lambda: server.api.get(f"queries?client={client}&reason=test")["items"], "the query in the log")
    document = exported(server)
    document["policy"]["lists"].append({"name": "harm", "block": ["harmless.example"]})
    with Person(chromium, server) as person:
        page = person.log_in("/policy/document")
        plan(page, yaml.safe_dump(document), replay="the last day")
        assert "lists/harm" in page.locator(".plan").inner_text()
        row = page.get_by_role("row").filter(has_text=client)
        assert row.locator("td").all_inner_texts()[1:4] == ["harmless.example", "allowed", "blocked"]
        assert rdata(ask(server.port, "harmless.example", client=client)), "planning changes nothing"
        page.get_by_role("button", name="Apply").click()
        page.wait_for_url("**/policy")
        assert "1 change: in force" in page.get_by_role("status").inner_text()
    assert is_blocked(ask(server.port, "harmless.example", client=client))


def test_a_plan_that_is_out_of_date_is_not_applied(chromium: Browser, server: Moatdns) -> None:
    document = exported(server)
    document["policy"]["lists"].append({"name": "late", "block": ["late.example"]})
    with Person(chromium, server) as person:
        person.expected_statuses.add(412)
        page = person.log_in("/policy/document")
        plan(page, json.dumps(document))
        server.api.post("lists", {"name": "meanwhile", "block": ["meanwhile.example"]})
        page.get_by_role("button", name="Apply").click()
        page.get_by_role("alert").wait_for()
        assert "late.example" in page.get_by_label("Document", exact=True).last.input_value(), "nothing typed is lost"
    assert server.api.call("GET", "lists/late").status == 404
    assert server.api.call("GET", "lists/meanwhile").status == 200


def test_mistakes_of_a_document_are_told_by_line_and_nothing_typed_is_lost(chromium: Browser, server: Moatdns) -> None:
    wrong = {
        "policy:\n  groups: [\n": "line",
        "policy:\n  groups:\n    - {name: default}\n    - {name: x, networks: [nonsense]}\n": "line 4",
        "nothing: 1\n": "section 'policy'",
        "policy: {unknown: 1}\n": "line 1",
        "revision: x\npolicy: {}\n": "line 1",
        "a: &b [*b]\n": "line 1",
        "<script>hit()</script>": "policy",
    }
    with Person(chromium, server) as person:
        person.expected_statuses.update((400, 422))
        page = person.log_in("/policy/document")
        for text, told in wrong.items():
            plan(page, text)
            assert told in page.get_by_role("alert").inner_text(), text
            typed = page.get_by_label("Document", exact=True).last.input_value()
            assert typed.replace("\r\n", "\n") == text


def test_the_download_is_what_can_be_put_back_from_a_file(chromium: Browser, server: Moatdns, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    with Person(chromium, server) as person:
        page = person.log_in("/policy")
        with page.expect_download() as downloading:
            page.get_by_role("link", name="Download the policy").click()
        downloading.value.save_as(file)
        assert yaml.safe_load(file.read_text()) == exported(server)
        person.go("/policy/document")
        page.get_by_label("From a file").set_input_files(file)
        wait_until(page.locator("#f-document").input_value, "the file's text in the form")
        page.get_by_role("button", name="Plan").click()
        page.wait_for_load_state()
        assert "Nothing would change" in page.inner_text("main")
        assert page.get_by_role("button", name="Apply").count() == 0


def test_a_viewer_may_plan_and_look_but_sees_no_way_to_change(chromium: Browser, server: Moatdns) -> None:
    server.api.post("lists", {"name": "seen", "block": ["seen.example"]})
    document = exported(server)
    document["policy"]["lists"].append({"name": "wish", "block": ["wish.example"]})
    with Person(chromium, server, role="viewer") as person:
        page = person.log_in("/policy")
        page.get_by_role("link", name="Compare").first.click()
        page.wait_for_url("**/policy/revisions/*")
        assert "lists/seen" in page.inner_text("main")
        assert page.get_by_role("button", name="Go back").count() == 0
        person.go("/policy/document")
        plan(page, yaml.safe_dump(document))
        assert "lists/wish" in page.inner_text("main")
        assert page.get_by_role("button", name="Apply").count() == 0


def test_a_revision_that_never_was_is_told(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        person.expected_statuses.add(404)
        page = person.log_in("/policy/revisions/999999")
        assert page.get_by_role("heading", name="Not found").is_visible()
