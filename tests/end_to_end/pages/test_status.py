"""The status page: what it says of the node, refreshed by itself, and what is done from it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import Browser

from tests.conftest import OFFICE
from tests.support.browser import Person
from tests.support.clients import ask, rdata
from tests.support.moatdns import Moatdns
from tests.support.programs import free_port, wait_until
from tests.support.unbound import Unbound

_REFRESHED_MS = 5_000  # after so long the page asks again


class Hook(BaseHTTPRequestHandler):
    """Takes every webhook, and remembers it."""

    taken: list[bytes]

    def do_POST(self) -> None:
        self.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the standard library's name)
        """Say nothing."""


@pytest.fixture(scope="module")
def taken() -> Iterator[tuple[int, list[bytes]]]:
    """A receiver of webhooks: its port, and what it took."""
    Hook.taken = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as receiver:
        Thread(target=receiver.serve_forever, daemon=True).start()
        yield receiver.server_address[1], Hook.taken
        receiver.shutdown()


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, world: Unbound, taken: tuple[int, list[bytes]]
) -> Iterator[Moatdns]:
    """A server with an upstream that is well, one that is not there, and a webhook."""
    hook = {"url": f"http://127.0.0.1:{taken[0]}/hook", "secret": "a-secret-of-16-octets", "allow_private": True}
    config = {
        **OFFICE,
        "upstream": {"servers": [world.server], "zones": {"away.example": [f"tcp://127.0.0.1:{free_port()}"]}},
        "webhooks": [{**hook, "events": ["node.degraded"]}],
        "log_sinks": [{"to": "syslog+tcp://127.0.0.1:1"}],
        "limits": {"clients": 16},
    }
    with Moatdns(tmp_path_factory.mktemp("status"), config, with_api=True) as moatdns:
        yield moatdns


def test_the_node_is_told_as_the_api_has_it(chromium: Browser, server: Moatdns, world: Unbound) -> None:
    wait_until(lambda: server.api.get("status")["upstreams"], "what the workers say")
    status = server.api.get("status")
    with Person(chromium, server, role="viewer") as person:
        page = person.log_in("/status")
        text = page.inner_text("main")
        for worker in status["workers"]:
            assert f"process {worker['pid']}" in text
        upstream = page.get_by_role("row").filter(has_text=world.server)
        assert upstream.locator(".badge.good").count() == 2
        assert status["store"]["place"] in text
        assert "house" in page.get_by_role("region", name="Lists").inner_text()
        assert "127.0.0.1" in page.get_by_role("region", name="Webhooks").inner_text()
        sink = page.get_by_role("region", name="Log sinks").inner_text()
        assert "syslog+tcp://127.0.0.1:1" in sink and "it refuses connections" in sink
        assert page.get_by_role("button", name="Remove").count() == 0, "a viewer changes nothing"
        assert page.get_by_role("button", name="Send a test").count() == 0


def test_an_upstream_that_is_away_is_told_with_its_trouble(chromium: Browser, server: Moatdns) -> None:
    def is_down() -> bool:
        ask(server.port, "x.away.example")
        away = [each for each in server.api.get("status")["upstreams"] if each["name"].startswith("tcp://")]
        return any(each["trouble"] for each in away)

    wait_until(is_down, "trouble with the upstream that is away")
    with Person(chromium, server) as person:
        page = person.log_in("/status")
        upstreams = page.get_by_role("region", name="Upstreams")
        row = upstreams.get_by_role("row").filter(has_text="tcp://127.0.0.1")
        assert "refused" in row.inner_text()


def test_what_was_let_fall_is_told(chromium: Browser, server: Moatdns) -> None:
    for number in range(40):
        ask(server.port, "house.example", client=f"127.0.1.{number + 1}")
    wait_until(lambda: server.api.get("status")["dropped"].get("clients"), "a bound that bites")
    with Person(chromium, server) as person:
        page = person.log_in("/status")
        row = page.get_by_role("region", name="What was dropped").get_by_role("row").filter(has_text="clients")
        assert int(row.locator("td").last.inner_text().replace(",", "")) > 0


def test_the_page_refreshes_itself_and_the_keyboard_stays_where_it_is(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        person.page.clock.install()
        page = person.log_in("/status")
        link = page.get_by_role("link", name="policy revision")
        before = page.locator(".tile").filter(has=link).inner_text()
        link.focus()
        server.api.post("lists", {"name": "fresh", "block": ["fresh.example"]})
        page.clock.fast_forward(_REFRESHED_MS)
        page.get_by_role("region", name="Lists").get_by_role("link", name="fresh").wait_for()
        assert page.locator(".tile").filter(has=link).inner_text() != before
        assert page.evaluate("document.activeElement.id") == "s-policy"
        assert page.locator("h1").count() == 1, "only a part is asked for"


def test_a_page_that_cannot_refresh_itself_says_so_until_it_can(chromium: Browser, server: Moatdns) -> None:
    with Person(chromium, server) as person:
        person.page.clock.install()
        page = person.log_in("/status")
        notice = page.locator("#not-refreshed")
        assert not notice.is_visible()
        person.expected_statuses.add(503)
        page.route("**/status", lambda route: route.fulfill(status=503, body="away"))
        page.clock.fast_forward(_REFRESHED_MS)
        notice.wait_for()
        page.unroute("**/status")
        page.clock.fast_forward(_REFRESHED_MS)
        notice.wait_for(state="hidden")
        # htmx also says so in the browser's console, and that is wanted here.
        person.complaints = [text for text in person.complaints if "Response Status Error Code 503" not in text]


def test_the_answers_for_a_name_are_forgotten(chromium: Browser, server: Moatdns, world: Unbound) -> None:
    assert rdata(ask(server.port, "plain.example")) == ["198.51.100.30"]
    with Person(chromium, server, role="operator") as person:
        page = person.log_in("/status")
        page.get_by_label("Name", exact=True).fill("plain.example")
        page.get_by_role("button", name="Remove this name").click()
        told = page.get_by_role("status").filter(has_text="removed")
        told.wait_for()
        assert "for plain.example removed" in told.inner_text()
        assert not told.inner_text().startswith("0 ")
    row = server.api.get("audit?action=flush")["items"][0]
    assert row["after"]["name"] == "plain.example"
    assert row["after"]["below"] is True


def test_all_answers_are_forgotten_after_a_question(chromium: Browser, server: Moatdns) -> None:
    assert rdata(ask(server.port, "second.example", "TXT")) == []
    with Person(chromium, server) as person:
        page = person.log_in("/status")
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Remove all cached answers").click()
        page.get_by_role("status").filter(has_text="in all workers removed").wait_for()
    assert server.api.get("audit?action=flush")["items"][0]["after"]["name"] is None


def test_a_name_that_is_none_is_told_at_its_field(chromium: Browser, server: Moatdns) -> None:
    flushed = len(server.api.get("audit?action=flush")["items"])
    with Person(chromium, server) as person:
        person.expected_statuses.add(422)
        page = person.log_in("/status")
        page.get_by_label("Name", exact=True).fill("a..b")
        page.get_by_label("and all names below it").uncheck()
        page.get_by_role("button", name="Remove this name").click()
        page.locator("#m-name").wait_for()
        assert page.get_by_label("Name", exact=True).input_value() == "a..b"
        assert not page.get_by_label("and all names below it").is_checked()
    assert len(server.api.get("audit?action=flush")["items"]) == flushed


def test_a_test_reaches_the_webhook(chromium: Browser, server: Moatdns, taken: tuple[int, list[bytes]]) -> None:
    with Person(chromium, server) as person:
        page = person.log_in("/status")
        page.get_by_role("button", name="Send a test").click()
        page.get_by_role("status").filter(has_text="on its way to 1 webhook").wait_for()
    wait_until(lambda: any(json.loads(body)["type"] == "test" for body in taken[1]), "the webhook")
